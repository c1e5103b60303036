"""Long-term precision, recall and F-score as pytracking computes them: frames of all sequences in one pool.

After the F1 mode of analysis/extract_results.py of the program (extract_results_prec_rec_f1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.pytracking import (
    absent_of,
    is_valid,
    overlaps_of,
    refuse_invalid,
    refuse_nan_truth,
    without_empty_boxes,
)


@dataclass(frozen=True, eq=False)
class ScoredBoxes:
    """boxes: (N, 4) float64 x, y, w, h; presence: (N,) float64, larger where the target is surer to be there.

    presence is None where the tracker left no scores: all are 1 then.
    """

    boxes: np.ndarray
    presence: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class PooledPart(Part):
    """Assessed frames of one sequence, as read: repairing them takes the frames before them in the pool.

    truth, boxes: (n, 4) float64 x, y, w, h; valid: (n,) bool, the target is visible and has a box;
    presence: (n,) float64.
    """

    name: str
    truth: np.ndarray
    valid: np.ndarray
    boxes: np.ndarray
    presence: np.ndarray

    @property
    def scores(self) -> Scores:
        return pooled_scores([self])


@dataclass(frozen=True)
class PytrackingF1Rule(Rule[BoxTruth, ScoredBoxes]):
    """anno_period: every n-th frame, beginning with the first, is assessed; others need no numbers."""

    anno_period: int = 1

    columns: ClassVar[tuple[str, ...]] = ('f', 'precision', 'recall')

    @property
    def program(self) -> str:
        return 'visionml/pytracking @7eb9e74b (F1 mode)'

    @property
    def text(self) -> str:
        frames = (
            'all frames' if self.anno_period == 1 else f'every {self.anno_period}th frame of each sequence'
        )
        return (
            f'{frames} in one pool, by falling presence score: recall is the sum of IoU over the visible '
            'frames with x, y, w, h > 0, precision the same sum over all frames so far, where absent frames '
            'add none; the largest F counts; only the first row of the pool is the truth; rows with no size '
            'repeat the row before; without scores all are 1'
        )

    def read(self, results: ResultFiles, truth: BoxTruth) -> ScoredBoxes:
        boxes = BoxResults.of(results)
        return ScoredBoxes(boxes.boxes(truth.name), boxes.presence_scores(truth.name))

    def measure(self, truth: BoxTruth, result: ScoredBoxes) -> PooledPart:
        """Raises DataError where the program raises, and where rows of the pool would not belong together."""
        count = len(truth.boxes)
        presence = np.ones(count) if result.presence is None else result.presence
        for what, rows in (('rows', result.boxes), ('presence scores', presence)):
            if len(rows) != count:
                raise DataError(
                    f'{truth.name}: expected {count} {what}, got {len(rows)}; in a pool each frame has '
                    'to stand beside its annotation; cut or complete the result'
                )
        if np.isnan(presence).any():
            line = np.isnan(presence).argmax() + 1
            raise DataError(
                f'{truth.name}: expected presence scores, got nan in line {line}; they order frames'
            )
        valid = is_valid(truth.boxes, 'box') & ~absent_of(truth)
        every = (truth.boxes, valid, result.boxes, presence)
        part = PooledPart(truth.name, *(rows[:: self.anno_period] for rows in every))
        refuse_invalid(truth.name, part.boxes, self.anno_period)
        refuse_nan_truth(truth.name, part.truth, self.anno_period)
        return part

    def total(self, parts: Sequence[PooledPart]) -> Scores:
        return pooled_scores(parts)


def pooled_scores(parts: Sequence[PooledPart]) -> Scores:
    """Curves of (n + 1,) values: before any frame (precision 1, recall 0), then after each by falling score.

    The curve 'threshold' is the score of the frame added last, inf at first. (The program names the score one
    further on.) Frames of equal score keep the order of the pool, which the program leaves open. F and recall
    are nan where no frame of the pool is valid.
    """
    if not parts:
        raise DataError('expected at least one sequence to pool, got none')
    truth = np.concatenate([part.truth for part in parts])
    boxes = without_empty_boxes(np.concatenate([part.boxes for part in parts]), truth)
    boxes[0] = truth[0]
    valid = np.concatenate([part.valid for part in parts])
    overlaps = np.where(valid, overlaps_of(boxes, truth), 0)
    presence = np.concatenate([part.presence for part in parts])
    order = np.argsort(-presence, kind='stable')
    sums = overlaps[order].cumsum()
    precision = np.concatenate([[1], sums / np.arange(1, len(sums) + 1)])
    with np.errstate(invalid='ignore'):  # no valid frame
        recall = np.concatenate([[0], sums / np.count_nonzero(valid)])
    both = precision + recall
    f = 2 * precision * recall / np.where(both == 0, 1, both)  # both are 0 before the first overlap
    best = f.argmax()
    values = {'f': float(f[best]), 'precision': float(precision[best]), 'recall': float(recall[best])}
    threshold = np.concatenate([[np.inf], presence[order]])
    return Scores(values, {'precision': precision, 'recall': recall, 'f': f, 'threshold': threshold})

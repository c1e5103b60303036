"""Long-term precision, recall and F-score as pytracking computes them: frames of all sequences in one pool.

After the F1 mode of analysis/extract_results.py of the program (extract_results_prec_rec_f1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.boxes import overlaps
from mmgtrack.evaluation.rules.pytracking import (
    absent_of,
    is_empty,
    is_valid,
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

    @cached_property
    def order(self) -> np.ndarray:
        """(n,) places of the frames by falling presence score; frames of equal score stay in their order."""
        return np.argsort(-self.presence, kind='stable')

    @cached_property
    def falling(self) -> np.ndarray:
        """(n,) float64: the presence scores in that order."""
        return self.presence[self.order]

    @cached_property
    def num_leading(self) -> int:
        """How many rows at the beginning have no size: they repeat the last row of the sequence before."""
        return int(np.append(is_empty(self.boxes), False).argmin())

    @cached_property
    def repaired(self) -> np.ndarray:
        """(n, 4): every other row without size repeats the row before it."""
        return without_empty_boxes(self.boxes, self.truth)

    @cached_property
    def overlaps(self) -> np.ndarray:
        """(n,) float64 IoU of the repaired rows, by falling score; 0 where the truth is not valid."""
        return self._ious(self.repaired)[self.order]

    def overlaps_after(self, before: np.ndarray | None) -> np.ndarray:
        """The same in a pool. before: (4,) its last row; None at its beginning, where row 0 is the truth."""
        if before is not None and not self.num_leading:
            return self.overlaps
        boxes = self.repaired.copy()
        if before is None:
            boxes[0] = self.truth[0]
        else:
            boxes[: self.num_leading] = before
        return self._ious(boxes)[self.order]

    def last_row(self, before: np.ndarray | None) -> np.ndarray:
        """(4,) that the sequence leaves to the next one."""
        only_empty = self.num_leading == len(self.boxes)
        return before if only_empty and before is not None else self.repaired[-1]

    def _ious(self, boxes: np.ndarray) -> np.ndarray:
        return np.where(self.valid, overlaps(boxes, self.truth), 0)


@dataclass(frozen=True)
class PytrackingF1Rule(Rule[BoxTruth, ScoredBoxes]):
    """pytracking's Pr, Re and F1 of long-term tracking.

    anno_period: every n-th frame, beginning with the first, is assessed; others need no numbers. It is the
        program's parameter of that name, for benchmarks with sparse annotations: 1 assesses all frames.
    """

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
        if not count:
            raise DataError(f'{truth.name}: expected annotated frames, got none')
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

    def _total(self, parts: Sequence[PooledPart]) -> Scores:
        return pooled_scores(parts)

    def notes(self, parts: Sequence[PooledPart]) -> tuple[str, ...]:
        if any(len(np.unique(part.presence)) > 1 for part in parts):
            return ()
        return ('there are no presence scores, so that the order of the frames decides which come first',)


def pooled_scores(parts: Sequence[PooledPart]) -> Scores:
    """Curves of (n + 1,) values: before any frame (precision 1, recall 0), then after each by falling score.

    The curve 'threshold' is the score of the frame added last, inf at first. (The program names the score one
    further on.) Frames of equal score keep the order of the pool, which the program leaves open. F and recall
    are nan where no frame of the pool is valid.
    """
    falling = np.concatenate([part.falling for part in parts])
    order = np.argsort(-falling, kind='stable')  # quick, since it consists of few sorted stretches
    sums = pooled_overlaps(parts)[order].cumsum()
    num_valid = sum(np.count_nonzero(part.valid) for part in parts)
    precision = np.concatenate([[1], sums / np.arange(1, len(sums) + 1)])
    with np.errstate(invalid='ignore'):  # no valid frame
        recall = np.concatenate([[0], sums / num_valid])
    both = precision + recall
    f = 2 * precision * recall / np.where(both == 0, 1, both)  # both are 0 before the first overlap
    best = f.argmax()
    values = {'f': float(f[best]), 'precision': float(precision[best]), 'recall': float(recall[best])}
    threshold = np.concatenate([[np.inf], falling[order]])
    return Scores(values, {'precision': precision, 'recall': recall, 'f': f, 'threshold': threshold})


def pooled_overlaps(parts: Sequence[PooledPart]) -> np.ndarray:
    """(n,) float64 IoU of all frames: sequence by sequence, by falling score within each."""
    found, before = [], None
    for part in parts:
        found.append(part.overlaps_after(before))
        before = part.last_row(before)
    return np.concatenate(found)

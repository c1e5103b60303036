"""Precision, recall and F of long-term tracking as the VOT toolkit computes them.

After vot/analysis/longterm.py of vot-toolkit 0.7.4 (average_tpr, pr_curve, f_curve on an unsupervised run).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory, read_trajectory, run_name
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.vot_overlap import frame_overlaps
from mmgtrack.formats.vot_regions import SHAPE

RESOLUTION = 100
"""Thresholds of a curve, the two infinite ones included."""


@dataclass(frozen=True, eq=False)
class LongTermPart(Part):
    """What counts of a sequence.

    confidences: (n,) falling; overlaps: (n,) of the same frames; visible: frames with an annotated shape.
    """

    name: str
    confidences: np.ndarray
    overlaps: np.ndarray
    visible: int

    @property
    def scores(self) -> Scores:
        return total_scores([self])

    @cached_property
    def sums(self) -> np.ndarray:
        """(n + 1,) overlap of the first 0, 1, ... n frames."""
        return np.concatenate([[0.0], np.cumsum(self.overlaps)])

    def curves(self, thresholds: np.ndarray) -> np.ndarray:
        """(2, T) precision and recall of the frames with at least that confidence; 1 and 0 without any."""
        counts = np.searchsorted(-self.confidences, -thresholds, side='right')
        sums = self.sums[counts]
        return np.stack([np.where(counts > 0, sums / np.maximum(counts, 1), 1.0), sums / self.visible])


@dataclass(frozen=True)
class VotLongTermRule(Rule[VotTruth, Trajectory]):
    """``experiment``: folder of the results, as the stack calls it."""

    experiment: str = 'longterm'

    columns: ClassVar[tuple[str, ...]] = ('f', 'precision', 'recall')

    @property
    def program(self) -> str:
        return 'vot-toolkit 0.7.4'

    @property
    def text(self) -> str:
        return (
            'pixel overlap of one run; thresholds are up to 98 confidences over all sequences and both '
            'infinities; precision over frames >= threshold (1 without any), recall over visible frames; an '
            'absent frame counts 1 if absence is reported, else 0; row 0 and blank confidences count 0; '
            'best F of the mean curves'
        )

    def read(self, results: ResultFiles, truth: VotTruth) -> Trajectory:
        return read_trajectory(results, truth.name, run_name(truth.name), self.experiment)

    def measure(self, truth: VotTruth, result: Trajectory) -> LongTermPart:
        """Without a file of confidences all are 0. Raises DataError where no frame shows the target."""
        overlaps = frame_overlaps(truth.name, result.regions, truth.regions, truth.image_size)
        visible = int(np.count_nonzero(truth.regions.codes == SHAPE))
        if not visible:
            raise DataError(f'{truth.name}: the ground truth never shows the target: there is no recall')
        confidences = np.zeros(len(overlaps)) if result.confidences is None else result.confidences
        kept = np.flatnonzero(~np.isnan(confidences))  # nan is above no threshold, not even -inf
        order = kept[np.argsort(-confidences[kept], kind='stable')]
        return LongTermPart(truth.name, confidences[order], overlaps[order], visible)

    def _total(self, parts: Sequence[LongTermPart]) -> Scores:
        return total_scores(parts)


def total_scores(parts: Sequence[LongTermPart]) -> Scores:
    """At the first maximum of F. Curves: thresholds, and precision, recall and f at each."""
    thresholds = pick_thresholds(np.concatenate([part.confidences for part in parts]))
    precision, recall = np.mean([part.curves(thresholds) for part in parts], axis=0)
    with np.errstate(invalid='ignore'):  # 0 / 0 is no number and never the maximum
        f = 2 * precision * recall / (precision + recall)
    best = np.nanargmax(f)  # the first entry is 0, so there is one
    values = {'f': float(f[best]), 'precision': float(precision[best]), 'recall': float(recall[best])}
    return Scores(values, {'thresholds': thresholds, 'precision': precision, 'recall': recall, 'f': f})


def pick_thresholds(confidences: np.ndarray) -> np.ndarray:
    """(T,) falling from inf to -inf; between them at most 98 of the (n,) confidences, evenly by rank.

    The first and last n // 98 ranks are left out, except that the last index is n - n // 98.
    """
    ranked = np.sort(confidences)[::-1]
    inner = RESOLUTION - 2
    if len(ranked) > inner:
        margin = len(ranked) // inner
        ranked = ranked[np.round(np.linspace(margin, len(ranked) - margin, inner)).astype(int)]
    return np.concatenate([[np.inf], ranked, [-np.inf]])

"""TLP (Track Long and Prosper): the rule of OTB, and the longest stretch that a tracker holds on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.base import Part, Scores
from mmgtrack.evaluation.rules.boxes import overlaps
from mmgtrack.evaluation.rules.matlab import OtbMatlabRule
from mmgtrack.evaluation.rules.one_pass import OnePassPart, OnePassRule

MIN_OVERLAP = 0.5  # TLP paper: a frame is tracked if its IoU is above this
PERCENTS = range(50, 101, 5)  # ours: a curve around the published 95 %
PUBLISHED_PERCENT = 95  # TLP paper, plot of LSM
OTB = OtbMatlabRule()


@dataclass(frozen=True, eq=False)
class TlpPart(Part):
    """one_pass: curves by the rule of OTB; tracked: (N,) bool, the frames that a stretch is made of."""

    name: str
    one_pass: OnePassPart
    tracked: np.ndarray

    @cached_property
    def lsm(self) -> np.ndarray:
        """(P,) longest stretch at each of ``PERCENTS``, as a share of all frames."""
        longest = [longest_subsequence(self.tracked, percent) for percent in PERCENTS]
        return np.array(longest) / len(self.tracked)

    @property
    def scores(self) -> Scores:
        return with_lsm(self.one_pass.scores, self.lsm)


@dataclass(frozen=True)
class TlpRule(OnePassRule):
    """Success and precision as in OTB, and LSM: how long the target is held, as a share of the sequence.

    A frame is tracked if its IoU is above 0.5, wherever the truth lies: unlike in the curves, also where its
    x or y is not positive. Row 0, which is the truth, counts as tracked; later frames that are flagged as
    lost, or whose truth has a nan or no size, do not. LSM is the length of the longest run of consecutive
    frames of which at least 95 % are tracked, divided by all frames; the mean of sequences is reported. The
    benchmark came without a program for it: it follows the paper.
    """

    columns: ClassVar[tuple[str, ...]] = ('success', 'precision', 'lsm_0.95', 'success_0.5', 'success_0.75')

    @property
    def program(self) -> str:
        return f'{OTB.program}; LSM by the TLP paper, which has no program'

    @property
    def text(self) -> str:
        return (
            f'{OTB.text}; LSM 0.95: longest run of frames of which at least 95 % have IoU > 0.5, lost '
            'frames and frames without a truth never; divided by all frames; mean of all sequences'
        )

    def measure(self, truth: BoxTruth, result: np.ndarray) -> TlpPart:
        tracked = overlaps(OTB.compared(truth, result), truth.boxes) > MIN_OVERLAP
        tracked &= (truth.boxes[:, 2:] > 0).all(axis=1) & ~np.isnan(truth.boxes).any(axis=1)
        if truth.absent is not None:
            tracked &= ~truth.absent
        tracked[0] = True
        return TlpPart(truth.name, OTB.measure(truth, result), tracked)

    def _total(self, parts: Sequence[TlpPart]) -> Scores:
        scores = OTB.total([part.one_pass for part in parts])
        return with_lsm(scores, np.mean([part.lsm for part in parts], axis=0))


def with_lsm(scores: Scores, lsm: np.ndarray) -> Scores:
    """Adds the curve over ``PERCENTS`` and its published value."""
    value = float(lsm[PERCENTS.index(PUBLISHED_PERCENT)])
    return Scores({**scores.values, 'lsm_0.95': value}, {**scores.curves, 'lsm': lsm})


def longest_subsequence(ok: np.ndarray, percent: int) -> int:
    """Length of the longest run of consecutive frames of which at least ``percent`` % are ok; 0 if none is.

    ok: (N,) bool; percent: 1 to 100. In integers, so that a run of exactly that share counts.
    """
    gains = np.where(ok, 100 - percent, -percent)
    sums = np.concatenate([[0], np.cumsum(gains)])  # frames i to j - 1 hold enough if sums[j] >= sums[i]
    lowest = np.minimum.accumulate(sums)
    starts = np.searchsorted(-lowest, -sums)  # for each j the first i with sums[i] <= sums[j]
    return int((np.arange(len(sums)) - starts).max())

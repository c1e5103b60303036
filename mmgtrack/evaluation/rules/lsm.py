"""TLP (Track Long and Prosper): the rule of OTB, and the longest stretch that a tracker holds on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.matlab import OtbMatlabRule
from mmgtrack.evaluation.rules.one_pass import OnePassPart

MIN_OVERLAP = 0.5  # TLP paper: a frame is tracked if its IoU is above this
PERCENTS = range(50, 101, 5)  # ours: a curve around the published 95 %
PUBLISHED_PERCENT = 95  # TLP paper, plot of LSM
OTB = OtbMatlabRule()


@dataclass(frozen=True, eq=False)
class TlpPart(Part):
    """one_pass: curves by the rule of OTB; lsm: (P,) longest stretch at each of ``PERCENTS``, as a share."""

    name: str
    one_pass: OnePassPart
    lsm: np.ndarray

    @property
    def scores(self) -> Scores:
        return with_lsm(self.one_pass.scores, self.lsm)


@dataclass(frozen=True)
class TlpRule(Rule[BoxTruth, np.ndarray]):
    """Success and precision as in OTB, and LSM: how long the target is held, as a share of the sequence.

    A frame is tracked if its IoU is above 0.5; row 0 counts as tracked, absent frames do not. LSM is the
    length of the longest run of consecutive frames of which at least 95 % are tracked, divided by all frames;
    the mean of sequences is reported. The benchmark came without a program for it: it follows the paper.
    """

    columns = ('success', 'precision', 'lsm_0.95', 'success_0.5', 'success_0.75')

    @property
    def program(self) -> str:
        return f'{OTB.program}; LSM by the TLP paper, which has no program'

    @property
    def text(self) -> str:
        return (
            f'{OTB.text}; LSM 0.95: longest run of frames of which at least 95 % have IoU > 0.5, absent '
            'frames never; divided by all frames; mean of all sequences'
        )

    def read(self, results: ResultFiles, truth: BoxTruth) -> np.ndarray:
        return OTB.read(results, truth)

    def measure(self, truth: BoxTruth, result: np.ndarray) -> TlpPart:
        part = OTB.measure(truth, result)
        assert part.frames is not None
        ok = part.frames.overlaps > MIN_OVERLAP
        if truth.absent is not None:
            ok &= ~truth.absent
        longest = [longest_subsequence(ok, percent) for percent in PERCENTS]
        return TlpPart(truth.name, part, np.array(longest) / len(ok))

    def total(self, parts: Sequence[TlpPart]) -> Scores:
        if not parts:
            raise DataError('expected the numbers of at least one sequence, got none')
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

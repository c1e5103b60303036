"""Average overlap of unsupervised runs as the VOT toolkit computes it.

After vot/analysis/accuracy.py of vot-toolkit 0.7.4 (average_accuracy).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory, read_trajectory, run_name
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.vot_overlap import frame_overlaps
from mmgtrack.formats.vot_regions import FAILURE, INITIALISATION, UNKNOWN, Regions


@dataclass(frozen=True, eq=False)
class AccuracyPart(Part):
    """accuracy: mean overlap of the frames that count, 0 without any; frames: all of the sequence."""

    name: str
    accuracy: float
    frames: int

    @property
    def scores(self) -> Scores:
        return Scores({'accuracy': self.accuracy})


@dataclass(frozen=True)
class VotAccuracyRule(Rule[VotTruth, Trajectory]):
    """``burnin``: frames from each initialisation on that do not count."""

    burnin: int
    experiment: str = 'unsupervised'

    columns: ClassVar[tuple[str, ...]] = ('accuracy',)
    has_curves: ClassVar[bool] = False

    @property
    def program(self) -> str:
        return 'vot-toolkit 0.7.4'

    @property
    def text(self) -> str:
        return (
            f'mean pixel overlap of one run without {self.burnin} frames from each initialisation, frames '
            'whose truth is unknown and frames reported as unknown or failed; mean of sequences weighted by '
            'all their frames'
        )

    def read(self, results: ResultFiles, truth: VotTruth) -> Trajectory:
        return read_trajectory(results, truth.name, run_name(truth.name), self.experiment)

    def measure(self, truth: VotTruth, result: Trajectory) -> AccuracyPart:
        overlaps = frame_overlaps(truth.name, result.regions, truth.regions, truth.image_size)
        known = truth.regions.codes != UNKNOWN
        starts = (result.regions.codes == INITIALISATION) & known
        counted = overlaps[known & reported(result.regions) & ~after(starts, self.burnin)]
        return AccuracyPart(truth.name, float(counted.mean()) if len(counted) else 0.0, len(overlaps))

    def _total(self, parts: Sequence[AccuracyPart]) -> Scores:
        frames = sum(part.frames for part in parts)
        return Scores({'accuracy': sum(part.accuracy * part.frames for part in parts) / frames})


def reported(regions: Regions) -> np.ndarray:
    """(N,) bool: not marked as unknown or as a failure."""
    return ~np.isin(regions.codes, (UNKNOWN, FAILURE))


def after(starts: np.ndarray, length: int) -> np.ndarray:
    """(N,) bool: whether one of the last ``length`` frames, this one too, is in ``starts``, (N,) bool."""
    begun = np.concatenate([[0], np.cumsum(starts)])
    frames = np.arange(len(starts))
    return begun[frames + 1] > begun[np.maximum(frames + 1 - length, 0)]

"""Runs that are started again after each failure (VOT2013 to VOT2019), as mmtracking computes them.

After mmtrack/core/evaluation/eval_sot_vot.py of mmtracking 1.0.0rc1, with the overlap of vot-toolkit 0.7.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory, read_trajectory, run_name
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.vot_accuracy import after, reported
from mmgtrack.evaluation.rules.vot_overlap import frame_overlaps
from mmgtrack.formats.vot_regions import FAILURE, INITIALISATION, Regions

BURN_IN = 10
"""Frames from each initialisation on that do not count for the accuracy, in all programs for such runs."""


@dataclass(frozen=True, eq=False)
class ResetPart(Part):
    """A sequence, cut into R fragments from each start to the frame before the failure.

    means: (R, high + 1) float32 overlap of frames 0, then 1 to j of each fragment, 0 behind its end.
    lengths: (R,) frames of each; failed: (R,) bool. accuracy: mean overlap of the frames that count, 0
    without any; failures, frames: counts. low: first entry of the curve that enters its mean.
    """

    name: str
    means: np.ndarray
    lengths: np.ndarray
    failed: np.ndarray
    accuracy: float
    failures: int
    frames: int
    low: int

    @property
    def scores(self) -> Scores:
        return total_scores([self])


@dataclass(frozen=True)
class VotResetRule(Rule[VotTruth, Trajectory]):
    """``low`` to ``high``: lengths in frames over which the curve is averaged, of the challenge's year."""

    low: int
    high: int
    experiment: str = 'baseline'

    columns: ClassVar[tuple[str, ...]] = ('eao', 'accuracy', 'failure_rate', 'failures')
    absolute: ClassVar[frozenset[str]] = frozenset({'failures'})

    @property
    def program(self) -> str:
        return 'open-mmlab/mmtracking 1.0.0rc1 (eval_sot_vot)'

    @property
    def text(self) -> str:
        return (
            f'pixel overlap; EAO in float32 over {self.low} to {self.high} frames of the fragments between '
            'resets, failed ones padded by zeros; accuracy without skipped and failed frames and '
            f'{BURN_IN} from each start, weighted by all frames; failure_rate = failures a frame, less '
            'is better (mmtracking prints it times 100 and calls it robustness)'
        )

    def read(self, results: ResultFiles, truth: VotTruth) -> Trajectory:
        return read_trajectory(results, truth.name, run_name(truth.name), self.experiment)

    def measure(self, truth: VotTruth, result: Trajectory) -> ResetPart:
        overlaps = frame_overlaps(truth.name, result.regions, truth.regions, truth.image_size)
        fragments = cut(truth.name, result.regions)
        starts = result.regions.codes == INITIALISATION
        counted = overlaps[reported(result.regions) & ~after(starts, BURN_IN)]
        return ResetPart(
            truth.name,
            self._means([overlaps[start:end] for start, end, _ in fragments]),
            np.array([max(end - start, 0) for start, end, _ in fragments]),
            np.array([failed for _, _, failed in fragments]),
            float(counted.mean()) if len(counted) else 0.0,
            int(np.count_nonzero(result.regions.codes == FAILURE)),
            len(overlaps),
            self.low,
        )

    def _total(self, parts: Sequence[ResetPart]) -> Scores:
        return total_scores(parts)

    def notes(self, parts: Sequence[ResetPart]) -> tuple[str, ...]:
        return short_runs_note(max(int(part.lengths.max()) for part in parts), self.low, self.high)

    def _means(self, fragments: list[np.ndarray]) -> np.ndarray:
        rows = np.zeros((len(fragments), self.high + 1), np.float32)
        for row, overlaps in zip(rows, fragments, strict=True):
            row[: len(overlaps)] = overlaps[: self.high + 1]
        means = rows.copy()
        for end in range(1, self.high + 1):  # not a running sum: float32 rounds as the program's mean does
            means[:, end] = np.mean(rows[:, 1 : end + 1], axis=1)
        return means


def short_runs_note(longest: int, low: int, high: int) -> tuple[str, ...]:
    """For a benchmark whose runs are shorter than the lengths that its EAO is averaged over."""
    if longest > high:
        return ()
    return (f'EAO is meant for lengths of {low} to {high} frames; the longest run here has {longest}',)


def cut(name: str, regions: Regions) -> list[tuple[int, int, bool]]:
    """Start, end (not included) and whether it failed, of each fragment: n-th start to n-th failure.

    What follows the last failure starts at the last initialisation. Raises DataError where the first frame is
    no initialisation, or a failure has none.
    """
    starts = np.flatnonzero(regions.codes == INITIALISATION).tolist()
    failures = np.flatnonzero(regions.codes == FAILURE).tolist()
    if not starts or starts[0] != 0:
        raise DataError(f'{name}: expected 1 (initialisation) in the first row of a run with resets')
    if len(failures) > len(starts):
        raise DataError(f'{name}: expected an initialisation before each of {len(failures)} failures')
    if not failures:
        return [(0, len(regions), False)]
    fragments = [(start, end, True) for start, end in zip(starts, failures, strict=False)]
    if len(starts) > len(failures):
        fragments.append((starts[-1], len(regions), False))
    return fragments


def total_scores(parts: Sequence[ResetPart]) -> Scores:
    """The curve ends at ``high`` or with the longest fragment; nan as EAO where that is before ``low``.

    ``failures`` is their number.
    """
    lengths = np.concatenate([part.lengths for part in parts])
    width = min(int(lengths.max()), parts[0].means.shape[1])
    means = np.concatenate([part.means[:, :width] for part in parts])
    failed = np.concatenate([part.failed for part in parts])
    counted = (failed[:, None] | (np.arange(width) < lengths[:, None])).astype(np.float32)
    curve = np.sum(means * counted, axis=0) / np.sum(counted, axis=0)
    wanted = curve[parts[0].low :]
    frames = sum(part.frames for part in parts)
    failures = sum(part.failures for part in parts)
    values = {
        'eao': float(np.mean(wanted)) if len(wanted) else float('nan'),
        'accuracy': sum(part.accuracy * part.frames for part in parts) / frames,
        'failure_rate': failures / frames,
        'failures': float(failures),
    }
    return Scores(values, {'eao': curve})

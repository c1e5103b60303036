"""Accuracy, robustness and expected average overlap of runs from anchors, as the VOT toolkit computes them.

After vot/analysis/multistart.py of vot-toolkit 0.7.4 (VOT2020 and later).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory, anchor_name, read_trajectory
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.vot_overlap import frame_overlaps
from mmgtrack.evaluation.rules.vot_reset import short_runs_note

FAILURE_OVERLAP = 0.1
"""At most this much in a frame that shows the target is bad."""

GRACE = 10
"""Bad frames in a row that make a failure."""


@dataclass(frozen=True, eq=False)
class MultiStartPart(Part):
    """Sums over the runs of a sequence.

    frames: of the sequence; tracked: frames before failures; run: frames of all runs; overlap: sum of the
    tracked frames'. curve: (high,) mean overlap up to each frame, summed over the runs that count there;
    active: (high,) how many they are. low: first entry of the curve that enters its mean.
    """

    name: str
    frames: int
    tracked: int
    run: int
    overlap: float
    curve: np.ndarray
    active: np.ndarray
    low: int

    @property
    def scores(self) -> Scores:
        return total_scores([self])


@dataclass(frozen=True)
class VotMultiStartRule(Rule[VotTruth, tuple[Trajectory, ...]]):
    """``low`` to ``high``: lengths in frames over which the curve is averaged, of the challenge's year."""

    low: int
    high: int
    experiment: str = 'baseline'

    columns: ClassVar[tuple[str, ...]] = ('eao', 'accuracy', 'robustness')

    @property
    def program(self) -> str:
        return 'vot-toolkit 0.7.4'

    @property
    def text(self) -> str:
        return (
            f'runs from every anchor to an end; failed at the first of {GRACE} frames with pixel overlap <= '
            f'{FAILURE_OVERLAP} and a visible target; accuracy over frames before it (row 0 counts 0), '
            f'weighted by them; robustness weighted by length; EAO over {self.low} to {self.high} frames, '
            'failed runs padded by zeros'
        )

    def read(self, results: ResultFiles, truth: VotTruth) -> tuple[Trajectory, ...]:
        """The runs in the order of ``anchor_runs``."""
        return tuple(
            read_trajectory(results, truth.name, anchor_name(truth.name, int(frames[0])), self.experiment)
            for frames in anchor_runs(truth)
        )

    def measure(self, truth: VotTruth, result: tuple[Trajectory, ...]) -> MultiStartPart:
        tracked = run = 0
        overlap = 0.0
        curve, active = np.zeros(self.high), np.zeros(self.high)
        for frames, trajectory in zip(anchor_runs(truth), result, strict=True):
            regions = truth.regions.take(frames)
            name = anchor_name(truth.name, int(frames[0]))
            overlaps = frame_overlaps(name, trajectory.regions, regions, truth.image_size)
            progress = failure_frame(overlaps, ~regions.empty)
            tracked, run = tracked + progress, run + len(frames)
            overlap += overlaps[:progress].sum()
            means, counts = overlap_curve(overlaps, progress, self.high)
            curve += means
            active += counts
        return MultiStartPart(
            truth.name, len(truth.regions), tracked, run, float(overlap), curve, active, self.low
        )

    def _total(self, parts: Sequence[MultiStartPart]) -> Scores:
        return total_scores(parts)

    def notes(self, parts: Sequence[MultiStartPart]) -> tuple[str, ...]:
        return short_runs_note(max(part.frames for part in parts), self.low, self.high)


def total_scores(parts: Sequence[MultiStartPart]) -> Scores:
    """nan as accuracy where every run failed at once."""
    active = np.sum([part.active for part in parts], axis=0)
    curve = np.sum([part.curve for part in parts], axis=0) / np.maximum(active, 1)
    tracked = sum(part.tracked for part in parts)
    frames = sum(part.frames for part in parts)
    wanted = curve[parts[0].low :]  # up to high, were the curve not one shorter than that
    values = {
        'eao': float(wanted.mean()) if len(wanted) else float('nan'),
        'accuracy': sum(part.overlap for part in parts) / tracked if tracked else float('nan'),
        'robustness': sum(part.tracked / part.run * part.frames for part in parts) / frames,
    }
    return Scores(values, {'eao': curve})


def anchor_runs(truth: VotTruth) -> list[np.ndarray]:
    """Frames of each run in the order they are tracked: from forward anchors, then from backward ones.

    Raises DataError without any anchor.
    """
    anchors = np.zeros(0) if truth.anchors is None else truth.anchors
    if not anchors.any():
        raise DataError(f'{truth.name}: expected anchors in anchor.value (1 forward, -1 backward), got none')
    forward = [np.arange(anchor, len(truth.regions)) for anchor in np.flatnonzero(anchors > 0)]
    backward = [np.arange(anchor, -1, -1) for anchor in np.flatnonzero(anchors < 0)]
    return forward + backward


def failure_frame(overlaps: np.ndarray, visible: np.ndarray) -> int:
    """First frame of GRACE bad ones in a row; the length of the run where it does not fail.

    overlaps: (N,); visible: (N,) bool, whether the truth has a region that is not empty.
    """
    bad = (overlaps <= FAILURE_OVERLAP) & visible
    if len(bad) < GRACE:
        return len(bad)
    streaks = np.lib.stride_tricks.sliding_window_view(bad, GRACE).all(axis=1)
    return int(np.argmax(streaks)) if streaks.any() else len(bad)


def overlap_curve(overlaps: np.ndarray, progress: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """(high,) mean overlap of frames 1 to j of a run, and (high,) whether the run counts at j.

    From the failure on the overlap is 0. Beyond its end a failed run counts with its sum divided by j - 1,
    not by j, as in the program; any other run does not count there.
    """
    length = len(overlaps)
    kept = np.where(np.arange(length) < progress, overlaps, 0.0)
    sums = np.concatenate([[0.0], np.cumsum(kept[1:])])
    index = np.arange(high)
    inside = (index > 0) & (index < length)
    counts = inside | ((index >= length) & (progress < length))
    divisor = np.where(inside, index, index - 1)
    means = np.where(counts, sums[np.minimum(index, length - 1)] / np.maximum(divisor, 1), 0.0)
    return means, counts.astype(float)

"""Runs with resets as got10k-toolkit's VOT experiment reports them.

After got10k/experiments/vot.py (report) and got10k/utils/metrics.py (poly_iou) of the program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError, MissingDependencyError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.vot import read_regions, trajectory_path
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.vot_accuracy import after
from mmgtrack.evaluation.rules.vot_overlap import known_size
from mmgtrack.evaluation.rules.vot_reset import BURN_IN
from mmgtrack.formats.box_rows import count_columns, parse_rows
from mmgtrack.formats.vot_regions import FAILURE, INITIALISATION, Regions

TAGS = ('camera_motion', 'illum_change', 'occlusion', 'size_change', 'motion_change', 'empty')
"""The last one stands for frames without any tag, also of other names."""

REPETITIONS = 15


@dataclass(frozen=True, eq=False)
class ResetRuns:
    """repetitions: of N frames each; times: (N, R) float64 seconds, nan where none was taken, or None."""

    repetitions: tuple[Regions, ...]
    times: np.ndarray | None


@dataclass(frozen=True, eq=False)
class TaggedPart(Part):
    """Sums by tag, (6,) float64 each.

    overlaps: over the counted frames, averaged over repetitions; counted: how many; failures: averaged over
    repetitions; frames: with that tag. speed: frames per second, summed over timed frames; timed: how many.
    """

    name: str
    overlaps: np.ndarray
    counted: np.ndarray
    failures: np.ndarray
    frames: np.ndarray
    speed: float
    timed: float

    @property
    def scores(self) -> Scores:
        return total_scores([self])


@dataclass(frozen=True)
class VotGot10kRule(Rule[VotTruth, ResetRuns]):
    """``experiment``: folder of the results."""

    experiment: str = 'baseline'

    columns: ClassVar[tuple[str, ...]] = ('accuracy', 'failures', 'fps')
    has_curves: ClassVar[bool] = False
    absolute: ClassVar[frozenset[str]] = frozenset({'failures', 'fps'})

    @property
    def program(self) -> str:
        return 'got-10k/toolkit @956e7286 (ExperimentVOT)'

    @property
    def text(self) -> str:
        return (
            f'polygon IoU within the image, mean of up to {REPETITIONS} repetitions, without codes and '
            f'{BURN_IN} frames from each start; frames of all sequences pooled by tag, tags weighted by '
            'their frames; failures is their weighted number by tag, no rate (the program: robustness)'
        )

    def read(self, results: ResultFiles, truth: VotTruth) -> ResetRuns:
        """``SEQUENCE_001.txt`` and on; ``SEQUENCE_time.txt`` with a column for each."""
        names = sorted({path.rsplit('/', 1)[-1] for path in results.paths})
        runs = [name for name in names if _is_run(name, truth.name)]
        if not runs:
            raise MissingResultError(
                f'{results.source} has no result of {truth.name}: expected '
                f'{self.experiment}/{truth.name}/{truth.name}_001.txt'
            )
        paths = [
            trajectory_path(results, truth.name, run.removesuffix('.txt'), self.experiment) for run in runs
        ]
        times = f'{paths[0].rsplit("_", 1)[0]}_time.txt'
        return ResetRuns(
            tuple(read_regions(results, path) for path in paths),
            _times(results, times) if times in results.paths else None,
        )

    def measure(self, truth: VotTruth, result: ResetRuns) -> TaggedPart:
        image_size = _checked_size(truth, result)
        ious = np.stack([_counted_ious(regions, truth.regions, image_size) for regions in result.repetitions])
        counted = np.count_nonzero(~np.isnan(ious), axis=0)
        mean = np.nansum(ious, axis=0) / np.maximum(counted, 1)
        failures = np.mean([regions.codes == FAILURE for regions in result.repetitions], axis=0)
        tags = tag_masks(truth).astype(float)
        return TaggedPart(
            truth.name,
            tags @ mean,
            tags @ (counted > 0),
            tags @ failures,
            tags.sum(axis=1),
            *_speed(result.times),
        )

    def _total(self, parts: Sequence[TaggedPart]) -> Scores:
        return total_scores(parts)


def polygon_ious(one: Regions, other: Regions, image_size: tuple[int, int]) -> np.ndarray:
    """(N,) float64 IoU of the shapes within the image; nan where one of the two is missing.

    Raises DataError for polygons that cross themselves, MissingDependencyError without shapely.
    """
    shapely = _shapely()
    first, second = _polygons(one), _polygons(other)
    image = shapely.box(0, 0, *image_size)
    try:
        first, second = shapely.intersection(first, image), shapely.intersection(second, image)
        common = shapely.area(shapely.intersection(first, second))
        union = shapely.area(shapely.union(first, second))
    except shapely.GEOSException as error:
        raise DataError(f'expected polygons whose edges do not cross: {error}') from error
    ious = np.clip(common / (union + np.finfo(float).eps), 0, 1)
    return np.where(shapely.is_missing(first) | shapely.is_missing(second), np.nan, ious)


def _counted_ious(regions: Regions, truth: Regions, image_size: tuple[int, int]) -> np.ndarray:
    """(N,) with nan where there is no shape or the start is too near."""
    ious = polygon_ious(regions, truth, image_size)
    return np.where(after(regions.codes == INITIALISATION, BURN_IN), np.nan, ious)


def _checked_size(truth: VotTruth, runs: ResetRuns) -> tuple[int, int]:
    """Size of the images; DataError without it, and where numbers of frames or repetitions do not fit."""
    expected = len(truth.regions)
    for number, regions in enumerate(runs.repetitions, 1):
        if len(regions) != expected:
            raise DataError(
                f'{truth.name}, repetition {number}: expected {expected} rows, got {len(regions)}'
            )
    if len(runs.repetitions) > REPETITIONS:
        raise DataError(
            f'{truth.name}: expected at most {REPETITIONS} repetitions, got {len(runs.repetitions)}'
        )
    if runs.times is not None and len(runs.times) != expected:
        raise DataError(f'{truth.name}: expected {expected} rows of times, got {len(runs.times)}')
    return known_size(truth.name, truth.image_size)


def tag_masks(truth: VotTruth) -> np.ndarray:
    """(6, N) bool, by TAGS."""
    nothing = np.zeros(len(truth.regions), bool)
    named = [truth.tags.get(tag, nothing) for tag in TAGS[:-1]]
    every = [mask for tag, mask in truth.tags.items() if 'practical' not in tag]
    return np.stack([*named, ~np.logical_or.reduce([nothing, *every])])


def total_scores(parts: Sequence[TaggedPart]) -> Scores:
    """Frames of all sequences pooled; fps is nan without times. ``failures`` and ``fps`` are no shares."""
    frames = np.sum([part.frames for part in parts], axis=0)
    counted = np.sum([part.counted for part in parts], axis=0)
    overlaps = np.sum([part.overlaps for part in parts], axis=0) / np.maximum(counted, 1)
    failures = np.sum([part.failures for part in parts], axis=0)
    weights = frames / max(frames.sum(), 1)
    timed = sum(part.timed for part in parts)
    return Scores(
        {
            'accuracy': float(overlaps @ weights),
            'failures': float(failures @ weights),
            'fps': sum(part.speed for part in parts) / timed if timed else float('nan'),
        }
    )


def _speed(times: np.ndarray | None) -> tuple[float, float]:
    """Sum of frames per second and number of the timed frames.

    A single column of times counts for all repetitions (for as many as there are frames, if those are fewer):
    the program broadcasts it.
    """
    if times is None:
        return 0.0, 0.0
    weight = min(REPETITIONS, len(times)) if times.shape[1] == 1 else 1
    valid = times[times > 0]
    return float(weight * (1 / valid).sum()), float(weight * len(valid))


def _times(results: ResultFiles, path: str) -> np.ndarray:
    text = results.read_text(path)
    return parse_rows(text, results.where(path), count_columns(text))


def _is_run(file: str, sequence: str) -> bool:
    number = file.removeprefix(f'{sequence}_').removesuffix('.txt')
    return file == f'{sequence}_{number}.txt' and number.isdecimal()


def _polygons(regions: Regions) -> np.ndarray:
    """(N,) of shapely's polygons; None without a shape."""
    shapely = _shapely()
    x, y, width, height = regions.boxes.T
    shapes = np.full(len(regions), None, dtype=object)
    is_box = ~np.isnan(x)
    shapes[is_box] = shapely.box(x, y, x + width, y + height)[is_box]
    for frame, corners in regions.polygons.items():
        shapes[frame] = shapely.polygons(corners)
    return shapes


def _shapely() -> ModuleType:
    try:
        import shapely  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingDependencyError('this rule needs shapely: pip install shapely') from error
    return shapely

"""TrackingNet's development kit, on whose metrics.py its server is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Part, Rule, Scores

OVERLAPS = np.linspace(0, 1, 21)
ERRORS = np.linspace(0, 50, 21)  # pixels
NORMALISED_ERRORS = np.linspace(0, 0.5, 21)  # widths and heights of the target


@dataclass(frozen=True, eq=False)
class TrackingNetPart(Part):
    """Curves of a video, shares (21,) of its frames. covered: how many boxes have x + y + w + h > 0."""

    name: str
    success: np.ndarray
    precision: np.ndarray
    normalised_precision: np.ndarray
    covered: int
    num_frames: int

    @property
    def scores(self) -> Scores:
        curves = (self.success, self.precision, self.normalised_precision)
        return _scores(curves, self.covered / self.num_frames)


@dataclass(frozen=True)
class TrackingNetRule(Rule[BoxTruth, np.ndarray]):
    """All three numbers are areas: also 'precision', which elsewhere is the value at 20 pixels."""

    columns = ('success', 'precision', 'norm_precision', 'coverage')

    @property
    def program(self) -> str:
        return 'SilvioGiancola/TrackingNet-devkit @ 79783f2'

    @property
    def text(self) -> str:
        return (
            'all numbers are rounded half to even; row 0 is the truth; IoU >= t, 21 thresholds, also to 50 '
            'px and to 0.5 target sizes; each score is the trapezoid area below the mean curve of the '
            'videos; a missing video counts as zero boxes, a missing row as a miss; coverage is over all '
            'frames'
        )

    def read(self, results: ResultFiles, truth: BoxTruth) -> np.ndarray:
        """Rows as they are; zeros for a video without a file.

        As in the program, a file belongs to every video whose ``<name>.txt`` its path contains, and a video
        with two such files counts as missing.
        """
        files = [path for path in results.paths if path.endswith('.txt') and f'{truth.name}.txt' in path]
        if len(files) != 1:
            return np.zeros_like(truth.boxes)
        return BoxResults.of(results).boxes(PurePosixPath(files[0]).stem)

    def measure(self, truth: BoxTruth, result: np.ndarray) -> TrackingNetPart:
        """Rows after the last annotated one are ignored."""
        true = np.round(truth.boxes)
        boxes = np.full_like(true, np.nan)
        count = min(len(true), len(result))
        boxes[:count] = np.round(result[:count])
        boxes[:1] = true[:1]
        overlaps, errors, normalised = _errors(true, boxes)
        return TrackingNetPart(
            truth.name,
            np.mean(overlaps[:, None] >= OVERLAPS, axis=0),
            np.mean(errors[:, None] <= ERRORS, axis=0),
            np.mean(normalised[:, None] <= NORMALISED_ERRORS, axis=0),
            int(np.count_nonzero(boxes.sum(1) > 0)),
            len(true),
        )

    def _total(self, parts: Sequence[TrackingNetPart]) -> Scores:
        curves = [
            np.mean([getattr(part, name) for part in parts], axis=0)
            for name in ('success', 'precision', 'normalised_precision')
        ]
        return _scores(curves, sum(part.covered for part in parts) / sum(part.num_frames for part in parts))

    def notes(self, parts: Sequence[TrackingNetPart]) -> tuple[str, ...]:
        """A missing file is no error here, so that it would go unnoticed.

        Raises DataError where all are missing: these are no results of TrackingNet.
        """
        # row 0 is the truth, so a video of one frame has no box to miss
        missing = [part.name for part in parts if part.num_frames > 1 and part.covered <= 1]
        if not missing:
            return ()
        if len(missing) == len(parts):
            raise DataError(f'no box in any of {len(parts)} videos: expected files such as {missing[0]}.txt')
        some = ', '.join(missing[:3]) + (', ...' if len(missing) > 3 else '')
        return (f'{len(missing)} of {len(parts)} videos have no box, a missing file perhaps: {some}',)


def _errors(true: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU, distance of the centres, and that distance in target sizes, (n,) each; nan passes no threshold.

    The program's max and min, those of pandas, pass over a nan: a row with x missing alone has an IoU.
    """
    low = np.fmax(true[:, :2], boxes[:, :2])
    high = np.fmin(true[:, :2] + true[:, 2:], boxes[:, :2] + boxes[:, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=1)
    shift = true[:, :2] + true[:, 2:] / 2 - boxes[:, :2] - boxes[:, 2:] / 2
    with np.errstate(divide='ignore', invalid='ignore'):
        overlaps = inter / (np.prod(true[:, 2:], axis=1) + np.prod(boxes[:, 2:], axis=1) - inter)
        # in the program's order of operations, for ties at a threshold
        normalised = np.sqrt((shift / true[:, 2:] * shift / true[:, 2:]).sum(1))
    return overlaps, np.sqrt((shift * shift).sum(1)), normalised


def _scores(curves: Sequence[np.ndarray], coverage: float) -> Scores:
    named = dict(zip(('success', 'precision', 'norm_precision'), curves, strict=True))
    values = {name: float(_area(curve)) for name, curve in named.items()}
    return Scores({**values, 'coverage': coverage}, named)


def _area(curve: np.ndarray) -> np.floating:
    """Trapezoid rule over an axis of [0, 1], whatever the thresholds were."""
    return ((curve[1:] + curve[:-1]) / 2 * np.diff(OVERLAPS)).sum()

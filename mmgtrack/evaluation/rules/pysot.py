"""One-pass evaluation as pysot-toolkit computes it.

After pysot/evaluation/ope_benchmark.py and pysot/utils/statistics.py of the program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Rule, Scores
from mmgtrack.evaluation.rules.one_pass import (
    ERRORS,
    NORMALISED_ERRORS,
    OVERLAPS_21,
    FrameErrors,
    OnePassPart,
    mean_curves,
    shares_above,
    shares_within,
)

SMALLEST_SIZE = 1e-16
"""Added to what centres are divided by."""

INVALID = -1.0
"""Overlap and errors of a frame that is not compared: a miss of every overlap, a hit of every error."""


@dataclass(frozen=True)
class PysotRule(Rule[BoxTruth, np.ndarray]):
    """Frames flagged absent leave the curves but not their denominator; nothing is repaired."""

    columns: ClassVar[tuple[str, ...]] = (
        'success',
        'precision',
        'norm_precision',
        'success_0.5',
        'success_0.75',
    )

    @property
    def program(self) -> str:
        return 'StrangerZhang/pysot-toolkit @8b5ced3b'

    @property
    def text(self) -> str:
        return (
            'absent frames are removed but stay in the denominator; truth without x, y, w, h > 0 is a '
            'miss of success, a truth centre without x, y > 0 a hit of both precisions; divided by all '
            'frames; row 0 and broken rows count as they are; 21 overlap thresholds, IoU > t; mean of '
            'sequences'
        )

    def read(self, results: ResultFiles, truth: BoxTruth) -> np.ndarray:
        return BoxResults.of(results).boxes(truth.name)

    def measure(self, truth: BoxTruth, result: np.ndarray) -> OnePassPart:
        """``result``: (N, 4) float64 x, y, w, h. Raises DataError where the program stops: other lengths."""
        count = len(truth.boxes)
        if not count:
            raise DataError(f'{truth.name}: expected annotated frames, got none')
        if len(result) != count:
            raise DataError(
                f'{truth.name}: expected {count} rows, got {len(result)}; pysot-toolkit takes no other '
                'number; cut or complete the result'
            )
        boxes, annotated = result, truth.boxes
        if truth.absent is not None:
            boxes, annotated = boxes[~truth.absent], annotated[~truth.absent]
        centre, middle = centres(boxes), centres(annotated)
        sizes = annotated[:, 2:] + SMALLEST_SIZE
        frames = FrameErrors(
            overlaps_of(annotated, boxes),
            distances(middle, centre),
            distances(middle / sizes, centre / sizes),
        )
        assert frames.normalised_errors is not None
        return OnePassPart(
            truth.name,
            OVERLAPS_21,
            shares_above(frames.overlaps, OVERLAPS_21, count),
            shares_within(frames.errors, ERRORS, count),
            shares_within(frames.normalised_errors, NORMALISED_ERRORS, count),
            frames,
        )

    def total(self, parts: Sequence[OnePassPart]) -> Scores:
        if not parts:
            raise DataError('expected at least one sequence to average, got none')
        return mean_curves(parts)


def overlaps_of(annotated: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) IoU within 0 and 1 where all of the annotated x, y, w, h are above 0; elsewhere INVALID."""
    overlaps = np.full(len(annotated), INVALID)
    valid = (annotated > 0).all(axis=1)
    one, other = annotated[valid], boxes[valid]
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    common = np.maximum(0, high - low).prod(axis=1)
    union = one[:, 2:].prod(axis=1) + other[:, 2:].prod(axis=1) - common
    with np.errstate(divide='ignore', invalid='ignore'):  # sizes of a broken result may be negative
        overlaps[valid] = np.clip(common / union, 0, 1)
    return overlaps


def distances(annotated: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N,) between (N, 2) centres where both annotated coordinates are above 0; elsewhere INVALID."""
    errors = np.full(len(annotated), INVALID)
    valid = (annotated > 0).all(axis=1)
    errors[valid] = np.sqrt(((annotated[valid] - centres[valid]) ** 2).sum(axis=1))
    return errors


def centres(boxes: np.ndarray) -> np.ndarray:
    """(N, 2) middle of the first and the last pixel."""
    return boxes[:, :2] + (boxes[:, 2:] - 1) / 2

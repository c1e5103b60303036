"""What the one-pass rules share: reading, thresholds, curves, and means over sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Part, Rule, Scores

COLUMNS = ('success', 'precision', 'norm_precision', 'success_0.5', 'success_0.75')
COLUMNS_WITHOUT_NORMALISED = tuple(name for name in COLUMNS if name != 'norm_precision')

OVERLAPS_21 = np.arange(21) * 0.05
"""As floats, k * 0.05: an IoU of exactly 0.15 or 0.6 stays below its threshold, as in the programs."""

OVERLAPS_101 = np.linspace(0, 1, 101)
ERRORS = np.arange(51.0)
"""Pixels."""

NORMALISED_ERRORS = np.arange(51) / 100
"""In widths and heights of the target."""

AT_20_PIXELS = 20
AT_ONE_FIFTH = 20

INVALID = -1.0
"""Overlap and error of a frame that is not compared: a miss of every overlap, a hit of every error."""


@dataclass(frozen=True, eq=False)
class FrameErrors:
    """How far a result is from the truth in the frames that a rule looks at.

    overlaps, errors, normalised_errors: (n,) float64; IoU, pixels, and target sizes (None where the rule
    has no such number). A rule marks invalid frames by values that fail or pass every threshold.
    """

    overlaps: np.ndarray
    errors: np.ndarray
    normalised_errors: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class OnePassPart(Part):
    """Curves of a sequence: shares of its frames.

    success: (T,) with an overlap above each threshold; precision, normalised_precision: (51,) with an error
    of at most each threshold; overlaps: thresholds of the first; frames: what the curves are made from.
    """

    name: str
    overlaps: np.ndarray
    success: np.ndarray
    precision: np.ndarray
    normalised_precision: np.ndarray | None
    frames: FrameErrors | None = None

    @property
    def scores(self) -> Scores:
        return read_curves(self.overlaps, self.success, self.precision, self.normalised_precision)


@dataclass(frozen=True)
class OnePassRule(Rule[BoxTruth, np.ndarray]):
    """A rule that looks at one box a frame, (F, 4) float64 x, y, w, h, and makes curves of them."""

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    def read(self, results: ResultFiles, truth: BoxTruth) -> np.ndarray:
        return BoxResults.of(results).boxes(truth.name)

    def _total(self, parts: Sequence[Any]) -> Scores:
        return mean_curves(parts)


def curves_of(
    name: str, frames: FrameErrors, count: float, overlaps: np.ndarray = OVERLAPS_21
) -> OnePassPart:
    """Of the sequence ``name``: how many frames pass each threshold, divided by ``count``.

    overlaps: (T,) thresholds of the success curve.
    """
    normalised = frames.normalised_errors
    return OnePassPart(
        name,
        overlaps,
        shares_above(frames.overlaps, overlaps, count),
        shares_within(frames.errors, ERRORS, count),
        None if normalised is None else shares_within(normalised, NORMALISED_ERRORS, count),
        frames,
    )


def shares_above(values: np.ndarray, thresholds: np.ndarray, count: float) -> np.ndarray:
    """(T,) float64: how many of the (n,) values are above each threshold, divided by ``count``."""
    return np.count_nonzero(values[:, None] > thresholds, axis=0) / count


def shares_within(values: np.ndarray, thresholds: np.ndarray, count: float) -> np.ndarray:
    """(T,) float64: how many of the (n,) values are at most each threshold, divided by ``count``."""
    return np.count_nonzero(values[:, None] <= thresholds, axis=0) / count


def read_curves(
    overlaps: np.ndarray,
    success: np.ndarray,
    precision: np.ndarray,
    normalised_precision: np.ndarray | None,
) -> Scores:
    """The usual numbers of the curves: success is the mean of its curve, precision the value at 20 px.

    The normalised precision is the value at 0.2; success_0.5 and success_0.75 are at those thresholds.
    """
    values = {
        'success': float(success.mean()),
        'success_0.5': float(success[len(overlaps) // 2]),
        'success_0.75': float(success[3 * (len(overlaps) - 1) // 4]),
        'precision': float(precision[AT_20_PIXELS]),
    }
    curves = {'success': success, 'precision': precision}
    if normalised_precision is not None:
        values['norm_precision'] = float(normalised_precision[AT_ONE_FIFTH])
        curves['norm_precision'] = normalised_precision
    return Scores(values, curves)


def mean_curves(parts: Sequence[OnePassPart]) -> Scores:
    """Every sequence counts the same, whatever its length."""
    normalised = [part.normalised_precision for part in parts if part.normalised_precision is not None]
    return read_curves(
        parts[0].overlaps,
        np.mean([part.success for part in parts], axis=0),
        np.mean([part.precision for part in parts], axis=0),
        np.mean(normalised, axis=0) if len(normalised) == len(parts) else None,
    )

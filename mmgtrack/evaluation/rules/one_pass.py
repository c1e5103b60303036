"""What the one-pass rules share: thresholds, curves, and means over sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.evaluation.rules.base import Part, Scores

OVERLAPS_21 = np.arange(21) * 0.05
"""As floats, k * 0.05: an IoU of exactly 0.15 or 0.6 stays below its threshold, as in the programs."""

OVERLAPS_101 = np.linspace(0, 1, 101)
ERRORS = np.arange(51.0)
"""Pixels."""

NORMALISED_ERRORS = np.arange(51) / 100
"""In widths and heights of the target."""

AT_20_PIXELS = 20
AT_ONE_FIFTH = 20


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

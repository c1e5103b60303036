"""Bounds of 95 % for numbers made of sums, by drawing the summands again with replacement."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import norm

from mmgtrack.evaluation.comparison import CONFIDENCE, NUM_DRAWS, bounds

MIN_UNITS = 5
"""Ours: of fewer, drawing them again says nothing that can be relied upon."""


def mean_with_bounds(values: np.ndarray, units: Sequence[str] | None = None) -> tuple[float, float, float]:
    """Mean of (n,) values, and its bounds; nan ones are left out.

    units: of each value, what it shares with others, such as its clip: units are drawn then, since values of
    one unit say less than as many of several. None: values are drawn.
    """
    is_counted = np.isfinite(values)
    sums = np.stack([np.where(is_counted, values, 0), is_counted], 1)
    if units is not None:
        _, numbers = np.unique(np.asarray(units), return_inverse=True)
        of_units = np.zeros((numbers.max(initial=-1) + 1, 2))
        np.add.at(of_units, numbers, sums)
        sums = of_units
    sums = sums[sums[:, 1] > 0]
    with np.errstate(invalid='ignore', divide='ignore'):
        return with_bounds(sums, lambda totals: totals[..., 0] / totals[..., 1])


def mean_of_several(values: np.ndarray, units: Sequence[str]) -> tuple[float, float, float]:
    """``mean_with_bounds``, without bounds (nan) where they would say more than is known.

    That is of fewer than MIN_UNITS units, or where no draw differs from another.
    """
    mean, low, high = mean_with_bounds(values, units)
    is_known = _count(values, units) >= MIN_UNITS and low < high
    return (mean, low, high) if is_known else (mean, float('nan'), float('nan'))


def share_with_bounds(values: np.ndarray, units: Sequence[str]) -> tuple[float, float, float]:
    """``mean_of_several`` of values in [0, 1]; Wilson's bounds where all are 0 or all 1, of so many units.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    mean, low, high = mean_of_several(values, units)
    count = _count(values, units)
    if count < MIN_UNITS or mean not in (0, 1):
        return mean, low, high
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    reach = z**2 / (count + z**2)
    return (0.0, 0.0, reach) if mean == 0 else (1.0, 1 - reach, 1.0)


def _count(values: np.ndarray, units: Sequence[str]) -> int:
    """Number of units that have a value."""
    return len(np.unique(np.asarray(units)[np.isfinite(values)])) if len(values) else 0


def with_bounds(
    values: np.ndarray, of_sums: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float, float]:
    """A number made from the sums (k,) of (n, k) values, and its bounds over drawn rows."""
    if len(values) == 0:
        return float('nan'), float('nan'), float('nan')
    draws = np.random.default_rng(0).integers(len(values), size=(NUM_DRAWS, len(values)))
    drawn = of_sums(values[draws].sum(1))
    low, high = bounds(drawn[np.isfinite(drawn)])
    value = float(of_sums(values.sum(0)))
    return value if np.isfinite(value) else float('nan'), low, high

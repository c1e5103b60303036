"""Bounds of 95 % for numbers made of sums, by drawing the summands again with replacement."""

from collections.abc import Callable, Sequence

import numpy as np

from mmgtrack.evaluation.comparison import NUM_DRAWS, bounds


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

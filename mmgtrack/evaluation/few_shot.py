"""Which of several heads learns better from a few steps: losses on held-back tasks at several rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.bootstrap import mean_with_bounds

Bounded = tuple[float, float, float]
"""A mean, and its bounds of 95 %."""


@dataclass(frozen=True, eq=False)
class HeadLosses:
    """One head's losses on the queries of tasks after its steps on their supports.

    rates: (R,) inner rates. tuning: (R, T) on tasks that the rate is chosen by; held_back: (R, E) on those
    that are reported; before: (E,) on the latter without a step. dropped: (R,) steps on the latter that were
    left out because loss or gradient was no number.

    Raises DataError where the shapes do not fit.
    """

    rates: Sequence[float]
    tuning: np.ndarray
    held_back: np.ndarray
    before: np.ndarray
    dropped: Sequence[int]

    def __post_init__(self) -> None:
        count, wanted = len(self.rates), (len(self.rates), len(self.before))
        counts = {len(self.tuning), len(self.dropped)}
        if self.held_back.shape != wanted or counts != {count} or self.tuning.size == 0:
            raise DataError(
                f'expected {count} rates, tuning ({count}, T), held_back {wanted} and {count} dropped, '
                f'got {self.tuning.shape}, {self.held_back.shape} and {len(self.dropped)}'
            )

    @property
    def chosen(self) -> int | None:
        """The rate with the lowest mean on the tuning tasks; None where each has a loss that is none."""
        means = [_mean(losses) for losses in self.tuning]
        return int(np.argmin(means)) if np.isfinite(means).any() else None

    @property
    def chosen_rate(self) -> float | None:
        return None if self.chosen is None else self.rates[self.chosen]

    @property
    def losses(self) -> np.ndarray:
        """(E,) at the chosen rate; nan without one."""
        if self.chosen is None:
            return np.full_like(self.before, np.nan)
        own: np.ndarray = self.held_back[self.chosen]
        return own

    def means(self, units: Sequence[str] | None = None) -> list[Bounded]:
        """A mean with bounds for each rate; infinite where one of the losses is no number."""
        return [bounded_mean(losses, units) for losses in self.held_back]


def bounded_mean(losses: np.ndarray, units: Sequence[str] | None = None) -> Bounded:
    """Of (E,) losses, all of which count: a loss that is no number makes the mean infinite."""
    if not np.isfinite(losses).all():
        return np.inf, np.inf, np.inf
    return mean_with_bounds(losses, units)


def lower_by(first: HeadLosses, second: HeadLosses, units: Sequence[str] | None = None) -> Bounded:
    """By how much the first head's losses are lower, each at its own rate, task by task; with bounds.

    nan where a loss of either is no number: nothing can be said, and nobody wins.
    """
    if not np.isfinite([first.losses, second.losses]).all():
        return np.nan, np.nan, np.nan
    return mean_with_bounds(second.losses - first.losses, units)


def _mean(losses: np.ndarray) -> float:
    return float(losses.mean()) if np.isfinite(losses).all() else np.inf

"""Means and their bounds, over values or over what they share."""

import numpy as np
import pytest

from mmgtrack.evaluation.bootstrap import mean_with_bounds

NAN = float('nan')


def test_means_and_bounds() -> None:
    values = np.array([0.2, 0.4, NAN, 0.6])
    mean, low, high = mean_with_bounds(values)
    assert mean == pytest.approx(0.4) and 0.2 <= low < 0.4 < high <= 0.6
    assert mean_with_bounds(values) == (mean, low, high)
    assert mean_with_bounds(np.full(5, 0.3)) == pytest.approx((0.3, 0.3, 0.3))
    assert np.isnan(mean_with_bounds(np.array([NAN]))).all()


def test_bounds_of_normal_numbers_are_those_of_the_textbook() -> None:
    values = np.random.default_rng(1).normal(3, 2, 400)
    mean, low, high = mean_with_bounds(values)
    error = 1.96 * values.std() / 20
    assert (mean, low, high) == pytest.approx((values.mean(), mean - error, mean + error), abs=0.02)


def test_values_of_one_unit_count_as_one_when_all_are_alike() -> None:
    """Ten clips of twenty equal values: bounds as wide as those of ten values."""
    means = np.random.default_rng(2).normal(0, 1, 10)
    values, units = np.repeat(means, 20), [f'clip {n}' for n in range(10) for _ in range(20)]
    assert mean_with_bounds(values, units) == pytest.approx(mean_with_bounds(means))
    mean, low, high = mean_with_bounds(values)
    own = mean_with_bounds(values, units)
    assert own[2] - own[1] > 3 * (high - low)
    assert mean == pytest.approx(own[0])


def test_units_weigh_as_their_values_do() -> None:
    values = np.array([1.0, 1.0, 1.0, 5.0, NAN])
    mean, low, high = mean_with_bounds(values, ['a', 'a', 'a', 'b', 'c'])
    assert (mean, low, high) == pytest.approx((2, 1, 5))
    assert np.isnan(mean_with_bounds(np.array([NAN, NAN]), ['a', 'b'])).all()
    assert np.isnan(mean_with_bounds(np.zeros(0), [])).all()

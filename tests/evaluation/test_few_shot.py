"""Statistics of two heads that learn from a few steps."""

from dataclasses import replace

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.few_shot import HeadLosses, bounded_mean, lower_by

RATES = (0.01, 0.1, 1.0)


def head(centres: tuple[float, float, float], seed: int = 0) -> HeadLosses:
    """Losses around a centre for each rate, the same noise for every head of a seed."""
    noise = np.random.default_rng(seed).normal(0, 0.5, (2, 1, 40))
    column = np.array(centres)[:, None]
    return HeadLosses(RATES, column + noise[0], column + noise[1], np.full(40, 2.0), (0, 0, 2))


def test_the_rate_is_chosen_on_other_tasks() -> None:
    own = head((2.0, 1.0, 3.0))
    assert own.chosen == 1
    assert own.losses is not None and np.array_equal(own.losses, own.held_back[1])
    spoilt = own.tuning.copy()
    spoilt[1, 7] = np.nan
    assert replace(own, tuning=spoilt).chosen_rate == RATES[0]


def test_no_rate_is_chosen_where_none_has_numbers() -> None:
    own = head((2.0, 1.0, 3.0))
    none = replace(own, tuning=np.full_like(own.tuning, np.inf))
    assert none.chosen is None and none.chosen_rate is None
    assert np.isnan(none.losses).all() and none.losses.shape == (40,)


def test_means_are_those_of_the_held_back_tasks() -> None:
    own = head((2.0, 1.0, 3.0))
    for (mean, low, high), losses in zip(own.means(), own.held_back, strict=True):
        assert mean == pytest.approx(losses.mean())
        assert low < mean < high
    assert own.means(['clip'] * 40)[0][1:] == pytest.approx((own.means()[0][0],) * 2)


def test_a_loss_that_is_no_number_is_not_left_out() -> None:
    assert bounded_mean(np.array([1.0, np.inf])) == (np.inf,) * 3
    assert bounded_mean(np.array([1.0, np.nan])) == (np.inf,) * 3


def test_the_difference_is_paired() -> None:
    """The noise of the tasks, common to both, is not in it; each head has its own rate."""
    better, worse = head((9.0, 1.0, 9.0)), head((9.0, 9.0, 1.2))
    assert lower_by(better, worse) == pytest.approx((0.2, 0.2, 0.2))
    assert lower_by(worse, better) == pytest.approx((-0.2, -0.2, -0.2))


@pytest.mark.parametrize('number', [np.inf, np.nan])
def test_nobody_wins_by_a_loss_that_is_no_number(number: float) -> None:
    own, other = head((2.0, 1.0, 3.0)), head((9.0, 2.0, 9.0))
    spoilt = other.held_back.copy()
    spoilt[1, 7] = number
    spoilt_head = replace(other, held_back=spoilt)
    for pair in ((own, spoilt_head), (spoilt_head, own), (spoilt_head, spoilt_head)):
        assert np.isnan(lower_by(*pair)).all()


@pytest.mark.parametrize(
    ('tuning', 'held_back', 'before'), [((2, 4), (3, 5), 5), ((3, 4), (3, 5), 4), ((3, 0), (3, 5), 5)]
)
def test_shapes_that_do_not_fit(tuning: tuple[int, int], held_back: tuple[int, int], before: int) -> None:
    with pytest.raises(DataError, match='expected 3 rates'):
        HeadLosses(RATES, np.ones(tuning), np.ones(held_back), np.ones(before), (0, 0, 0))

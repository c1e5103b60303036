"""Assignment is the best there is: against all permutations, scipy and lap's own limit."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lap import lapjv
from scipy.optimize import linear_sum_assignment

from mmgtrack.association.assignment import RESOLUTION, assign

STEPS = st.one_of(st.integers(0, 700), st.just(10**9))
SMALL = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=STEPS)
)


def saved(cost: np.ndarray, rows: np.ndarray, columns: np.ndarray, limit: float) -> float:
    return float((limit - cost[rows, columns]).sum())


def best_saving(cost: np.ndarray, limit: float) -> float:
    """Over all ways to pair rows with columns or with nothing."""
    num_rows, num_columns = cost.shape
    choices = itertools.permutations([*range(num_columns), *[-1] * num_rows], num_rows)
    gain = np.maximum(limit - cost, -1e9)
    return max(sum(gain[r, c] for r, c in enumerate(choice) if c >= 0) for choice in set(choices))


@given(SMALL)
def test_nothing_saves_more(steps: np.ndarray) -> None:
    cost = np.where(steps > 1000, np.inf, steps * RESOLUTION)
    rows, columns = assign(cost, 0.5)
    assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)
    assert (cost[rows, columns] <= 0.5).all()
    assert saved(cost, rows, columns, 0.5) == pytest.approx(best_saving(cost, 0.5), abs=1e-9)


CASES = {
    'no structure': lambda rng: rng.random((300, 300)),
    'more candidates': lambda rng: rng.random((120, 300)),
    'more tracklets': lambda rng: rng.random((300, 120)),
    'gated': lambda rng: np.where(rng.random((300, 300)) < 0.01, rng.random((300, 300)), np.inf),
    'parts': lambda rng: np.where(np.kron(np.eye(30), np.ones((10, 10))) > 0, rng.random((300, 300)), np.inf),
    'all equal': lambda rng: np.full((300, 300), 0.2),
    'nearly equal': lambda rng: (
        0.2 + 0.01 * (rng.random((300, 1)) + rng.random(300) + rng.random((300, 300)))
    ),
    'on the limit': lambda rng: np.full((300, 300), 0.5),
    'none': lambda rng: np.full((300, 300), np.inf),
}


@pytest.mark.parametrize('kind', CASES)
def test_three_hundred_by_three_hundred(kind: str) -> None:
    cost = CASES[kind](np.random.default_rng(0))
    cost = np.round(cost / RESOLUTION) * RESOLUTION
    rows, columns = assign(cost, 0.5)
    gain = np.where(cost <= 0.5, 0.5 - cost, 0)
    best = gain[linear_sum_assignment(gain, maximize=True)].sum()
    assert saved(cost, rows, columns, 0.5) == pytest.approx(best, abs=1e-9)
    assert np.isfinite(cost[rows, columns]).all()
    _, chosen, _ = lapjv(np.where(np.isinf(cost), 1e3, cost), extend_cost=True, cost_limit=0.5)
    limited = np.flatnonzero(chosen >= 0)
    assert saved(cost, limited, chosen[limited], 0.5) == pytest.approx(best, abs=1e-9)


def test_costs_are_told_apart_up_to_the_resolution() -> None:
    rng = np.random.default_rng(1)
    cost = rng.random((40, 40))
    rows, columns = assign(cost, 0.5)
    gain = np.maximum(0.5 - cost, 0)
    best = gain[linear_sum_assignment(gain, maximize=True)].sum()
    assert best - 40 * RESOLUTION <= saved(cost, rows, columns, 0.5) <= best


@pytest.mark.parametrize('shape', [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_assign(shape: tuple[int, int]) -> None:
    rows, columns = assign(np.zeros(shape), 0.5)
    assert len(rows) == len(columns) == 0


@pytest.mark.parametrize('shape', [(1, 1), (1, 5), (5, 1), (2, 2), (2, 40), (40, 40)])
@pytest.mark.parametrize('cost', [np.inf, np.nan, 0.6])
def test_nothing_possible(shape: tuple[int, int], cost: float) -> None:
    rows, columns = assign(np.full(shape, cost), 0.5)
    assert len(rows) == len(columns) == 0


@pytest.mark.parametrize('shape', [(1, 1), (1, 5), (5, 1), (2, 3), (40, 40)])
def test_one_possible_pair_among_none(shape: tuple[int, int]) -> None:
    cost = np.full(shape, np.nan)
    cost[-1, -1] = 0.1
    rows, columns = assign(cost, 0.5)
    assert (rows.tolist(), columns.tolist()) == ([shape[0] - 1], [shape[1] - 1])

"""Who gets what: minimum cost assignment, one connected component at a time."""

import numpy as np
from lap import lapjv
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

RESOLUTION = 1e-3
"""Costs that differ by less are equal: lapjv is several times as slow where many almost are."""

DENSE, SMALL = 0.1, 1000
"""From this share of possible pairs on, and up to this number of pairs, all are solved as one: to look for
parts would cost more."""


def assign(cost: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (P,) of the pairs that save the most, a pair of cost c saving ``limit - c``.

    cost: (T, K), inf where a pair is impossible. No pair costs more than ``limit``: unmatched rows and
    columns are as good as pairs at that price, as with lapjv's ``cost_limit``.
    """
    possible = cost <= limit
    saving = np.where(possible, limit - cost, 0)
    saving /= RESOLUTION
    np.rint(saving, out=saving)
    matched = _only_choices(possible)
    for rows, columns in _components(possible & (matched < 0)[:, None]):
        chosen = _solve(saving[np.ix_(rows, columns)])
        matched[rows] = np.where(chosen >= 0, columns[chosen], -1)
    rows = np.flatnonzero(matched >= 0)
    rows = rows[possible[rows, matched[rows]]]  # an impossible pair saves as little as none
    return rows, matched[rows]


def _only_choices(possible: np.ndarray) -> np.ndarray:
    """(T,) column of each row that it alone can have, and that is all it can have; -1 for other rows."""
    alone = possible & (possible.sum(1) == 1)[:, None] & (possible.sum(0) == 1)
    return np.where(alone.any(1), alone.argmax(1), -1) if possible.size else np.full(len(possible), -1)


def _solve(saving: np.ndarray) -> np.ndarray:
    """(T,) column of each row that saves the most in sum, -1 for none."""
    if 1 in saving.shape:
        chosen = np.full(len(saving), -1)
        row, column = np.unravel_index(saving.argmax(), saving.shape)
        chosen[row] = column
        return chosen
    _, chosen, _ = lapjv(-saving, extend_cost=saving.shape[0] != saving.shape[1])
    return chosen


def _components(possible: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of each set of tracklets and candidates that are connected by possible pairs."""
    counts = possible.sum(1)
    if not counts.any():  # lapjv writes beyond an empty matrix
        return []
    if possible.size <= SMALL or counts.sum() > DENSE * possible.size:
        return [(np.flatnonzero(counts), np.flatnonzero(possible.any(0)))]
    num_rows, num_columns = possible.shape
    size = num_rows + num_columns
    columns = np.nonzero(possible)[1] + num_rows
    starts = np.zeros(size + 1, dtype=np.int64)
    starts[1 : num_rows + 1] = counts
    graph = csr_array((np.ones(len(columns), dtype=np.int8), columns, starts.cumsum()), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind='stable')
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    groups = [group for group in groups if len(group) > 1]
    return [(group[group < num_rows], group[group >= num_rows] - num_rows) for group in groups]

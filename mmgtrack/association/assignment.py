"""Who gets what: minimum cost assignment, one connected component at a time."""

import numpy as np
from lap import lapjv
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

RESOLUTION = 1e-4
"""Costs that differ by less are equal: lapjv is up to ten times as slow where many almost are."""


def assign(cost: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (P,) of the pairs that save the most, a pair of cost c saving ``limit - c``.

    cost: (T, K), inf where a pair is impossible. No pair costs more than ``limit``: unmatched rows and
    columns are as good as pairs at that price, as with lapjv's ``cost_limit``.
    """
    saving = np.zeros(cost.shape)
    np.rint((limit - cost) / RESOLUTION, out=saving, where=cost <= limit)
    possible = cost <= limit
    matched = np.full(len(cost), -1)
    for rows, columns in _components(possible):
        if len(rows) == 1 or len(columns) == 1:
            block = saving[np.ix_(rows, columns)]
            row, column = np.unravel_index(np.argmax(block), block.shape)
            matched[rows[row]] = columns[column]
        else:
            matched[rows] = _solve(saving[np.ix_(rows, columns)], columns)
    rows = np.flatnonzero(matched >= 0)
    rows = rows[possible[rows, matched[rows]]]
    return rows, matched[rows]


def _solve(saving: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Column of each row of a block, -1 for none."""
    _, chosen, _ = lapjv(-saving, extend_cost=saving.shape[0] != saving.shape[1])
    return np.where(chosen >= 0, columns[chosen], -1)


def _components(possible: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of each set of tracklets and candidates that are connected by possible pairs."""
    num_rows, num_columns = possible.shape
    if possible.all():
        return [(np.arange(num_rows), np.arange(num_columns))] if possible.size else []
    rows, columns = np.nonzero(possible)
    size = num_rows + num_columns
    graph = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns + num_rows)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind='stable')
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    parts = [(group[group < num_rows], group[group >= num_rows] - num_rows) for group in groups]
    return [part for part in parts if len(part[0]) and len(part[1])]

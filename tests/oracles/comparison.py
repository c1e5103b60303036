"""How recorded numbers are compared: grids of cells, sums over tensors, rows in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def assert_close(found: Any, expected: Any, absolute: float, relative: float) -> None:
    """Every number within ``absolute + relative * |expected|``."""
    found = found.detach().cpu().numpy() if isinstance(found, Tensor) else found
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=absolute, rtol=relative)


def grid(features: Tensor) -> Tensor:
    """The recorded cells (8, 6, 6) of features (1, C, H, W)."""
    channels, height, width = features.shape[1:]
    features, steps = features.detach().cpu(), torch.arange(6)
    picked = features[0, (37 * torch.arange(8)) % channels]
    return picked[:, steps * (height - 1) // 5][:, :, steps * (width - 1) // 5]


def assert_checksum(found: Tensor, expected: Sequence) -> None:
    """[shape,] sum, sum of squares and largest magnitude, in the tolerance the README advises."""
    if isinstance(expected[0], list):
        shape, *expected = expected
        assert list(found.shape) == shape
    values = found.detach().cpu().double()
    total, squares, peak = expected
    assert abs(values.sum().item() - total) <= 2e-5 * np.sqrt(values.numel() * squares)
    np.testing.assert_allclose(values.square().sum().item(), squares, rtol=1e-4)
    np.testing.assert_allclose(values.abs().max().item(), peak, rtol=1e-4)


def share_of_rows_found(found: np.ndarray, expected: np.ndarray, box: float, score: float) -> float:
    """Share of the expected rows (n, 5) that have a row within ``box`` pixels and ``score``."""
    difference = np.abs(np.asarray(found)[None].astype(np.float64) - np.asarray(expected)[:, None])
    near = (difference[..., :4].max(-1) <= box) & (difference[..., 4] <= score)
    return float(near.any(1).mean())

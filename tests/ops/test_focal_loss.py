"""The closed-form gradients of the focal losses are those of their values."""

from __future__ import annotations

import pytest
import torch

from mmgtrack.ops import focal_loss

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = torch.tensor([0, 3, 4, 1, 2, 2])  # 4 is background
NO_WEIGHT = torch.zeros(0)


@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
@pytest.mark.parametrize('weight', [NO_WEIGHT, torch.linspace(0.5, 2, 5)])
def test_sigmoid_gradient(gamma: float, weight: torch.Tensor) -> None:
    logits = LOGITS.clone().requires_grad_()
    focal_loss.sigmoid_focal_loss(logits, TARGET, weight, gamma, 0.3).sum().backward()
    closed = focal_loss.sigmoid_focal_loss_gradient(LOGITS, TARGET, weight, gamma, 0.3)
    torch.testing.assert_close(closed, logits.grad)


@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
def test_softmax_gradient_ignores_negative_targets(gamma: float) -> None:
    target = torch.where(TARGET == 4, -1, TARGET)
    logits = LOGITS.clone().requires_grad_()
    losses = focal_loss.softmax_focal_loss(logits.softmax(1), target, NO_WEIGHT, gamma, 0.3)
    losses.sum().backward()
    assert losses[2] == 0
    closed = focal_loss.softmax_focal_loss_gradient(LOGITS.softmax(1), target, NO_WEIGHT, gamma, 0.3)
    torch.testing.assert_close(closed, logits.grad)


def test_no_rows() -> None:
    empty = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), NO_WEIGHT, 2.0, 0.25
    assert focal_loss.sigmoid_focal_loss(*empty).shape == (0, 4)
    assert focal_loss.softmax_focal_loss_gradient(*empty).shape == (0, 4)

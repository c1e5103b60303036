"""The few-shot learner's loss: mmdet's losses, row by row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmdet.models.losses import FocalLoss, SmoothL1Loss
from torch import Tensor
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector import HeadLoss
from mmgtrack.models.guided_detector.head_rows import HeadLayout, HeadRows
from tests.models.heads import layout_of, random_rows


def case(sigmoid: bool) -> tuple[HeadLayout, Tensor, HeadRows]:
    """A head, its parameters, and the rows of three samples."""
    torch.manual_seed(0)
    layout = layout_of(sigmoid)
    return layout, torch.randn(layout.size, dtype=torch.float64), random_rows(layout, 3)


def test_softmax_is_cross_entropy_with_the_target_first() -> None:
    layout, theta, rows = case(sigmoid=False)
    logits, _ = layout.outputs(theta, rows)
    # mmdet numbers the background last
    each = functional.cross_entropy(logits.flatten(0, -2), 1 - rows.labels.flatten().long(), reduction='none')
    loss = HeadLoss()(theta, rows._replace(box_weights=0 * rows.box_weights), torch.ones(3), layout)
    torch.testing.assert_close(loss, each @ rows.label_weights.flatten())


@pytest.mark.parametrize(('gamma', 'alpha'), [(0.0, 0.5), (2.0, 0.25), (1.5, 0.75)])
def test_focal_loss_is_mmdets(gamma: float, alpha: float) -> None:
    layout, theta, rows = case(sigmoid=True)
    logits, _ = layout.outputs(theta, rows)
    theirs = FocalLoss(gamma=gamma, alpha=alpha, reduction='none')
    # mmdet's way for the CPU: labels 0 for the only class, 1 for background
    each = theirs(logits.flatten(0, -2), 1 - rows.labels.flatten().long())[:, 0]
    ours = HeadLoss(gamma=gamma, alpha=alpha)
    loss = ours(theta, rows._replace(box_weights=0 * rows.box_weights), torch.ones(3), layout)
    torch.testing.assert_close(loss, each @ rows.label_weights.flatten(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('beta', [1.0, 1 / 9, 0.0])
def test_smooth_l1_is_mmdets(beta: float) -> None:
    layout, theta, rows = case(sigmoid=True)
    _, deltas = layout.outputs(theta, rows)
    if beta:
        each = SmoothL1Loss(beta=beta, reduction='none')(deltas, rows.targets).sum(-1)
    else:
        each = (deltas - rows.targets).abs().sum(-1)
    loss = HeadLoss(beta=beta)(
        theta, rows._replace(label_weights=0 * rows.label_weights), torch.ones(3), layout
    )
    torch.testing.assert_close(loss, (each * rows.box_weights).sum())


def test_samples_are_weighted() -> None:
    layout, theta, rows = case(sigmoid=False)
    loss, one = HeadLoss(), torch.ones(1, dtype=torch.float64)
    samples = [rows.at(slice(s, s + 1)) for s in range(3)]
    alone = torch.stack([loss(theta, sample, one, layout) for sample in samples])
    weights = torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(loss(theta, rows, weights, layout), alone @ weights)


def test_slopes_are_finite_for_a_head_that_is_sure() -> None:
    """The focal factor of a row that is as good as certain."""
    margins = torch.tensor([200.0, -200.0, 200.0, -200.0], requires_grad=True)
    HeadLoss(gamma=0.5, alpha=0.25).of_classes(margins, torch.tensor([1.0, 0, 0, 1])).sum().backward()
    assert margins.grad is not None
    torch.testing.assert_close(margins.grad, torch.tensor([0, 0, 0.75, -0.25]))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(box='l2'), "smooth_l1, squared, got 'l2'"),
        (dict(beta=-1.0), 'beta=-1.0'),
        (dict(gamma=float('nan')), 'gamma=nan'),
        (dict(alpha=1.5), 'got 1.5'),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        HeadLoss(**options)

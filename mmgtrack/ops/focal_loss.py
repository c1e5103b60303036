"""Focal loss (Lin et al., 2017) with the closed-form gradients of mmcv's GPU kernels.

All functions work on single cells without reduction; `weight` holds one factor per label and is
indexed by the target, or is empty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._precision import working_precision


def sigmoid_focal_loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    """Loss of each class of each row.

    Args:
        logits: (N, C) float; target: (N,) int64 in 0 .. C, where C is background.
        weight: (C,), (C + 1,) or (0,) float.
        gamma, alpha: focusing exponent; share of the positive class.

    Returns:
        (N, C) of the logits' dtype: -alpha (1 - p)^gamma log p where the class is the target, else
        -(1 - alpha) p^gamma log(1 - p).
    """
    probability, positive = _sigmoid(logits, target)
    loss = torch.where(
        positive,
        -alpha * (1 - probability) ** gamma * _log(probability),
        -(1 - alpha) * probability**gamma * _log(1 - probability),
    )
    return (loss * _row_weight(weight, target, loss)).to(logits.dtype)


def sigmoid_focal_loss_gradient(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    """(N, C) derivative of `sigmoid_focal_loss` in its logits; arguments as there."""
    probability, positive = _sigmoid(logits, target)
    other = 1 - probability
    grad = torch.where(
        positive,
        -alpha * other**gamma * (other - gamma * probability * _log(probability)),
        (1 - alpha) * probability**gamma * (probability - gamma * other * _log(other)),
    )
    return (grad * _row_weight(weight, target, grad)).to(logits.dtype)


def softmax_focal_loss(
    probabilities: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    """Loss of each row, -alpha (1 - p)^gamma log p with p the target's probability.

    Args:
        probabilities: (N, C) float, softmax of the logits.
        target: (N,) int64; rows with a negative target count nothing.
        weight: (C,) or (0,) float.

    Returns:
        (N,) of the probabilities' dtype.
    """
    probability, counted = _target_probability(probabilities, target)
    loss = -alpha * (1 - probability) ** gamma * _log(probability)
    loss = loss * _row_weight(weight, target.clamp(min=0), loss)
    return loss.where(counted, 0).to(probabilities.dtype)


def softmax_focal_loss_gradient(
    probabilities: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    """(N, C) derivative of `softmax_focal_loss` in the logits behind the probabilities."""
    probability, counted = _target_probability(probabilities, target)
    other = 1 - probability
    scale = -alpha * other**gamma
    if gamma:
        scale = scale + alpha * gamma * other ** (gamma - 1) * probability * _log(probability)
    scale = (scale * _row_weight(weight, target.clamp(min=0), scale)).where(counted, 0)
    one_hot = torch.zeros_like(probabilities, dtype=scale.dtype)
    one_hot.scatter_(1, target.clamp(min=0)[:, None], 1)
    return (scale[:, None] * (one_hot - probabilities)).to(probabilities.dtype)


def _sigmoid(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    classes = torch.arange(logits.shape[1], device=logits.device)
    return logits.to(working_precision(logits)).sigmoid(), target[:, None] == classes


def _target_probability(probabilities: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    chosen = probabilities.gather(1, target.clamp(min=0)[:, None])[:, 0]
    return chosen.to(working_precision(probabilities)), target >= 0


def _log(probability: Tensor) -> Tensor:
    return probability.clamp(min=torch.finfo(torch.float32).tiny).log()  # the kernel's FLT_MIN


def _row_weight(weight: Tensor, target: Tensor, like: Tensor) -> Tensor:
    if weight.numel() == 0:
        return like.new_ones(())
    chosen = weight.to(like.dtype)[target]
    return chosen[:, None] if like.ndim == 2 else chosen

"""Learnt task weights: FairMOT's formula, and that they balance."""

import math

import pytest
import torch

from mmgtrack.models.dm_track import LearnedTaskWeights


@pytest.mark.parametrize(
    ('detection', 'identity', 's_d', 's_i'),
    [(2.0, 3.0, -1.85, -1.05), (0.5, 8.0, 0.0, 0.0), (0.0, 0.0, 1.0, -2.0)],
)
def test_is_fairmots_total(detection: float, identity: float, s_d: float, s_i: float) -> None:
    weights = LearnedTaskWeights(s_d, s_i).double()
    total = weights(torch.tensor(detection), torch.tensor(identity))
    expected = 0.5 * (math.exp(-s_d) * detection + math.exp(-s_i) * identity + s_d + s_i)
    assert total.item() == pytest.approx(expected, rel=1e-6)


def test_starts_like_fairmot() -> None:
    torch.testing.assert_close(LearnedTaskWeights().log_variances.detach(), torch.tensor([-1.85, -1.05]))


def test_each_task_ends_with_a_weight_of_one_over_its_loss() -> None:
    """With fixed losses the optimum is s = ln L, where exp(-s) L = 1."""
    weights, losses = LearnedTaskWeights(), torch.tensor([0.25, 4.0])
    optimizer = torch.optim.Adam(weights.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        weights(*losses).backward()
        optimizer.step()
    torch.testing.assert_close(weights.log_variances.detach(), losses.log(), atol=1e-2, rtol=0)


def test_gradients_reach_both_losses_with_their_weights() -> None:
    losses = torch.tensor([2.0, 3.0], requires_grad=True)
    LearnedTaskWeights()(*losses).backward()
    assert losses.grad is not None
    torch.testing.assert_close(losses.grad, torch.tensor([1.85, 1.05]).exp() / 2)

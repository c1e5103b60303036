"""Deformable convolution and deformable attention."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmgtrack import ops
from mmgtrack.errors import InputError


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    'stride, padding, dilation, groups',
    [
        ((1, 1), (1, 1), (1, 1), 1),
        ((2, 1), (0, 2), (1, 2), 2),
    ],
)
def test_without_offsets_is_a_convolution(
    stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int], groups: int
) -> None:
    inputs, weight, bias = random(2, 4, 7, 8), random(6, 4 // groups, 3, 2), random(6)
    expected = F.conv2d(inputs, weight, bias, stride, padding, dilation, groups)
    offset = inputs.new_zeros(2, 2 * 6, *expected.shape[2:])
    out = ops.deform_conv2d(inputs, offset, weight, bias, stride, padding, dilation, groups)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_gradients() -> None:
    inputs, weight = random(1, 4, 4, 5), random(2, 2, 2, 2, seed=1)
    offset, mask = random(1, 16, 3, 4, seed=2), random(1, 8, 3, 4, seed=3)
    leaves = [tensor.requires_grad_() for tensor in (inputs, offset, weight, mask)]
    assert torch.autograd.gradcheck(
        lambda x, o, w, m: ops.deform_conv2d(x, o, w, groups=2, deform_groups=2, mask=m), leaves
    )


def test_empty_batch_and_half_precision() -> None:
    weight = random(2, 3, 1, 1)
    assert ops.deform_conv2d(random(0, 3, 4, 5), random(0, 2, 4, 5), weight).shape == (0, 2, 4, 5)
    inputs = random(1, 3, 4, 5).bfloat16()
    out = ops.deform_conv2d(inputs, random(1, 2, 4, 5), weight)
    assert out.dtype == torch.bfloat16


def test_huge_and_undefined_offsets_sample_zero() -> None:
    offset = torch.full((1, 2, 4, 5), 1e30)
    offset[..., 0] = float('nan')
    out = ops.deform_conv2d(torch.ones(1, 1, 4, 5), offset, torch.ones(1, 1, 1, 1))
    assert torch.equal(out, torch.zeros(1, 1, 4, 5))


@pytest.mark.parametrize(
    'offset, mask, name',
    [
        ((1, 16, 4, 5), (1, 9, 4, 5), 'offset'),
        ((1, 18, 4, 5), (1, 8, 4, 5), 'mask'),
    ],
)
def test_refuses_other_shapes(offset: tuple[int, ...], mask: tuple[int, ...], name: str) -> None:
    with pytest.raises(InputError, match=f'{name} must be'):
        ops.deform_conv2d(
            random(1, 2, 4, 5), random(*offset), random(1, 2, 3, 3), padding=(1, 1), mask=random(*mask)
        )


def test_attention_gradients() -> None:
    shapes = torch.tensor([[3, 4], [2, 2]])
    value, weights = random(1, 16, 2, 3), random(1, 2, 2, 2, 2, seed=1)
    locations = torch.sigmoid(random(1, 2, 2, 2, 2, 2, seed=2))
    leaves = [tensor.detach().requires_grad_() for tensor in (value, locations, weights)]
    assert torch.autograd.gradcheck(
        lambda v, place, w: ops.ms_deform_attn(v, shapes, torch.tensor([0, 12]), place, w), leaves
    )

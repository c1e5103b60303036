"""The grouped correlation against a plain loop over targets."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.layers import DynamicCorrelation, correlate, correlate_pairs


def by_loop(features: Tensor, kernels: Tensor, groups: int) -> Tensor:
    pad = kernels.shape[-1] // 2
    maps = [functional.conv2d(features, kernel, padding=pad, groups=groups) for kernel in kernels]
    return torch.stack(maps, dim=1)


@pytest.mark.parametrize(
    ('channels', 'out', 'groups', 'size'),
    [(8, 8, 8, 1), (8, 8, 1, 1), (8, 8, 8, 3), (8, 12, 4, 3), (8, 16, 8, 1), (6, 4, 2, 5)],
)
def test_equals_a_loop_over_targets(channels: int, out: int, groups: int, size: int) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, channels, 7, 9, dtype=torch.float64)
    kernels = torch.randn(3, out, channels // groups, size, size, dtype=torch.float64)
    expected = by_loop(features, kernels, groups)
    torch.testing.assert_close(correlate(features, kernels, groups), expected)
    pairs = correlate_pairs(features[[0, 1, 1]], kernels, groups)
    torch.testing.assert_close(pairs, expected[[0, 1, 1], [0, 1, 2]])


@pytest.mark.parametrize('options', [{}, {'groups': 1}, {'kernel_size': 3}, {'project_search': True}])
def test_pairs_equal_the_full_product(options: dict) -> None:
    torch.manual_seed(0)
    layer = DynamicCorrelation(4, roi_size=5, **options).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    kernels = layer.generate(torch.randn(3, 4, 5, 5, dtype=torch.float64))
    features = torch.randn(2, 4, 6, 8, dtype=torch.float64)
    frames = torch.tensor([1, 0, 1])
    full = layer(features, kernels)
    assert full.shape == (2, 3, 4, 6, 8)
    torch.testing.assert_close(layer.forward_pairs(features, kernels, frames), full[frames, torch.arange(3)])


def test_generated_kernel_is_equation_1() -> None:
    """f_z is a k x k convolution without padding: one number a channel of a depth-wise 1x1 kernel."""
    torch.manual_seed(0)
    layer = DynamicCorrelation(4, roi_size=7)
    target = torch.randn(2, 4, 7, 7)
    kernels = layer.generate(target)
    assert kernels.shape == (2, 4, 1, 1, 1)
    weight, bias = layer.kernel_conv.weight, layer.kernel_conv.bias
    expected = torch.einsum('mcij,ocij->mo', target, weight) + bias
    torch.testing.assert_close(kernels.flatten(1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('options', [{'groups': 3}, {'kernel_size': 2}, {'kernel_channels': 6, 'groups': 4}])
def test_impossible_shapes_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match='divisible by groups'):
        DynamicCorrelation(8, **options)

"""The grouped correlation against a plain loop over targets."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.layers import (
    CorrelationNeck,
    DynamicCorrelation,
    MultiKernelCorrelation,
    correlate,
    correlate_pairs,
)


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


def test_pooled_kernels_are_the_average_of_a_padded_convolution() -> None:
    """Official DMTrack: a 1x1 convolution padded by one, averaged over all cells, its ring too."""
    torch.manual_seed(0)
    layer = DynamicCorrelation(6, groups=1, pooled=True, project_out=False).double()
    torch.nn.init.normal_(layer.kernel_conv.bias)
    targets = torch.randn(3, 6, 7, 7, dtype=torch.float64)
    padded = functional.conv2d(targets, layer.kernel_conv.weight, layer.kernel_conv.bias, padding=1)
    assert padded.shape[-2:] == (9, 9)
    torch.testing.assert_close(layer.generate(targets).flatten(1), padded.mean((2, 3)))


# the form in the paper's words -> arguments, and channels out of 8
FORMS = {
    'GlobalTrack': (dict(), 8),
    'full 1x1': (dict(groups=1, pooled=True, project_out=False, act_cfg=dict(type='ReLU')), 8),
    'full 1x1 behind an encoder': (
        dict(groups=1, pooled=True, project_out=False, project_search=True, search_size=1, search_channels=4),
        4,
    ),
    'depth-wise 1x1': (dict(pooled=True), 8),
    'depth-wise 3x3': (dict(pooled=True, kernel_size=3), 8),
    'grouped 5x5 with more channels': (dict(pooled=True, kernel_size=5, groups=4, kernel_channels=12), 8),
}


@pytest.mark.parametrize('form', FORMS)
def test_every_form_equals_a_loop_over_targets(form: str) -> None:
    options, channels = FORMS[form]
    torch.manual_seed(0)
    layer = DynamicCorrelation(8, **options).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    targets, features = torch.randn(3, 8, 7, 7).double(), torch.randn(2, 8, 5, 6).double()
    numbers, frames = layer.encode(targets), torch.tensor([1, 1, 0])
    assert numbers.shape == (3, layer.num_numbers)
    found = layer.search(features, numbers, frames)
    assert found.shape == (3, channels, 5, 6) and layer.out_channels == channels
    for p, frame in enumerate(frames):
        searched = features[frame][None]
        if layer.search_conv is not None:
            searched = layer.search_conv(searched)
        kernel = layer.generate(targets[p : p + 1])[0]
        expected = functional.conv2d(searched, kernel, padding=kernel.shape[-1] // 2, groups=layer.groups)
        expected = expected.relu() if layer.activate is not None else expected
        expected = expected if layer.out_conv is None else layer.out_conv(expected)
        torch.testing.assert_close(found[p : p + 1], expected)
    torch.testing.assert_close(layer.search(features[frames], numbers, None), found)
    torch.testing.assert_close(layer(features, layer.generate(targets))[frames, torch.arange(3)], found)


def test_several_kernels_side_by_side() -> None:
    torch.manual_seed(0)
    branches = [dict(groups=1), dict(kernel_size=3), dict(kernel_size=1, act_cfg=dict(type='ReLU'))]
    layer = MultiKernelCorrelation(4, branches, pooled=True).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    targets, features = torch.randn(2, 4, 7, 7).double(), torch.randn(1, 4, 5, 6).double()
    frames = torch.tensor([0, 0])
    numbers = layer.encode(targets)
    assert numbers.shape == (2, layer.num_numbers) and layer.num_numbers == 16 + 36 + 4
    parts = [branch.search(features, branch.encode(targets), frames) for branch in layer.branches]
    assert (parts[2] >= 0).all() and (parts[0] < 0).any()
    torch.testing.assert_close(layer.search(features, numbers, frames), layer.integrate(torch.cat(parts, 1)))
    with pytest.raises(InputError, match='at least one branch'):
        MultiKernelCorrelation(4, [])


def test_a_plain_start_is_that_of_an_ordinary_convolution() -> None:
    torch.manual_seed(0)
    layer = DynamicCorrelation(64, groups=1, pooled=True, plain_start=True)
    layer.init_weights()
    kernels = layer.generate(torch.zeros(1, 64, 7, 7))
    assert kernels.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    with pytest.raises(InputError, match='project_search=True'):
        DynamicCorrelation(8, search_channels=4)


@pytest.mark.parametrize('neck', ['mmdet.FPN', 'mmdet.PAFPN'])
@pytest.mark.parametrize('share', [False, True])
def test_a_neck_that_can_be_guided(neck: str, share: bool) -> None:
    torch.manual_seed(0)
    config = dict(type=neck, in_channels=[4, 6], out_channels=8, num_outs=3)
    layer = CorrelationNeck(config, num_levels=3, correlation=dict(groups=1), share_levels=share)
    layer.init_weights()
    features = [torch.randn(2, 4, 8, 12), torch.randn(2, 6, 4, 6)]
    maps = layer(features)
    assert {key.split('.')[0] for key in layer.state_dict()} == {'neck', 'correlations'}
    torch.testing.assert_close(maps, tuple(layer.neck(features)))
    numbers = layer.encode(torch.randn(3, 8, 7, 7))
    assert numbers.shape == (3, 3, layer.num_numbers)
    seen = layer.modulate(maps, numbers, torch.tensor([0, 1, 1]))
    assert [tuple(level.shape) for level in seen] == [(3, 8, 8, 12), (3, 8, 4, 6), (3, 8, 2, 3)]
    assert len(layer.correlations) == (1 if share else 3)


def test_a_neck_that_does_not_fit_is_refused() -> None:
    config = dict(type='mmdet.FPN', in_channels=[4, 6], out_channels=8, num_outs=3)
    narrower = dict(kernel_channels=4, groups=1, project_out=False)
    with pytest.raises(InputError, match='must give 8 channels, as it gets, not 4'):
        CorrelationNeck(config, num_levels=3, correlation=narrower)
    layer = CorrelationNeck(config, num_levels=2)
    with pytest.raises(InputError, match='expected num_levels=2 maps of the neck, got 3'):
        layer([torch.randn(1, 4, 8, 12), torch.randn(1, 6, 4, 6)])

"""The guidance module against the literal concatenation, and its start."""

from pathlib import Path

import pytest
import torch
from mmcv.ops import roi_align
from torch import Tensor
from torch.nn import functional

from mmgtrack.models import TargetGuidance

C, K, STRIDE = 6, 3, 8


def drawn(channels: int = C, pooled_size: int = K) -> TargetGuidance:
    """With weights of which none is special, in double precision."""
    torch.manual_seed(0)
    module = TargetGuidance(channels, pooled_size).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def maps(count: int, height: int = 5, width: int = 7) -> Tensor:
    return torch.randn(count, C, height, width, dtype=torch.float64)


def by_concatenation(module: TargetGuidance, x: Tensor, m: Tensor) -> Tensor:
    """Fig. 1b, one map (C, H, W) and one modulator (C,)."""
    shown = m[:, None, None].expand_as(x)
    return module.merge(torch.cat([x, x * shown, shown])[None])[0]


def test_every_frame_with_every_target() -> None:
    module, search, modulators = drawn(), maps(2), torch.randn(3, C, dtype=torch.float64)
    expected = torch.stack(
        [torch.stack([by_concatenation(module, x, m) for m in modulators]) for x in search]
    )
    torch.testing.assert_close(module(search, modulators), expected)
    pairs = module.guide(search[[1, 0, 1]], modulators)
    torch.testing.assert_close(pairs, expected[[1, 0, 1], [0, 1, 2]])


def test_gradients_are_those_of_the_concatenation() -> None:
    module = drawn()
    search = maps(2).requires_grad_()
    modulators = torch.randn(2, C, dtype=torch.float64, requires_grad=True)
    leaves = [search, modulators, *module.merge.parameters()]
    literal = torch.stack([by_concatenation(module, x, m) for x, m in zip(search, modulators, strict=True)])
    weights = torch.randn_like(literal)
    expected = torch.autograd.grad((literal * weights).sum(), leaves)
    found = torch.autograd.grad((module.guide(search, modulators) * weights).sum(), leaves)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize('initialised', [False, True])
def test_starts_as_the_identity(initialised: bool) -> None:
    torch.manual_seed(1)
    module = TargetGuidance(C, K)
    if initialised:
        module.init_weights()
        assert module.modulator.weight.std().item() == pytest.approx(0.01, rel=0.2)
    search, targets = maps(2).float(), torch.randn(2, C, K, K)
    modulators = module.modulator_of(targets)
    assert modulators.abs().min() > 0  # so that the other two thirds of the 1x1 convolution can learn
    torch.testing.assert_close(module.guide(search, modulators), search)


def test_weights_of_a_file_stay(tmp_path: Path) -> None:
    source = drawn().float()
    torch.save(source.state_dict(), tmp_path / 'guidance.pth')
    module = TargetGuidance(C, K, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'guidance.pth')))
    module.init_weights()
    for name, value in module.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_pools_each_target_from_its_own_map() -> None:
    module, exemplars = drawn(), maps(2, 12, 12)
    boxes = torch.tensor([[24.0, 24, 72, 72], [30, 10, 60, 80]], dtype=torch.float64)
    found = module.pool(exemplars, boxes, STRIDE)
    for n in range(2):
        rois = torch.cat([boxes.new_zeros(1, 1), boxes[n : n + 1]], dim=1)
        torch.testing.assert_close(
            found[n : n + 1], roi_align(exemplars[n : n + 1], rois, K, 1 / STRIDE, 2, 'avg', True)
        )
    assert module.modulator_of(found).shape == (2, C)


@pytest.mark.parametrize('width, height', [(3.0, 2.0), (0.1, 0.1), (90.0, 0.01), (0.0, 0.0)])
def test_a_target_under_one_cell_is_interpolated(width: float, height: float) -> None:
    """On a map that is linear in x, each bin is the value at its middle, however small the box."""
    ramp = torch.arange(12, dtype=torch.float64).expand(1, C, 12, 12)
    box = torch.tensor([[48 - width / 2, 48 - height / 2, 48 + width / 2, 48 + height / 2]]).double()
    found = drawn().pool(ramp, box, STRIDE)
    middles = 48 + width * ((torch.arange(K, dtype=torch.float64) + 0.5) / K - 0.5)
    torch.testing.assert_close(found, (middles / STRIDE - 0.5).expand_as(found), atol=1e-6, rtol=0)


def test_pools_half_precision_maps_at_the_place_itself() -> None:
    exemplars = maps(1, 14, 14).bfloat16()
    box = torch.tensor([[50.3, 51.7, 100.9, 103.1]])  # in bfloat16 whole pixels only
    expected = drawn().pool(exemplars.float(), box, STRIDE)
    torch.testing.assert_close(drawn().pool(exemplars, box, STRIDE), expected)


def test_half_precision_guides(atol: float = 0.1) -> None:
    module = drawn().float()
    search, modulators = maps(2).float(), torch.randn(2, C)
    expected = module.guide(search, modulators)
    with torch.autocast('cpu', torch.bfloat16):
        found = module.guide(search, modulators)
        every = module(search, modulators)
    assert found.dtype == every.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=atol, rtol=0.05)
    torch.testing.assert_close(every[[0, 1], [0, 1]].float(), expected, atol=atol, rtol=0.05)


def test_weights_are_the_only_state() -> None:
    assert {k: tuple(v.shape) for k, v in TargetGuidance(4, 7).state_dict().items()} == {
        'modulator.weight': (4, 4, 7, 7),
        'modulator.bias': (4,),
        'merge.weight': (4, 12, 1, 1),
        'merge.bias': (4,),
    }


def test_a_modulator_is_a_convolution_of_the_whole_feature() -> None:
    module, targets = drawn(), torch.randn(2, C, K, K, dtype=torch.float64)
    expected = functional.linear(
        targets.flatten(1), module.modulator.weight.flatten(1), module.modulator.bias
    )
    torch.testing.assert_close(module.modulator_of(targets), expected)

"""DLA and its upward merging: sizes, initialisation, memory layouts, folded norms. Numbers: tests/oracles."""

import copy
from pathlib import Path
from typing import Any

import mmcv.ops.modulated_deform_conv as operator
import pytest
import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.checkpoint import use_safe_loading
from mmgtrack.errors import InputError
from mmgtrack.models.backbones import DLA, DLAUpNet
from mmgtrack.models.backbones.dla_up import DeformConv, bilinear_up

CHANNELS = (4, 6, 8, 12, 16, 20)
ALL = {'base_layer', *(f'level{level}' for level in range(6))}


def small_base() -> dict[str, Any]:
    return dict(type='mmgtrack.DLA', channels=CHANNELS, out_indices=(3, 4, 5))


def small_net(spread: bool = True, **options: Any) -> DLAUpNet:
    """spread: offsets that are not zero and statistics that folding has to get right."""
    torch.manual_seed(0)
    net = DLAUpNet(**{'base': small_base(), 'in_channels': CHANNELS[3:], **options})
    net.init_weights()
    for module in net.modules() if spread else ():
        if isinstance(module, DeformConv):
            nn.init.normal_(module.conv_offset.weight, std=0.2)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net.double().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_size_is_the_papers() -> None:
    """Published: 15,270,832 besides the classifier, of which two projections are never used."""
    with torch.device('meta'):
        net = DLAUpNet(dict(type='mmgtrack.DLA', out_indices=(3, 4, 5)))
    dead = (64 + 2) * 128 + (128 + 2) * 256
    assert count(net.base) == 15_270_832 - dead
    assert count(net.dla_up) == 3_038_882


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_maps_of_every_level(images: Tensor) -> None:
    maps = DLA(CHANNELS, out_indices=range(6)).double()(images)
    assert [tuple(m.shape) for m in maps] == [(2, c, 64 >> i, 96 >> i) for i, c in enumerate(CHANNELS)]


@pytest.mark.parametrize('depths', [(1,), (2, 1), (3,)])
def test_other_depths(images: Tensor, depths: tuple[int, ...]) -> None:
    net = DLA(CHANNELS[: 2 + len(depths)], depths, out_indices=(1 + len(depths),)).double()
    blocks = [m for m in net.modules() if type(m).__name__ == 'Block']
    assert len(blocks) == sum(2**depth for depth in depths)
    net(images)[0].sum().backward()
    assert all(p.grad is not None for p in net.parameters())  # none that only looks as if it did something


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(channels=(4, 6, 8)),
            r'DLA of 4 trees needs 6 channels and out_indices below that, got \[4, 6, 8\]',
        ),
        (dict(out_indices=(6,)), r'got \[16, 32, 64, 128, 256, 512\] and \[6\]'),
        (dict(frozen_stages=5), 'frozen_stages must be -1 to 4, got 5'),
        (dict(frozen_stages=-2), 'frozen_stages must be -1 to 4, got -2'),
    ],
)
def test_what_does_not_fit_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message), torch.device('meta'):
        DLA(**options)


@pytest.mark.parametrize(
    'options, moving',
    [
        ({}, ALL),
        (dict(frozen_stages=0), {'level2', 'level3', 'level4', 'level5'}),
        (dict(frozen_stages=2), {'level4', 'level5'}),
        (dict(norm_eval=True), set()),
    ],
)
def test_frozen_stages_keep_their_statistics(
    images: Tensor, options: dict[str, Any], moving: set[str]
) -> None:
    base = DLA(CHANNELS, **options).double().train()
    before = copy.deepcopy(base.state_dict())
    base(images)
    moved = {k.split('.')[0] for k, v in base.state_dict().items() if not torch.equal(before[k], v)}
    assert moved == moving
    still = {name.split('.')[0] for name, p in base.named_parameters() if not p.requires_grad}
    assert still == (set() if options.get('norm_eval') else ALL - moving)


def test_norm_eval_of_the_whole(images: Tensor) -> None:
    net = small_net(norm_eval=True).train()
    before = copy.deepcopy(net.state_dict())
    net(images)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_every_parameter_learns(images: Tensor) -> None:
    """The published model keeps 32 that get no gradient."""
    net = small_net().train()
    sum(m.square().sum() for m in net(images)).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_coarsest_map_stays(images: Tensor) -> None:
    net = small_net()
    base, merged = net.base(images), net(images)
    assert [m.shape for m in merged] == [b.shape for b in base]
    assert torch.equal(merged[-1], base[-1])
    assert not any(torch.equal(m, b) for m, b in zip(merged[:-1], base, strict=False))


@pytest.mark.parametrize('conv', ['mmgtrack.DCNv2', 'Conv2d'])
def test_folded_norms_and_memory_layouts(images: Tensor, conv: str) -> None:
    plain = small_net(conv_cfg=dict(type=conv))
    faster = fuse_conv_bn(copy.deepcopy(plain)).to(memory_format=torch.channels_last)
    norms = {name for name, m in faster.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert all('.actf.' in name for name in norms)  # mmcv folds into plain convolutions beside a norm only
    with torch.no_grad():
        found = faster(images.contiguous(memory_format=torch.channels_last))
        for one, other in zip(found, plain(images), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_the_operator_gets_what_it_can_read(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """mmcv's compiled operator goes by addresses: (N, C, H, W) in a row, also for channels-last images."""
    laid_out: list[bool] = []
    forward = operator.ext_module.modulated_deform_conv_forward

    def spy(*tensors: Any, **rest: Any) -> None:
        laid_out.extend(t.is_contiguous() for t in tensors if isinstance(t, Tensor))
        forward(*tensors, **rest)

    monkeypatch.setattr(operator.ext_module, 'modulated_deform_conv_forward', spy)
    net = small_net().to(memory_format=torch.channels_last)
    net(images.contiguous(memory_format=torch.channels_last))
    assert len(laid_out) == 6 * 8 and all(laid_out)


def test_without_offsets_it_is_half_a_convolution() -> None:
    """A new layer's offsets are zero and its factors sigmoid(0)."""
    conv = DeformConv(4, 5, 3, padding=1).double()
    x = torch.randn(2, 4, 7, 9, dtype=torch.float64)
    expected = functional.conv2d(x, conv.weight, padding=1) / 2 + conv.bias[:, None, None]
    torch.testing.assert_close(conv(x), expected)


def test_initialisation_keeps_offsets_zero() -> None:
    net = small_net(spread=False)
    offsets = [p for name, p in net.named_parameters() if 'conv_offset' in name]
    assert len(offsets) == 12 and not any(p.any() for p in offsets)


def test_resolution_is_doubled_bilinearly() -> None:
    x = torch.randn(2, 3, 5, 6)
    expected = functional.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)
    found = bilinear_up(3)(x)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_weights_of_a_classifier_initialise_it(tmp_path: Path) -> None:
    """The file of ImageNet weights also holds the classifier and two projections that nothing uses."""
    source = DLA(CHANNELS).state_dict()
    extra = {'fc.weight': torch.zeros(10, 20, 1, 1), 'level3.project.0.weight': torch.zeros(12, 8, 1, 1)}
    torch.save(source | extra, tmp_path / 'dla34.pth')
    use_safe_loading()
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'dla34.pth'))
    net = DLAUpNet(small_base(), CHANNELS[3:], init_cfg=init_cfg)
    net.init_weights()
    assert all(torch.equal(weight, source[name]) for name, weight in net.base.state_dict().items())

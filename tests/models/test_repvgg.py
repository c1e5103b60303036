"""RepVGG: one convolution does what three branches do, and the authors' files are understood."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.checkpoint import use_safe_loading
from mmgtrack.errors import InputError
from mmgtrack.models.backbones import RepVGG
from mmgtrack.models.backbones.repvgg import rename_official
from mmgtrack.models.layers.repvgg_block import RepVGGBlock

FROZEN = dict(type='mmdet.FrozenBN')
NORMS = [dict(type='BN'), dict(type='BN', eps=1e-2), FROZEN, dict(type='mmdet.FrozenBN', eps=1e-3)]
SMALL = dict(stage_blocks=(2, 1), stage_channels=(6, 8), stem_channels=4, out_indices=(0, 1))


def with_drawn_norms(module: nn.Module) -> Any:
    """In evaluation mode and double precision, each norm unlike the others."""
    generator = torch.Generator().manual_seed(3)
    for part in module.modules():
        if hasattr(part, 'running_var'):
            for name, low in (('weight', -1), ('bias', -1), ('running_mean', -1), ('running_var', 0.1)):
                value = getattr(part, name).data
                value.copy_(torch.rand(value.shape, generator=generator) * (1 - low) + low)
    return module.double().eval()


def reference(block: RepVGGBlock, x: Tensor) -> Tensor:
    """The block's sum, branch by branch, from the definition of a norm."""

    def norm(y: Tensor, part: Any) -> Tensor:
        mean, var, weight, bias = (
            v[None, :, None, None] for v in (part.running_mean, part.running_var, part.weight, part.bias)
        )
        return (y - mean) / (var + part.eps).sqrt() * weight + bias

    total = norm(
        functional.conv2d(x, block.branch_3x3.conv.weight, stride=block.stride, padding=1),
        block.branch_3x3.norm,
    )
    total = total + norm(
        functional.conv2d(x, block.branch_1x1.conv.weight, stride=block.stride), block.branch_1x1.norm
    )
    if block.branch_norm is not None:
        total = total + norm(x, block.branch_norm)
    return total.relu()


@pytest.mark.parametrize('norm_cfg', NORMS, ids=str)
@pytest.mark.parametrize(
    'channels, stride, branches',
    [((5, 5), 1, 3), ((5, 5), 2, 2), ((3, 8), 1, 2), ((8, 3), 2, 2), ((1, 1), 1, 3)],
)
@torch.no_grad()
def test_one_convolution_does_the_same(
    norm_cfg: dict, channels: tuple[int, int], stride: int, branches: int
) -> None:
    torch.manual_seed(0)
    block = with_drawn_norms(RepVGGBlock(*channels, stride=stride, norm_cfg=norm_cfg))
    assert sum(hasattr(m, 'running_var') for m in block.modules()) == branches
    x = torch.randn(2, channels[0], 9, 12, dtype=torch.float64)
    wanted = reference(block, x)
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)
    block.switch_to_deploy()
    block.switch_to_deploy()  # once is enough, twice does no harm
    assert list(block.state_dict()) == ['branch_reparam.weight', 'branch_reparam.bias']
    assert block.branch_reparam.weight.dtype == torch.float64
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize('norm_cfg', [None, FROZEN], ids=str)
@pytest.mark.parametrize('fused_before', [False, True])
@torch.no_grad()
def test_the_trunk_in_one_convolution_a_block(norm_cfg: dict | None, fused_before: bool) -> None:
    torch.manual_seed(0)
    trunk = with_drawn_norms(RepVGG(**SMALL, norm_cfg=norm_cfg))
    images = torch.randn(2, 3, 32, 40, dtype=torch.float64)
    wanted = trunk(images)
    assert [tuple(m.shape) for m in wanted] == [(2, 6, 8, 10), (2, 8, 4, 5)]
    if fused_before:
        fuse_conv_bn(trunk)
    trunk.switch_to_deploy()
    built = RepVGG(**SMALL, norm_cfg=norm_cfg, deploy=True).double()
    built.load_state_dict(trunk.state_dict())
    for got in (trunk(images), built(images)):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)


# pairs of channels in and out, of the stem and of Lightning's three stages; and channels out
PAIRS = 3 * 48 + 2 * 48**2 + (48 * 96 + 3 * 96**2) + (96 * 192 + 3 * 192**2)
CHANNELS = 3 * 48 + 4 * 96 + 4 * 192


@pytest.mark.parametrize(
    'kwargs, stored, frozen',
    [
        (dict(norm_cfg=FROZEN), PAIRS * (9 + 1), 0),
        (dict(norm_cfg=FROZEN, frozen_stages=0), PAIRS * (9 + 1), 3 * 48 * (9 + 1)),
        # a norm a convolution, and one more in all but the first blocks
        (dict(), PAIRS * (9 + 1) + 2 * (2 * CHANNELS + 48 + 3 * 96 + 3 * 192), 0),
        (dict(deploy=True), PAIRS * 9 + CHANNELS, 0),
    ],
)
def test_number_of_weights(kwargs: dict, stored: int, frozen: int) -> None:
    weights = list(RepVGG((2, 4, 4), (48, 96, 192), out_indices=(2,), **kwargs).parameters())
    assert sum(p.numel() for p in weights) == stored
    assert sum(p.numel() for p in weights if not p.requires_grad) == frozen


@pytest.mark.parametrize(
    'frozen, moved',
    [(-1, {'stem', 'stage_1', 'stage_2'}), (0, {'stage_1', 'stage_2'}), (1, {'stage_2'}), (2, set())],
)
def test_frozen_stages_neither_learn_nor_count(frozen: int, moved: set[str]) -> None:
    torch.manual_seed(0)
    trunk = RepVGG(**SMALL, frozen_stages=frozen)
    trunk.train()
    before = {k: v.clone() for k, v in trunk.state_dict().items()}
    trunk(torch.randn(2, 3, 32, 32))
    after = trunk.state_dict()
    assert {k.split('.')[0] for k in before if not torch.equal(before[k], after[k])} == moved
    assert {n.split('.')[0] for n, p in trunk.named_parameters() if p.requires_grad} == moved


@pytest.mark.parametrize('norm_cfg', [None, FROZEN], ids=str)
def test_every_weight_that_learns_gets_a_gradient(norm_cfg: dict | None) -> None:
    torch.manual_seed(0)
    trunk = RepVGG(**SMALL, norm_cfg=norm_cfg, frozen_stages=0)
    (trunk(torch.randn(2, 3, 32, 32))[-1] ** 2).sum().backward()
    for name, parameter in trunk.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad == (not name.startswith('stem')), name
        assert parameter.grad is None or parameter.grad.abs().sum() > 0, name


def test_names_of_the_authors() -> None:
    table = {
        'stage0.rbr_dense.conv.weight': 'stem.branch_3x3.conv.weight',
        'stage0.rbr_1x1.bn.running_var': 'stem.branch_1x1.norm.running_var',
        'stage1.0.rbr_dense.bn.bias': 'stage_1.0.branch_3x3.norm.bias',
        'stage3.13.rbr_identity.weight': 'stage_3.13.branch_norm.weight',
        'stage2.1.rbr_reparam.bias': 'stage_2.1.branch_reparam.bias',
    }
    assert {key: rename_official(key) for key in table} == table


def authors_file(trunk: RepVGG) -> dict[str, Tensor]:
    """The trunk's weights under the authors' names, as they store a classifier."""
    names = {'stem': 'stage0', 'stage_1': 'stage1', 'stage_2': 'stage2', 'branch_3x3': 'rbr_dense'}
    names |= {'branch_1x1': 'rbr_1x1', 'branch_norm': 'rbr_identity', 'norm': 'bn'}
    return {
        '.'.join(names.get(part, part) for part in k.split('.')): v for k, v in trunk.state_dict().items()
    }


@pytest.mark.parametrize('norm_cfg', [None, FROZEN], ids=str)
@pytest.mark.parametrize('prefix', [None, 'backbone.'])
def test_a_longer_network_of_either_naming_initialises_it(
    tmp_path: Path, norm_cfg: dict | None, prefix: str | None
) -> None:
    """The authors' file, or with the prefix OpenMMLab's; its last blocks and classifier are left aside."""
    torch.manual_seed(1)
    longer = RepVGG((3, 2), (6, 8), 4, out_indices=(1,))
    weights = (
        authors_file(longer) if prefix is None else {prefix + k: v for k, v in longer.state_dict().items()}
    )
    weights |= {'linear.weight': torch.ones(2, 8)} if prefix is None else {'head.fc.weight': torch.ones(2, 8)}
    torch.save(weights, tmp_path / 'w.pth')
    use_safe_loading()
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'w.pth'))
    init_cfg |= {} if prefix is None else dict(prefix=prefix)
    ours = RepVGG((2,), (6,), 4, out_indices=(0,), norm_cfg=norm_cfg, init_cfg=init_cfg)
    ours.init_weights()
    source = longer.state_dict()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, source[name]), name


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(stage_channels=(6,)), 'as many stage_channels'),
        (dict(out_indices=(2,)), 'out_indices below that'),
        (dict(frozen_stages=3), 'frozen_stages must be -1 to 2, got 3'),
    ],
)
def test_a_trunk_that_cannot_be(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RepVGG(**{**SMALL, **wrong})

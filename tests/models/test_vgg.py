"""VGG: the layers of torchvision's network up to conv5_3, under its names."""

from pathlib import Path

import pytest
import torch
from mmdet.models.backbones import SSDVGG
from torch import nn

from mmgtrack.models import VGG
from mmgtrack.registry import MODELS

# blocks of each stage and channels of each (Simonyan & Zisserman, Table 1)
STAGES = {11: (1, 1, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
CHANNELS = (64, 128, 256, 512, 512)


def reference(depth: int) -> nn.Sequential:
    """From the paper's table, numbered as torchvision numbers it."""
    layers: list[nn.Module] = []
    before = 3
    for count, channels in zip(STAGES[depth], CHANNELS, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
            before = channels
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize('depth', [11, 16])
@torch.no_grad()
def test_is_the_network_of_the_paper(depth: int) -> None:
    torch.manual_seed(0)
    expected, ours = reference(depth), VGG(depth)
    ours.load_state_dict({f'features.{name}': value for name, value in expected.state_dict().items()})
    images = torch.randn(1, 3, 50, 64)
    (found,) = ours(images)
    assert found.shape == (1, 512, 3, 4)
    torch.testing.assert_close(found, expected(images))


def test_reads_the_weights_that_ssd_starts_from() -> None:
    """mmdet's SSD names the same layers alike, so one file serves both."""
    ours = VGG().state_dict()
    theirs = SSDVGG(16).state_dict()
    assert {name: value.shape for name, value in ours.items()}.items() <= {
        name: value.shape for name, value in theirs.items()
    }.items()


def test_outputs_of_several_stages() -> None:
    backbone = MODELS.build(dict(type='mmgtrack.VGG', depth=11, out_indices=(2, 4)))
    assert [tuple(x.shape[1:]) for x in backbone(torch.zeros(1, 3, 32, 32))] == [(256, 4, 4), (512, 2, 2)]


def test_frozen_stages_do_not_learn() -> None:
    backbone = VGG(11, frozen_stages=2)
    for _ in range(2):
        frozen = {name for name, value in backbone.named_parameters() if not value.requires_grad}
        assert frozen == {f'features.{n}.{kind}' for n in (0, 3) for kind in ('weight', 'bias')}
        assert backbone.train() is backbone and backbone.eval() is backbone


def test_starts_by_init_cfg(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = VGG(11)
    source.init_weights()
    first, last = source.features[0].weight, source.features[18].weight
    # He et al., 2015: the variance of what goes out is kept
    assert last.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)
    assert source.features[0].bias.abs().max() == 0
    torch.save(source.state_dict(), tmp_path / 'vgg.pth')
    ours = VGG(11, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'vgg.pth')))
    ours.init_weights()
    assert torch.equal(ours.features[0].weight, first)

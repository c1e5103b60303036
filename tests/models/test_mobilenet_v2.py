"""The truncated backbone computes what mmdet's does, and reads torchvision's names."""

from pathlib import Path

import numpy as np
import torch
from mmdet.models.backbones import MobileNetV2

from mmgtrack.checkpoint import load_checkpoint_file, use_safe_loading
from mmgtrack.models.backbones import TruncatedMobileNetV2
from mmgtrack.models.backbones.mobilenet_v2 import rename_torchvision

STAGES = (1, 2, 4, 5)


def test_same_features_with_fewer_weights() -> None:
    torch.manual_seed(0)
    full, ours = MobileNetV2(out_indices=STAGES), TruncatedMobileNetV2(out_indices=STAGES)
    missing, unexpected = ours.load_state_dict(full.state_dict(), strict=False)
    assert not missing and {k.split('.')[0] for k in unexpected} == {'layer7', 'conv2'}
    images = torch.randn(1, 3, 64, 64)
    full.eval(), ours.eval()  # mmdet's train() and eval() return nothing
    for one, two in zip(full(images), ours(images), strict=True):
        assert torch.equal(one, two)


def test_frozen_stages_keep_their_statistics() -> None:
    backbone = TruncatedMobileNetV2(out_indices=STAGES, frozen_stages=3)
    backbone.train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    backbone(torch.randn(2, 3, 64, 64))
    after = backbone.state_dict()
    moved = {k.split('.')[0] for k in before if not torch.equal(before[k], after[k])}
    assert moved == {'layer4', 'layer5', 'layer6'}
    trained = {n.split('.')[0] for n, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {'layer4', 'layer5', 'layer6'}


def test_torchvision_names() -> None:
    table = {
        'features.0.0.weight': 'conv1.conv.weight',
        'features.0.1.running_mean': 'conv1.bn.running_mean',
        'features.1.conv.0.weight': 'layer1.0.depthwise_conv.conv.weight',
        'features.1.conv.4.bias': 'layer1.0.linear_conv.bn.bias',
        'features.2.conv.0.weight': 'layer2.0.expand_conv.conv.weight',
        'features.3.conv.7.bias': 'layer2.1.linear_conv.bn.bias',
        'features.17.conv.3.weight': 'layer7.0.depthwise_conv.conv.weight',
        'features.18.1.weight': 'conv2.bn.weight',
    }
    assert {key: rename_torchvision(key) for key in table} == table


def test_an_npz_with_torchvision_names_initialises_it(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = TruncatedMobileNetV2(out_indices=(0,)).state_dict()
    names = [f'features.0.{p}' for p in ('0.weight', '1.weight', '1.bias', '1.running_mean', '1.running_var')]
    names += [f'features.1.conv.{n}.weight' for n in (0, 1, 3, 4)]
    names += [f'features.1.conv.{n}.{k}' for n in (1, 4) for k in ('bias', 'running_mean', 'running_var')]
    assert {rename_torchvision(n) for n in names} == {k for k in source if 'num_batches' not in k}
    np.savez(tmp_path / 'w.npz', **{n: source[rename_torchvision(n)].numpy() for n in names})
    use_safe_loading()
    torch.manual_seed(2)
    ours = TruncatedMobileNetV2(
        out_indices=(0,), init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'w.npz'))
    )
    ours.init_weights()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, source[name]), name
    assert load_checkpoint_file(tmp_path / 'w.npz')['state_dict'].keys() == set(names)

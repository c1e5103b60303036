"""Checkpoints in the layout of the GlobalTrack authors' code, with weights made by a rule."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.oracles.official_weights import made_weight

Shapes = dict[str, tuple[int, ...]]

# factors of weights by regex, numbers added to biases: they keep outputs in a useful range
RULE: dict[str, Any] = {
    'salt': 0,
    'gain': [[r'^rpn_head\.rpn_reg\.weight$', 0.1], [r'^bbox_head\.fc_cls\.weight$', 2.5]],
    'bias_offset': {'rpn_head.rpn_cls.bias': [-1.5], 'bbox_head.fc_cls.bias': [0.0, 2.0]},
}


def official_shapes() -> Shapes:
    """All 374 keys of the R50 model and their shapes."""
    shapes = resnet_shapes('backbone', (3, 4, 6, 3))
    for level, channels in enumerate((256, 512, 1024, 2048)):
        shapes |= layer_shapes(f'neck.lateral_convs.{level}.conv', 256, channels, 1, 1)
        shapes |= layer_shapes(f'neck.fpn_convs.{level}.conv', 256, 256, 3, 3)
    shapes |= layer_shapes('rpn_head.rpn_conv', 256, 256, 3, 3)
    shapes |= layer_shapes('rpn_head.rpn_cls', 3, 256, 1, 1) | layer_shapes('rpn_head.rpn_reg', 12, 256, 1, 1)
    shapes |= layer_shapes('bbox_head.fc_cls', 2, 1024) | layer_shapes('bbox_head.fc_reg', 8, 1024)
    shapes |= layer_shapes('bbox_head.shared_fcs.0', 1024, 12544) | layer_shapes(
        'bbox_head.shared_fcs.1', 1024, 1024
    )
    for level in range(5):
        shapes |= layer_shapes(f'rpn_modulator.proj_modulator.{level}', 256, 256, 7, 7)
        shapes |= layer_shapes(f'rpn_modulator.proj_out.{level}', 256, 256, 1, 1)
    shapes |= layer_shapes('rcnn_modulator.proj_z', 256, 256, 3, 3)
    shapes |= layer_shapes('rcnn_modulator.proj_x', 256, 256, 3, 3)
    return shapes | layer_shapes('rcnn_modulator.proj_out', 256, 256, 1, 1)


def resnet_shapes(name: str, blocks: tuple[int, ...]) -> Shapes:
    """Trunk of a ResNet with bottlenecks. blocks: their number in each stage."""
    shapes: Shapes = {f'{name}.conv1.weight': (64, 3, 7, 7)} | norm_shapes(f'{name}.bn1', 64)
    inner = 64
    for stage, count in enumerate(blocks, start=1):
        planes = 32 << stage
        for block in range(count):
            shapes |= _bottleneck(f'{name}.layer{stage}.{block}', inner, planes, first=block == 0)
            inner = 4 * planes
    return shapes


def layer_shapes(name: str, *shape: int) -> Shapes:
    """A linear layer or convolution with a bias."""
    return {f'{name}.weight': shape, f'{name}.bias': shape[:1]}


def norm_shapes(name: str, channels: int) -> Shapes:
    """A batch norm with its counter."""
    vectors = ('weight', 'bias', 'running_mean', 'running_var')
    return {f'{name}.{part}': (channels,) for part in vectors} | {f'{name}.num_batches_tracked': ()}


def _bottleneck(name: str, inner: int, planes: int, *, first: bool) -> Shapes:
    shapes: Shapes = {
        f'{name}.conv1.weight': (planes, inner, 1, 1),
        f'{name}.conv2.weight': (planes, planes, 3, 3),
        f'{name}.conv3.weight': (4 * planes, planes, 1, 1),
    }
    for number, channels in enumerate((planes, planes, 4 * planes), start=1):
        shapes |= norm_shapes(f'{name}.bn{number}', channels)
    if first:
        shapes[f'{name}.downsample.0.weight'] = (4 * planes, inner, 1, 1)
        shapes |= norm_shapes(f'{name}.downsample.1', 4 * planes)
    return shapes


def rule_weights(shapes: Shapes) -> dict[str, Tensor]:
    """What the rule makes of these names: the same numbers on every machine."""
    return {name: made_weight(name, shape, RULE, salt=0) for name, shape in shapes.items()}


def write_official(path: Path, weights: dict[str, Tensor], **meta: Any) -> None:
    """A file as mmcv 0.2 and torch 1.1 write it: not a zip, keys with ``module.``, the optimizer's state.

    Parameters in the optimizer's state go by their address, which is a long integer.
    """
    address = 140_234_567_890_123
    momentum = {'momentum_buffer': torch.ones(3)}
    group = {'lr': 0.005, 'momentum': 0.9, 'weight_decay': 1e-4, 'nesterov': False, 'params': [address]}
    content = {
        'meta': {
            'mmdet_version': '1.0rc0',
            'config': 'model = dict(\n)',
            'CLASSES': ('object',),
            'mmcv_version': '0.2.14',
            'time': 'Mon Nov 18 12:34:56 2019',
            **meta,
        },
        'state_dict': OrderedDict((f'module.{name}', weight) for name, weight in weights.items()),
        'optimizer': {'state': {address: momentum}, 'param_groups': [group]},
    }
    torch.save(content, path, _use_new_zipfile_serialization=False)

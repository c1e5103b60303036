"""Checkpoints in the layout of the DMTrack authors' code, with weights made by a rule."""

from typing import Any

from torch import Tensor

from tests.convert.official import Shapes, layer_shapes, norm_shapes
from tests.oracles.dmtrack_weights import made_weight

# factors of weights by regex, numbers added to biases: they keep outputs in a useful range
RULE: dict[str, Any] = {
    'salt': 0,
    'rules': [
        {'key': r'^controller\.controller_\w+1\.weight$', 'gain': 0.12},
        {'key': r'^bbox_head\.fcos_reg\.bias$', 'bias_offset': 1.5},
        {'key': r'^bbox_head\.scales\.\d\.scale$', 'gain': 16},
    ],
}
CHANNELS = (16, 32, 64, 128, 256, 512)


def official_shapes(classifier: bool = False) -> Shapes:
    """All 392 keys and their shapes; classifier: also the two that files of a training run have."""
    shapes = _base_shapes('backbone.base')
    if classifier:
        shapes |= layer_shapes('backbone.base.fc', 1000, 512, 1, 1)
    shapes |= _up_shapes('backbone.dla_up.ida_0', 256, (512,))
    shapes |= _up_shapes('backbone.dla_up.ida_1', 128, (256, 256))
    shapes |= _up_shapes('backbone.ida_up', 128, (256, 512), sides=(4, 8))
    for level, channels in enumerate(CHANNELS[3:]):
        shapes |= layer_shapes(f'neck.lateral_convs.{level}.conv', 256, channels, 1, 1)
        shapes |= layer_shapes(f'neck.fpn_convs.{level}.conv', 256, 256, 3, 3)
        shapes |= layer_shapes(f'template.fpn_modulator.{level}', 256, 256, 1, 1)
        shapes[f'bbox_head.scales.{level}.scale'] = ()
    for branch in ('cls', 'reg'):
        for number in range(4):
            name = f'bbox_head.{branch}_convs.{number}'
            shapes[f'{name}.conv.weight'] = (256, 256, 3, 3)
            shapes |= {f'{name}.gn.{part}': (256,) for part in ('weight', 'bias')}
        shapes |= layer_shapes(f'controller.controller_{branch}1', 256 * 256, 256, 1, 1)
        shapes |= layer_shapes(f'controller.controller_{branch}2', 32 * 32, 256, 1, 1)
        shapes |= layer_shapes(f'cond_modulator.downsampler_{branch}', 32, 256, 1, 1)
    for part, rows in (('cls', 2), ('reg', 4), ('centerness', 1)):
        shapes |= layer_shapes(f'bbox_head.fcos_{part}', rows, 32, 3, 3)
    return shapes


def rule_weights(shapes: Shapes) -> dict[str, Tensor]:
    """What the rule makes of these names: the same numbers on every machine."""
    return {name: made_weight(name, shape, RULE) for name, shape in shapes.items()}


def old_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the first version of the deformable layer named its offsets: beside it, not inside."""
    return {name.replace('.conv.conv_offset.', '.conv_offset.'): weight for name, weight in weights.items()}


def _base_shapes(name: str) -> Shapes:
    shapes = _conv_norm(f'{name}.base_layer', '0', '1', 16, 3, 7)
    shapes |= _conv_norm(f'{name}.level0', '0', '1', 16, 16, 3)
    shapes |= _conv_norm(f'{name}.level1', '0', '1', 32, 16, 3)
    shapes |= _tree(f'{name}.level2', 32, 64, root=128)
    for level, passed in ((3, 64), (4, 128)):
        inner, outer = CHANNELS[level - 1 : level + 1]
        shapes |= _tree(f'{name}.level{level}.tree1', inner, outer, root=2 * outer)
        shapes |= _tree(f'{name}.level{level}.tree2', outer, outer, root=3 * outer + passed)
        shapes |= _conv_norm(f'{name}.level{level}.project', '0', '1', outer, inner, 1)
    return shapes | _tree(f'{name}.level5', 256, 512, root=1280)


def _tree(name: str, inner: int, outer: int, root: int) -> Shapes:
    """Two blocks, their root, and a projection where the number of channels changes."""
    shapes: Shapes = {}
    for number, first in ((1, inner), (2, outer)):
        shapes |= _conv_norm(f'{name}.tree{number}', 'conv1', 'bn1', outer, first, 3)
        shapes |= _conv_norm(f'{name}.tree{number}', 'conv2', 'bn2', outer, outer, 3)
    shapes |= _conv_norm(f'{name}.root', 'conv', 'bn', outer, root, 1)
    return shapes if inner == outer else shapes | _conv_norm(f'{name}.project', '0', '1', outer, inner, 1)


def _up_shapes(name: str, width: int, inner: tuple[int, ...], sides: tuple[int, ...] = (4, 4)) -> Shapes:
    shapes: Shapes = {}
    for number, (channels, side) in enumerate(zip(inner, sides, strict=False), start=1):
        shapes |= _deform_conv(f'{name}.proj_{number}', width, channels)
        shapes[f'{name}.up_{number}.weight'] = (width, 1, side, side)
        shapes |= _deform_conv(f'{name}.node_{number}', width, width)
    return shapes


def _deform_conv(name: str, outer: int, inner: int) -> Shapes:
    shapes = layer_shapes(f'{name}.conv', outer, inner, 3, 3)
    return (
        shapes
        | layer_shapes(f'{name}.conv.conv_offset', 27, inner, 3, 3)
        | norm_shapes(f'{name}.actf.0', outer)
    )


def _conv_norm(name: str, conv: str, norm: str, outer: int, inner: int, side: int) -> Shapes:
    return {f'{name}.{conv}.weight': (outer, inner, side, side)} | norm_shapes(f'{name}.{norm}', outer)

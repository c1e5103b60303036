"""Checkpoints in the layouts of the STARK authors' code and of mmtracking, with weights made by a rule."""

import re
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from tests.convert.official import Shapes, layer_shapes, norm_shapes, resnet_shapes
from tests.oracles.stark_weights import made_weight

# official name -> mmtracking's, the first that fits
_MMTRACKING = (
    (r'backbone\.0\.body\.(.*)', r'backbone.\1'),
    (r'bottleneck\.(.*)', r'neck.convs.0.conv.\1'),
    (r'query_embed\.(.*)', r'head.query_embedding.\1'),
    (r'transformer\.decoder\.norm\.(.*)', r'head.transformer.decoder.post_norm.\1'),
    (r'(transformer\..*)\.self_attn\.(.*)', r'head.\1.attentions.0.attn.\2'),
    (r'(transformer\..*)\.multihead_attn\.(.*)', r'head.\1.attentions.1.attn.\2'),
    (r'(transformer\..*)\.linear1\.(.*)', r'head.\1.ffns.0.layers.0.0.\2'),
    (r'(transformer\..*)\.linear2\.(.*)', r'head.\1.ffns.0.layers.1.\2'),
    (r'(transformer\..*)\.norm1\.(.*)', r'head.\1.norms.0.\2'),
    (r'(transformer\..*)\.norm2\.(.*)', r'head.\1.norms.1.\2'),
    (r'(transformer\..*)\.norm3\.(.*)', r'head.\1.norms.2.\2'),
    (r'box_head\.conv1_(tl|br)\.0\.(.*)', r'head.bbox_head.\1_corner_pred.0.conv.\2'),
    (r'box_head\.conv2_(tl|br)\.0\.(.*)', r'head.bbox_head.\1_corner_pred.1.conv.\2'),
    (r'box_head\.conv3_(tl|br)\.0\.(.*)', r'head.bbox_head.\1_corner_pred.2.conv.\2'),
    (r'box_head\.conv4_(tl|br)\.0\.(.*)', r'head.bbox_head.\1_corner_pred.3.conv.\2'),
    (r'box_head\.conv1_(tl|br)\.1\.(.*)', r'head.bbox_head.\1_corner_pred.0.bn.\2'),
    (r'box_head\.conv2_(tl|br)\.1\.(.*)', r'head.bbox_head.\1_corner_pred.1.bn.\2'),
    (r'box_head\.conv3_(tl|br)\.1\.(.*)', r'head.bbox_head.\1_corner_pred.2.bn.\2'),
    (r'box_head\.conv4_(tl|br)\.1\.(.*)', r'head.bbox_head.\1_corner_pred.3.bn.\2'),
    (r'box_head\.conv5_(tl|br)\.(.*)', r'head.bbox_head.\1_corner_pred.4.\2'),
    (r'cls_head\.(.*)', r'head.cls_head.\1'),
)


def stark_shapes(kind: str) -> Shapes:
    """Official names and shapes of 'S50', 'ST50', 'ST101' (460, 466, 721) or 'Lightning' (192 keys)."""
    if kind == 'Lightning':
        return _lightning_shapes()
    trunk = resnet_shapes('backbone.0.body', (3, 4, 23 if kind == 'ST101' else 6))
    shapes = _without_counters(trunk) | layer_shapes('bottleneck', 256, 1024, 1, 1)
    shapes['query_embed.weight'] = (1, 256)
    for layer in range(6):
        name = f'transformer.{{}}.layers.{layer}'
        shapes |= _transformer_layer(name.format('encoder'), 256, 2048)
        shapes |= _transformer_layer(name.format('decoder'), 256, 2048)
        shapes |= _attention(f'{name.format("decoder")}.multihead_attn', 256)
        shapes |= layer_shapes(f'{name.format("decoder")}.norm3', 256)
    shapes |= layer_shapes('transformer.decoder.norm', 256)
    for corner in ('tl', 'br'):
        for block, (inner, outer) in enumerate(((256, 256), (256, 128), (128, 64), (64, 32)), start=1):
            name = f'box_head.conv{block}_{corner}'
            shapes |= layer_shapes(f'{name}.0', outer, inner, 3, 3) | norm_shapes(f'{name}.1', outer)
        shapes |= layer_shapes(f'box_head.conv5_{corner}', 1, 32, 1, 1)
    if kind != 'S50':
        for layer, outer in enumerate((256, 256, 1)):
            shapes |= layer_shapes(f'cls_head.layers.{layer}', outer, 256)
    return shapes


def _lightning_shapes() -> Shapes:
    trunk = _branches('backbone.body.stage0', 3, 48)
    inner = 48
    for stage, (blocks, outer) in enumerate(((2, 48), (4, 96), (4, 192)), start=1):
        for block in range(blocks):
            trunk |= _branches(f'backbone.body.stage{stage}.{block}', inner, outer, identity=block > 0)
            inner = outer
    shapes = _without_counters(trunk) | layer_shapes('bottleneck', 128, 192, 1, 1)
    shapes |= _transformer_layer('transformer.encoder', 128, 1024)
    for block in range(2):
        shapes |= _branches(f'box_head.conv_tower.{block}', 128, 128, identity=True)
    shapes |= layer_shapes('box_head.conv_tower.2', 2, 128, 3, 3)
    for name, side in (('pos_emb_x', 20), ('pos_emb_z0', 8)):
        shapes |= {f'{name}.{axis}_embed.weight': (side, 64) for axis in ('row', 'col')}
    return shapes


def _branches(name: str, inner: int, outer: int, *, identity: bool = False) -> Shapes:
    """A RepVGG block before its branches are fused."""
    shapes: Shapes = norm_shapes(f'{name}.rbr_identity', outer) if identity else {}
    for branch, side in (('rbr_dense', 3), ('rbr_1x1', 1)):
        shapes[f'{name}.{branch}.conv.weight'] = (outer, inner, side, side)
        shapes |= norm_shapes(f'{name}.{branch}.bn', outer)
    return shapes


def _attention(name: str, width: int) -> Shapes:
    packed: Shapes = {f'{name}.in_proj_weight': (3 * width, width), f'{name}.in_proj_bias': (3 * width,)}
    return packed | layer_shapes(f'{name}.out_proj', width, width)


def _transformer_layer(name: str, width: int, hidden: int) -> Shapes:
    shapes = _attention(f'{name}.self_attn', width)
    shapes |= layer_shapes(f'{name}.linear1', hidden, width) | layer_shapes(f'{name}.linear2', width, hidden)
    return shapes | layer_shapes(f'{name}.norm1', width) | layer_shapes(f'{name}.norm2', width)


def _without_counters(shapes: Shapes) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.endswith('num_batches_tracked')}


def stark_weights(shapes: Shapes) -> dict[str, Tensor]:
    """The same numbers on every machine; the counters of batches are 7."""
    weights = {name: made_weight(name, shape, rule={}, salt=0) for name, shape in shapes.items()}
    return {name: w + 7 if name.endswith('num_batches_tracked') else w for name, w in weights.items()}


def mmtracking_weights(official: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under mmtracking's names, with the counters that its frozen norms have."""
    weights = {}
    for name, weight in official.items():
        pattern, template = next(line for line in _MMTRACKING if re.fullmatch(line[0], name))
        renamed = re.sub(pattern, template, name)
        weights[renamed] = weight
        if renamed.startswith('backbone.') and renamed.endswith('running_var'):
            weights[renamed.replace('running_var', 'num_batches_tracked')] = torch.tensor(0)
    return weights


def write_stark(path: Path, weights: dict[str, Tensor], *, epoch: int | None, zipped: bool) -> None:
    """A file as the authors' trainer writes it, full of objects of classes that nobody else has.

    epoch: None leaves it out; zipped: torch's format since 1.6, else the one before.
    """
    with _authors_classes() as make:
        content = {
            'epoch': epoch,
            'actor_type': 'STARKSActor',
            'net_type': 'STARKS',
            'net': OrderedDict(weights),
            'net_info': None,
            'constructor': None,
            'optimizer': {
                'state': {0: {'step': 3, 'exp_avg': torch.ones(3)}},
                'param_groups': [{'lr': 1e-4}],
            },
            'stats': OrderedDict(
                train=OrderedDict(
                    {'Loss/total': make('lib.train.admin.stats.AverageMeter', avg=0.5, count=2)}
                ),
                val=OrderedDict(
                    {'LearningRate/group0': make('lib.train.admin.stats.StatValue', history=[1])}
                ),
            ),
            'settings': make(
                'lib.train.admin.settings.Settings',
                env=make('lib.train.admin.local.EnvironmentSettings', lasot_dir='/data/lasot'),
                cfg=make('easydict.EasyDict', MODEL=make('easydict.EasyDict', HIDDEN_DIM=256)),
                use_gpu=True,
            ),
        }
        if epoch is None:
            del content['epoch']
        torch.save(content, path, _use_new_zipfile_serialization=zipped)


@contextmanager
def _authors_classes() -> Iterator[Any]:
    """A maker of objects by full class name; their modules are gone afterwards, as for any reader."""
    made: dict[str, type] = {}

    def make(name: str, **state: Any) -> Any:
        if name not in made:
            made[name] = _importable_class(name)
        thing = made[name]()
        thing.__dict__.update(state)
        if isinstance(thing, dict):
            thing.update(state)
        return thing

    with patch.dict(sys.modules):
        yield make


def _importable_class(name: str) -> type:
    """A new class that pickle finds under this name."""
    module, _, title = name.rpartition('.')
    parts = module.split('.')
    for depth in range(len(parts)):
        sys.modules.setdefault('.'.join(parts[: depth + 1]), ModuleType(parts[depth]))
    made = type(title, (dict,) if title == 'EasyDict' else (), {'__module__': module})
    setattr(sys.modules[module], title, made)
    return made

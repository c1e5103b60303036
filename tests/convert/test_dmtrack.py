"""DMTrack's key maps on small tensors; a file of full size goes through tests/cli/test_convert_dmtrack.py."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmgtrack.apis.models import build_network, load_config
from mmgtrack.convert.dmtrack import KEY_MAP, OLD_KEY_MAP, dmtrack_layout
from mmgtrack.convert.key_map import KeyMap
from mmgtrack.convert.official import OfficialCheckpoint
from mmgtrack.errors import CheckpointError
from tests.convert.dmtrack_official import official_shapes, old_names, rule_weights
from tests.convert.official import Shapes
from tests.oracles.cases import oracle_folder
from tests.oracles.dmtrack_weights import official_shapes as recorded_shapes

# ours, the authors': one of every kind, with few channels
ROWS: list[tuple[str, str, tuple[int, ...]]] = [
    ('backbone.base.base_layer.0.weight', 'backbone.base.base_layer.0.weight', (4, 3, 7, 7)),
    ('backbone.base.level3.tree1.project.1.bias', 'backbone.base.level3.tree1.project.1.bias', (4,)),
    (
        'backbone.base.level5.root.bn.num_batches_tracked',
        'backbone.base.level5.root.bn.num_batches_tracked',
        (),
    ),
    ('backbone.dla_up.ida_1.up_2.weight', 'backbone.dla_up.ida_1.up_2.weight', (4, 1, 4, 4)),
    (
        'backbone.dla_up.ida_0.proj_1.conv.conv_offset.bias',
        'backbone.dla_up.ida_0.proj_1.conv.conv_offset.bias',
        (27,),
    ),
    ('neck.lateral_convs.0.conv.bias', 'neck.lateral_convs.0.conv.bias', (4,)),
    ('bbox_head.cls_convs.0.gn.weight', 'bbox_head.cls_convs.0.gn.weight', (4,)),
    ('bbox_head.scales.2.scale', 'bbox_head.scales.2.scale', ()),
    ('bbox_head.level_convs.1.weight', 'template.fpn_modulator.1.weight', (4, 4, 1, 1)),
    *(
        (f'bbox_head.{branch}_correlations.{place}.{layer}.weight', name.format(branch), shape)
        for branch in ('cls', 'reg')
        for place, layer, name, shape in [
            (0, 'kernel_conv', 'controller.controller_{}1.weight', (16, 4, 1, 1)),
            (1, 'kernel_conv', 'controller.controller_{}2.weight', (9, 4, 1, 1)),
            (1, 'search_conv', 'cond_modulator.downsampler_{}.weight', (3, 4, 1, 1)),
        ]
    ),
    ('bbox_head.conv_cls.weight', 'bbox_head.fcos_cls.weight', (2, 3, 3, 3)),
    ('bbox_head.conv_reg.bias', 'bbox_head.fcos_reg.bias', (4,)),
    ('bbox_head.conv_centerness.bias', 'bbox_head.fcos_centerness.bias', (1,)),
]
OURS: Shapes = {ours: shape for ours, _, shape in ROWS}
DEAD: Shapes = {
    'backbone.base.fc.weight': (10, 4, 1, 1),
    'backbone.base.fc.bias': (10,),
    'backbone.base.level3.project.0.weight': (4, 4, 1, 1),
    'backbone.base.level4.project.1.running_mean': (4,),
    'backbone.ida_up.proj_1.conv.weight': (4, 4, 3, 3),
    'backbone.ida_up.node_2.actf.0.num_batches_tracked': (),
}
OFFSET = 'backbone.dla_up.ida_0.proj_1.conv_offset.bias'  # its old name


@pytest.fixture
def official() -> dict[str, Tensor]:
    return rule_weights({name: shape for _, name, shape in ROWS} | DEAD)


def layout(weights: dict[str, Tensor]) -> KeyMap:
    found = dmtrack_layout(OfficialCheckpoint(weights, {}, {}))
    assert found.config_name == 'dmtrack_dla34_official'
    return found.key_map


def test_every_weight_comes_to_its_place(official: dict[str, Tensor]) -> None:
    assert layout(official) is KEY_MAP
    converted = KEY_MAP.convert(official, OURS)
    assert list(converted) == list(OURS)
    for ours, name, _ in ROWS:
        assert torch.equal(converted[ours], official[name]), ours


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_files_of_the_first_deformable_layer(official: dict[str, Tensor], prefix: str) -> None:
    """Its offsets lay beside the convolution that they belong to."""
    old = {prefix + name: weight for name, weight in old_names(official).items()}
    assert prefix + OFFSET in old and layout(old) is OLD_KEY_MAP
    one, two = KEY_MAP.convert(official, OURS), OLD_KEY_MAP.convert(old, OURS)
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_dead_keys_come_with_a_reason(official: dict[str, Tensor]) -> None:
    for key_map in (KEY_MAP, OLD_KEY_MAP):
        left_out = key_map.left_out(official)
        assert left_out.keys() == DEAD.keys()
        for name, word in (('fc', 'classifier'), ('project', 'thrown away'), ('ida_up', 'never called')):
            assert all(word in reason for key, reason in left_out.items() if f'.{name}.' in key)


def test_files_without_dead_keys_fit_as_well(official: dict[str, Tensor]) -> None:
    for name in DEAD:
        del official[name]
    assert KEY_MAP.convert(official, OURS).keys() == OURS.keys() and not KEY_MAP.left_out(official)


def drop(name: str) -> Callable[[dict[str, Tensor]], None]:
    def change(weights: dict[str, Tensor]) -> None:
        del weights[name]

    return change


def put(name: str, weight: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda weights: weights.update({name: weight})


CONTROLLER = 'controller.controller_cls1.weight'


@pytest.mark.parametrize(
    'breaking, message',
    [
        (drop(CONTROLLER), f'1 key missing: {CONTROLLER}'),
        (put('re_id.weight', torch.zeros(2)), '1 key unknown: re_id.weight'),
        (put('backbone.base.level5.project.2.weight', torch.zeros(2)), '1 key unknown: backbone.base.level5'),
        (put('backbone.base.level3.tree1.project.2.weight', torch.zeros(2)), '1 key unknown: backbone.base'),
        (
            put('bbox_head.level_convs.0.bias', torch.zeros(4)),  # our name, no official one
            '1 key unknown: bbox_head.level_convs.0.bias',
        ),
        (
            put('bbox_head.fcos_cls.weight', torch.zeros(1, 3, 3, 3)),
            '1 key of another shape: bbox_head.fcos_cls.weight is (1, 3, 3, 3) instead of (2, 3, 3, 3)',
        ),
        (put(CONTROLLER, torch.full((16, 4, 1, 1), torch.nan)), f'1 key not finite: {CONTROLLER}'),
        (
            put(CONTROLLER, torch.zeros(16, 4, 1, 1).int()),
            f'1 key no plain floating-point tensor: {CONTROLLER}',
        ),
        (put(OFFSET, torch.zeros(27)), f'1 key unknown: {OFFSET}'),  # by both names
    ],
)
def test_what_does_not_fit_is_listed(
    official: dict[str, Tensor], breaking: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    breaking(official)
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        KEY_MAP.convert(official, OURS)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize('key_map, rename', [(KEY_MAP, dict), (OLD_KEY_MAP, old_names)])
def test_the_map_covers_the_whole_model(key_map: KeyMap, rename: Callable[[dict], dict]) -> None:
    """Each official key is the source of one of ours, with the shape that it has, or dead."""
    with torch.device('meta'):
        network = build_network(load_config('dmtrack_dla34_official')[1])
    expected = {key: tuple(weight.shape) for key, weight in network.state_dict().items()}
    shapes = rename(official_shapes(classifier=True))
    dead = key_map.left_out({name: torch.empty(0) for name in shapes})
    assert sorted([*map(key_map.source_of, expected), *dead]) == sorted(shapes)
    assert all(shapes[key_map.source_of(key)] == shape for key, shape in expected.items())
    # 26 parameters of ida_up and 6 of the projections (measured: no gradient), and the classifier's two
    assert sum(name.endswith(('.weight', '.bias')) for name in dead) == 32 + 2


def test_the_official_layout_is_the_recorded_one() -> None:
    folder: Path = oracle_folder() / 'dmtrack'
    if not folder.is_dir():
        pytest.skip(f'nothing recorded: {folder} does not exist')
    assert recorded_shapes(folder) == official_shapes()

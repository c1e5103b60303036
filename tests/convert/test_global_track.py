"""The key map of GlobalTrack on small tensors; the whole model goes through tests/cli/test_convert.py."""

import json
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mmgtrack.apis.models import build_network, load_config
from mmgtrack.convert.global_track import KEY_MAP, convert_state_dict
from mmgtrack.errors import CheckpointError
from tests.convert.official import RULE, Shapes, official_shapes, rule_weights
from tests.oracles.cases import oracle_folder

# official and ours: one of every kind, with few channels
OFFICIAL: Shapes = {
    'backbone.conv1.weight': (4, 3, 7, 7),
    'backbone.bn1.weight': (4,),
    'backbone.bn1.num_batches_tracked': (),
    'neck.fpn_convs.0.conv.bias': (4,),
    'rpn_head.rpn_conv.weight': (4, 4, 3, 3),
    'rpn_modulator.proj_modulator.0.weight': (4, 4, 7, 7),
    'rpn_modulator.proj_modulator.1.weight': (4, 4, 7, 7),
    'rpn_modulator.proj_out.1.bias': (4,),
    'rcnn_modulator.proj_z.weight': (4, 4, 3, 3),
    'rcnn_modulator.proj_x.weight': (4, 4, 3, 3),
    'rcnn_modulator.proj_out.weight': (4, 4, 1, 1),
    'bbox_head.shared_fcs.0.weight': (5, 6),
    'bbox_head.fc_cls.weight': (2, 5),
    'bbox_head.fc_cls.bias': (2,),
    'bbox_head.fc_reg.weight': (8, 5),
    'bbox_head.fc_reg.bias': (8,),
}
OURS: Shapes = {
    'backbone.conv1.weight': (4, 3, 7, 7),
    'backbone.bn1.weight': (4,),
    'backbone.bn1.num_batches_tracked': (),
    'neck.fpn_convs.0.conv.bias': (4,),
    'rpn_head.rpn_conv.weight': (4, 4, 3, 3),
    'rpn_head.correlations.0.kernel_conv.weight': (4, 4, 7, 7),
    'rpn_head.correlations.1.kernel_conv.weight': (4, 4, 7, 7),
    'rpn_head.correlations.1.out_conv.bias': (4,),
    'roi_head.modulator.query_conv.weight': (4, 4, 3, 3),
    'roi_head.modulator.search_conv.weight': (4, 4, 3, 3),
    'roi_head.modulator.out_conv.weight': (4, 4, 1, 1),
    'roi_head.bbox_head.shared_fcs.0.weight': (5, 6),
    'roi_head.bbox_head.fc_cls.weight': (2, 5),
    'roi_head.bbox_head.fc_cls.bias': (2,),
    'roi_head.bbox_head.fc_reg.weight': (4, 5),
    'roi_head.bbox_head.fc_reg.bias': (4,),
}


@pytest.fixture
def official() -> dict[str, Tensor]:
    return rule_weights(OFFICIAL)


def test_every_weight_comes_to_its_place(official: dict[str, Tensor]) -> None:
    ours = convert_state_dict(official, OURS)
    assert {key: tuple(weight.shape) for key, weight in ours.items()} == OURS
    assert list(ours) == list(OURS)
    for key, name in zip(OURS, OFFICIAL, strict=True):  # both tables above have the same order
        if 'fc_cls' in name:
            assert torch.equal(ours[key], official[name].flip(0)), key
        elif 'fc_reg' in name:
            assert torch.equal(ours[key], official[name][4:]), key
        else:
            assert torch.equal(ours[key], official[name]), key


def test_the_rows_left_out_are_named(official: dict[str, Tensor]) -> None:
    reason = 'box deltas of the background, never trained nor read'
    assert KEY_MAP.left_out(official) == {
        'bbox_head.fc_reg.weight[0,1,2,3]': reason,
        'bbox_head.fc_reg.bias[0,1,2,3]': reason,
    }


def test_weights_are_copies_without_what_was_left_out(official: dict[str, Tensor]) -> None:
    ours = convert_state_dict(official, OURS)
    for weight in ours.values():
        assert weight.untyped_storage().nbytes() == weight.numel() * weight.element_size()
    before = ours['backbone.conv1.weight'].clone()
    official['backbone.conv1.weight'].zero_()
    assert torch.equal(ours['backbone.conv1.weight'], before)


def test_module_is_stripped(official: dict[str, Tensor]) -> None:
    wrapped = {f'module.{name}': weight for name, weight in official.items()}
    one, two = convert_state_dict(official, OURS), convert_state_dict(wrapped, OURS)
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    assert KEY_MAP.left_out(wrapped) == KEY_MAP.left_out(official)


def test_counters_may_be_absent(official: dict[str, Tensor]) -> None:
    del official['backbone.bn1.num_batches_tracked']
    ours = convert_state_dict(official, OURS)
    assert ours.keys() == OURS.keys() - {'backbone.bn1.num_batches_tracked'}


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(official: dict[str, Tensor], dtype: torch.dtype) -> None:
    name = 'neck.fpn_convs.0.conv.bias'
    official[name] = torch.tensor([0.5, -2, 0, 1], dtype=dtype)
    ours = convert_state_dict(official, OURS)[name]
    assert ours.dtype == torch.float32 and ours.tolist() == [0.5, -2, 0, 1]


def drop(*names: str) -> Callable[[dict[str, Tensor]], None]:
    def change(weights: dict[str, Tensor]) -> None:
        for name in names:
            del weights[name]

    return change


def put(name: str, weight: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda weights: weights.update({name: weight})


def replace(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], None]:
    return lambda weights: weights.update({name: change(weights[name])})


def set_first(value: float) -> Callable[[Tensor], Tensor]:
    return lambda weight: weight.index_fill(0, torch.tensor([0]), value)


def unwrap_one(weights: dict[str, Tensor]) -> None:
    names = [name for name in weights if name != 'backbone.bn1.weight']
    for name in names:
        weights[f'module.{name}'] = weights.pop(name)


CONV, NORM, BIAS = 'backbone.conv1.weight', 'backbone.bn1.weight', 'neck.fpn_convs.0.conv.bias'


@pytest.mark.parametrize(
    'breaking, message',
    [
        (drop(CONV), f'1 key missing: {CONV}'),
        (
            drop(
                'rcnn_modulator.proj_z.weight',
                'rpn_modulator.proj_modulator.1.weight',
                'bbox_head.fc_cls.bias',
            ),
            '3 keys missing: rpn_modulator.proj_modulator.1.weight, rcnn_modulator.proj_z.weight, '
            'bbox_head.fc_cls.bias',
        ),
        (put('backbone.fc.weight', torch.zeros(2)), '1 key unknown: backbone.fc.weight'),
        (put('mask_head.\x1b[2J', torch.zeros(2)), r"1 key unknown: 'mask_head.\x1b[2J'"),
        (
            put('rpn_modulator.proj_out.5.bias', torch.zeros(4)),
            '1 key unknown: rpn_modulator.proj_out.5.bias',
        ),
        (
            put('rpn_head.correlations.1.out_conv.bias', torch.zeros(4)),  # our name, no official one
            '1 key unknown: rpn_head.correlations.1.out_conv.bias',
        ),
        (
            replace(BIAS, lambda w: w[:3]),
            f'1 key of another shape: {BIAS} is (3,) instead of (4,)',
        ),
        (
            replace('bbox_head.fc_cls.bias', lambda w: w[:1]),
            '1 key of another shape: bbox_head.fc_cls.bias is (1,) instead of (2,)',
        ),
        (
            replace('bbox_head.fc_reg.weight', lambda w: w[4:]),
            '1 key of another shape: bbox_head.fc_reg.weight is (4, 5) instead of (8, 5)',
        ),
        (
            replace(BIAS, lambda w: w[0].expand(10**7, 10**7)),
            f'1 key of another shape: {BIAS} is (10000000, 10000000) instead of (4,)',
        ),
        (replace(BIAS, set_first(float('nan'))), f'1 key not finite: {BIAS}'),
        (
            replace('bbox_head.fc_reg.weight', set_first(float('inf'))),
            '1 key not finite: bbox_head.fc_reg.weight',
        ),
        (replace(BIAS, lambda w: w.double().fill_(1e300)), f'1 key not finite: {BIAS}'),
        (replace(BIAS, lambda w: w.int()), f'1 key no plain floating-point tensor: {BIAS}'),
        (replace(BIAS, lambda w: w + 1j), f'1 key no plain floating-point tensor: {BIAS}'),
        (replace(BIAS, lambda w: w.to_sparse()), f'1 key no plain floating-point tensor: {BIAS}'),
        (replace(BIAS, lambda w: w.to('meta')), f'1 key no plain floating-point tensor: {BIAS}'),
        (
            unwrap_one,
            '15 keys unknown: module.backbone.conv1.weight, module.backbone.bn1.num_batches_tracked',
        ),
    ],
)
def test_what_does_not_fit_is_listed(
    official: dict[str, Tensor], breaking: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    breaking(official)
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        convert_state_dict(official, OURS)
    assert len(str(caught.value).splitlines()) == 1


def test_all_that_is_wrong_is_said_at_once(official: dict[str, Tensor]) -> None:
    drop(CONV)(official)
    put('fc.bias', torch.zeros(1))(official)
    replace(NORM, lambda w: w[:1])(official)
    replace(BIAS, set_first(float('nan')))(official)
    with pytest.raises(CheckpointError) as caught:
        convert_state_dict(official, OURS)
    assert str(caught.value) == (
        f'1 key missing: {CONV}; 1 key unknown: fc.bias; '
        f'1 key of another shape: {NORM} is (1,) instead of (4,); 1 key not finite: {BIAS}'
    )


def test_a_model_with_other_classes_is_refused(official: dict[str, Tensor]) -> None:
    two_classes = {**OURS, 'roi_head.bbox_head.fc_reg.bias': (8,)}
    with pytest.raises(CheckpointError, match=r'fc_reg\.bias: the model expects 8 rows, 4 official ones'):
        convert_state_dict(official, two_classes)


@pytest.mark.parametrize('weights', [{}, {'a': torch.zeros(1)}])
def test_another_file_lists_every_key(weights: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError) as caught:
        convert_state_dict(weights, OURS)
    assert all(name in str(caught.value) for name in OFFICIAL if 'num_batches' not in name)


def test_the_map_covers_the_whole_model() -> None:
    """Each of the 374 official keys is the source of exactly one of ours, with the shape that it has."""
    network = build_network(load_config('globaltrack_r50_official')[1])
    expected = {key: tuple(weight.shape) for key, weight in network.state_dict().items()}
    shapes = official_shapes()
    assert sorted(map(KEY_MAP.source_of, expected)) == sorted(shapes)
    for key, shape in expected.items():
        official = shapes[KEY_MAP.source_of(key)]
        assert shape == ((4, *official[1:]) if 'fc_reg' in key else official), key


def test_the_official_layout_is_the_recorded_one() -> None:
    folder = oracle_folder() / 'globaltrack'
    if not folder.is_dir():
        pytest.skip(f'nothing recorded: {folder} does not exist')
    recorded = json.loads((folder / 'weights_checksum.json').read_text())
    assert {name: tuple(entry[0]) for name, entry in recorded.items()} == official_shapes()
    assert json.loads((folder / 'rule.json').read_text()) == RULE

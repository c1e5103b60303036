"""STARK's key maps, what a file is recognised as, and its reader; files go through tests/cli."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mmgtrack.apis.models import build_network, check_made_for, load_config
from mmgtrack.convert.inert import Inert, load_inert
from mmgtrack.convert.key_map import KeyMap
from mmgtrack.convert.official import OfficialCheckpoint
from mmgtrack.convert.stark import LIGHTNING, MMTRACKING, OFFICIAL, read_stark_file, stark_layout
from mmgtrack.errors import CheckpointError
from tests.convert.official import Shapes
from tests.convert.stark_official import mmtracking_weights, stark_shapes, stark_weights, write_stark

CONFIGS = Path(__file__).parents[2] / 'configs'
KINDS = {
    'S50': ('stark_s50', OFFICIAL),
    'ST50': ('stark_st50_stage2', OFFICIAL),
    'ST101': ('stark_st101_stage2', OFFICIAL),
    'Lightning': ('stark_lightning', LIGHTNING),
}

# ours, the authors', mmtracking's: one of every kind, with few channels
ROWS: list[tuple[str, str, str, tuple[int, ...]]] = [
    ('backbone.conv1.weight', 'backbone.0.body.conv1.weight', 'backbone.conv1.weight', (4, 3, 7, 7)),
    (
        'backbone.layer3.5.bn2.running_var',
        'backbone.0.body.layer3.5.bn2.running_var',
        'backbone.layer3.5.bn2.running_var',
        (4,),
    ),
    ('neck.convs.0.conv.bias', 'bottleneck.bias', 'neck.convs.0.conv.bias', (4,)),
    ('transformer.query_embedding.weight', 'query_embed.weight', 'head.query_embedding.weight', (1, 4)),
    *(
        (f'transformer.{ours}', f'transformer.{official}', f'head.transformer.{mmtracking}', shape)
        for ours, official, mmtracking, shape in [
            (
                'encoder.layers.0.self_attn.attn.in_proj_weight',
                'encoder.layers.0.self_attn.in_proj_weight',
                'encoder.layers.0.attentions.0.attn.in_proj_weight',
                (12, 4),
            ),
            (
                'decoder.layers.5.self_attn.attn.out_proj.bias',
                'decoder.layers.5.self_attn.out_proj.bias',
                'decoder.layers.5.attentions.0.attn.out_proj.bias',
                (4,),
            ),
            (
                'decoder.layers.5.cross_attn.attn.out_proj.bias',
                'decoder.layers.5.multihead_attn.out_proj.bias',
                'decoder.layers.5.attentions.1.attn.out_proj.bias',
                (4,),
            ),
            (
                'encoder.layers.3.ffn.layers.0.0.weight',
                'encoder.layers.3.linear1.weight',
                'encoder.layers.3.ffns.0.layers.0.0.weight',
                (8, 4),
            ),
            (
                'encoder.layers.3.ffn.layers.1.weight',
                'encoder.layers.3.linear2.weight',
                'encoder.layers.3.ffns.0.layers.1.weight',
                (4, 8),
            ),
            (
                'encoder.layers.3.norms.1.weight',
                'encoder.layers.3.norm2.weight',
                'encoder.layers.3.norms.1.weight',
                (4,),
            ),
            (
                'decoder.layers.0.norms.2.weight',
                'decoder.layers.0.norm3.weight',
                'decoder.layers.0.norms.2.weight',
                (4,),
            ),
            ('decoder.post_norm.bias', 'decoder.norm.bias', 'decoder.post_norm.bias', (4,)),
        ]
    ),
    *(
        (
            f'box_head.{ours}.{part}',
            f'box_head.{official.format(corner)}.{part}',
            f'head.bbox_head.{corner}_corner_pred.{ours.partition(".")[2]}.{part}',
            shape,
        )
        for side, corner in (('top_left', 'tl'), ('bottom_right', 'br'))
        for ours, official, part, shape in [
            (f'{side}.0.conv', 'conv1_{}.0', 'bias', (4,)),
            (f'{side}.3.bn', 'conv4_{}.1', 'running_mean', (2,)),
            (f'{side}.3.bn', 'conv4_{}.1', 'num_batches_tracked', ()),
            (f'{side}.4', 'conv5_{}', 'weight', (1, 2, 1, 1)),
        ]
    ),
    ('score_head.layers.2.bias', 'cls_head.layers.2.bias', 'head.cls_head.layers.2.bias', (1,)),
]
LIGHTNING_ROWS = [
    ('backbone.stem.branch_3x3.conv.weight', 'backbone.body.stage0.rbr_dense.conv.weight'),
    ('backbone.stage_2.3.branch_1x1.norm.bias', 'backbone.body.stage2.3.rbr_1x1.bn.bias'),
    ('backbone.stage_3.1.branch_norm.running_var', 'backbone.body.stage3.1.rbr_identity.running_var'),
    ('neck.convs.0.conv.weight', 'bottleneck.weight'),
    ('transformer.self_attn.attn.in_proj_bias', 'transformer.encoder.self_attn.in_proj_bias'),
    ('transformer.ffn.layers.0.0.bias', 'transformer.encoder.linear1.bias'),
    ('transformer.ffn.layers.1.bias', 'transformer.encoder.linear2.bias'),
    ('transformer.norms.0.bias', 'transformer.encoder.norm1.bias'),
    ('transformer.norms.1.bias', 'transformer.encoder.norm2.bias'),
    ('box_head.tower.0.branch_3x3.norm.weight', 'box_head.conv_tower.0.rbr_dense.bn.weight'),
    ('box_head.tower.1.branch_norm.weight', 'box_head.conv_tower.1.rbr_identity.weight'),
    ('box_head.tower.2.weight', 'box_head.conv_tower.2.weight'),
    ('template_positions.row_embed.weight', 'pos_emb_z0.row_embed.weight'),
    ('search_positions.col_embed.weight', 'pos_emb_x.col_embed.weight'),
]

OURS: Shapes = {row[0]: row[3] for row in ROWS}
FORMATS = pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])


def small(key_map: KeyMap) -> dict[str, Tensor]:
    """The rows above under the names of the authors or of mmtracking."""
    column = 2 if key_map is MMTRACKING else 1
    return stark_weights({row[column]: row[3] for row in ROWS})


@pytest.mark.parametrize('key_map', [OFFICIAL, MMTRACKING], ids=['authors', 'mmtracking'])
def test_every_weight_comes_to_its_place(key_map: KeyMap) -> None:
    weights = small(key_map)
    ours = key_map.convert(weights, OURS)
    assert list(ours) == list(OURS)
    for (key, weight), (name, official) in zip(ours.items(), weights.items(), strict=True):
        assert torch.equal(weight, official), f'{key} from {name}'
        assert weight.dtype == (torch.long if 'num_batches' in key else torch.float32), key


@pytest.mark.parametrize('ours, official', LIGHTNING_ROWS)
def test_names_of_lightning(ours: str, official: str) -> None:
    assert LIGHTNING.source_of(ours) == official


@pytest.mark.parametrize('kind', KINDS)
def test_the_map_covers_the_whole_model(kind: str) -> None:
    """Each official key is the source of exactly one of ours, with the shape that it has."""
    name, key_map = KINDS[kind]
    network = build_network(load_config(name)[1])
    sources = [(key_map.source_of(key), tuple(w.shape)) for key, w in network.state_dict().items()]
    assert sorted(sources) == sorted(stark_shapes(kind).items())


@pytest.mark.parametrize(
    'made_for, config',
    [
        ('stark_s50', 'stark_s50_got10k'),
        ('stark_st50_stage2', 'stark_st50_got10k_stage2'),
        ('stark_st101_stage2', 'stark_st101_got10k_stage2'),
        ('stark_st50_stage1', 'stark_st50_stage2'),
    ],
)
def test_configs_of_another_training_take_the_same_file(made_for: str, config: str) -> None:
    name, settings = load_config(CONFIGS / f'{config}.py')
    build_network(settings)
    check_made_for(made_for, name, settings, 'ours.pth')


def checkpoint(names: list[str], epoch: int | None = None) -> OfficialCheckpoint:
    """Something that has these keys."""
    progress = {} if epoch is None else {'epoch': epoch}
    return OfficialCheckpoint({name: torch.ones(1) for name in names}, progress, {})


@pytest.mark.parametrize(
    'kind, epoch, expected',
    [
        ('S50', 500, 'stark_s50'),
        ('ST50', 50, 'stark_st50_stage2'),
        ('ST50', None, 'stark_st50_stage2'),
        ('ST50', 51, 'stark_st50_stage1'),
        ('ST50', 500, 'stark_st50_stage1'),
        ('ST101', 50, 'stark_st101_stage2'),
        ('ST101', 500, 'stark_st101_stage1'),
        ('Lightning', 500, 'stark_lightning'),
    ],
)
def test_the_authors_models_are_recognised(kind: str, epoch: int | None, expected: str) -> None:
    names = list(stark_shapes(kind))
    key_map = LIGHTNING if kind == 'Lightning' else OFFICIAL
    for listed in (names, [f'module.{name}' for name in names]):
        layout = stark_layout(checkpoint(listed, epoch))
        assert (layout.config_name, layout.key_map) == (expected, key_map)


@pytest.mark.parametrize('kind, expected', [('ST50', 'stark_st50_stage2'), ('ST101', 'stark_st101_stage2')])
def test_those_of_mmtracking_are_recognised(kind: str, expected: str) -> None:
    names = list(mmtracking_weights({name: torch.ones(1) for name in stark_shapes(kind)}))
    layout = stark_layout(checkpoint(names, 500))
    assert (layout.config_name, layout.key_map) == (expected, MMTRACKING)


def test_files_that_no_model_here_is_for() -> None:
    deployed = checkpoint(['backbone.body.stage0.rbr_reparam.weight', 'pos_emb_x.row_embed.weight'])
    with pytest.raises(
        CheckpointError, match=r'fused already \(rbr_reparam\): expected the file that training'
    ):
        stark_layout(deployed)
    stage_1 = checkpoint(['backbone.conv1.weight', 'head.query_embedding.weight'])
    with pytest.raises(
        CheckpointError, match='stage 1, without a score head: expected the file of its stage 2'
    ):
        stark_layout(stage_1)
    other = checkpoint(['backbone.conv1.weight', 'rpn_head.rpn_conv.weight', 'bbox_head.fc_cls.weight'])
    with pytest.raises(
        CheckpointError, match=r'this is no STARK: none of its 3 keys .* with backbone\.conv1'
    ):
        stark_layout(other)


@FORMATS
def test_the_authors_file_is_read(zipped: bool, tmp_path: Path) -> None:
    path, weights = tmp_path / 'STARKST_ep0050.pth.tar', small(OFFICIAL)
    write_stark(path, weights, epoch=50, zipped=zipped)
    assert path.read_bytes().startswith(b'PK') == zipped
    official = read_stark_file(path)
    assert list(official.weights) == list(weights)
    assert all(torch.equal(official.weights[name], weights[name]) for name in weights)
    assert official.progress == {'epoch': 50}
    rest = ['actor_type', 'net_type', 'net_info', 'constructor', 'optimizer', 'stats', 'settings']
    assert official.left_out == dict.fromkeys(rest, 'training state')
    content = load_inert(path)
    assert type(content['settings']) is type(content['stats']['train']['Loss/total']) is Inert


@pytest.mark.parametrize('epoch', [None, 'fifty', True])
def test_an_epoch_that_is_none(epoch: Any, tmp_path: Path) -> None:
    write_stark(tmp_path / 'odd.pth', small(OFFICIAL), epoch=epoch, zipped=True)
    assert read_stark_file(tmp_path / 'odd.pth').progress == {}


def test_mmtrackings_file_and_bare_weights_are_read(tmp_path: Path) -> None:
    weights = small(MMTRACKING)
    meta = {'epoch': 50, 'iter': 90, 'mmengine_version': '0.3.0'}
    torch.save({'state_dict': weights, 'meta': meta, 'optimizer': {}}, tmp_path / 'mm.pth')
    official = read_stark_file(tmp_path / 'mm.pth')
    assert (list(official.weights), official.progress) == (list(weights), {'epoch': 50, 'iter': 90})
    assert official.left_out == {'optimizer': 'training state'}
    torch.save(weights, tmp_path / 'bare.pth')
    assert list(read_stark_file(tmp_path / 'bare.pth').weights) == list(weights)


@pytest.mark.parametrize(
    'content, message',
    [
        ({'net': None}, 'holds something else than named tensors under `net`'),
        ({'net': {'a': 1}}, 'holds something else than named tensors under `net`'),
        ({'net': {1: torch.ones(1)}}, 'holds something else than named tensors under `net`'),
        ({'epoch': 1}, 'holds no state_dict'),
        ({'state_dict': {}, 'meta': {'config_name': 'stark_s50'}}, 'needs no conversion'),
    ],
)
def test_other_content_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match=message):
        read_stark_file(tmp_path / 'other.pth')


def test_counters_that_nobody_reads_are_left_out() -> None:
    weights = small(MMTRACKING)
    weights['backbone.layer3.5.bn2.num_batches_tracked'] = torch.tensor(5)
    kept = 'head.bbox_head.tl_corner_pred.3.bn.num_batches_tracked'
    assert MMTRACKING.convert(weights, OURS)['box_head.top_left.3.bn.num_batches_tracked'] == 7
    assert MMTRACKING.left_out(weights) == {
        'backbone.layer3.5.bn2.num_batches_tracked': 'counter of a frozen norm'
    }
    del weights[kept]
    ours = MMTRACKING.convert(weights, OURS)
    assert ours.keys() == OURS.keys() - {'box_head.top_left.3.bn.num_batches_tracked'}


@pytest.mark.parametrize('key_map', [OFFICIAL, MMTRACKING], ids=['authors', 'mmtracking'])
def test_what_does_not_fit_is_listed_by_the_names_of_the_file(key_map: KeyMap) -> None:
    weights = small(key_map)
    names = [name for name in weights if not name.endswith('num_batches_tracked')]
    gone, cut = names[4], names[-1]
    del weights[gone]
    weights[cut] = torch.ones(2)
    weights['fc.bias'] = torch.ones(1)
    with pytest.raises(CheckpointError) as caught:
        key_map.convert(weights, OURS)
    assert str(caught.value) == (
        f'1 key missing: {gone}; 1 key unknown: fc.bias; '
        f'1 key of another shape: {cut} is (2,) instead of (1,)'
    )


def test_the_counter_of_a_frozen_norm_is_unknown_in_the_authors_files() -> None:
    name = 'backbone.0.body.bn1.num_batches_tracked'
    with pytest.raises(CheckpointError, match=re.escape(f'1 key unknown: {name}')):
        OFFICIAL.convert(small(OFFICIAL) | {name: torch.tensor(0)}, OURS)

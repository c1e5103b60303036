"""Checkpoints of the STARK authors' code, and of mmtracking's STARK."""

import os
import re

from torch import Tensor

from mmgtrack.convert.inert import load_inert
from mmgtrack.convert.key_map import KeyMap, without_module
from mmgtrack.convert.official import Converter, Layout, OfficialCheckpoint, read_openmmlab_file
from mmgtrack.errors import CheckpointError

_SCORE_EPOCHS = 50  # of stage 2, which trains the score head alone (official yaml)

# what only STARK has: the authors' names, and mmtracking's head
_PARTS = ('bottleneck.', 'transformer.', 'query_embed.', 'box_head.', 'cls_head.', 'head.')

_LAYERS = r'(transformer\.(?:en|de)coder\.layers\.\d+)'

OFFICIAL = KeyMap(
    names=(
        (r'backbone', 'backbone.0.body'),
        (r'neck\.convs\.0\.conv', 'bottleneck'),
        (rf'{_LAYERS}\.self_attn\.attn', r'\1.self_attn'),
        (rf'{_LAYERS}\.cross_attn\.attn', r'\1.multihead_attn'),
        (rf'{_LAYERS}\.ffn\.layers\.0\.0', r'\1.linear1'),
        (rf'{_LAYERS}\.ffn\.layers\.1', r'\1.linear2'),
        *((rf'{_LAYERS}\.norms\.{norm}', rf'\1.norm{norm + 1}') for norm in range(3)),
        (r'transformer\.decoder\.post_norm', 'transformer.decoder.norm'),
        (r'transformer\.query_embedding', 'query_embed'),
        *(
            (rf'box_head\.{ours}\.{block}\.{part}', f'box_head.conv{block + 1}_{theirs}.{index}')
            for ours, theirs in (('top_left', 'tl'), ('bottom_right', 'br'))
            for block in range(4)
            for index, part in enumerate(('conv', 'bn'))
        ),
        (r'box_head\.top_left\.4', 'box_head.conv5_tl'),
        (r'box_head\.bottom_right\.4', 'box_head.conv5_br'),
        (r'score_head', 'cls_head'),
    ),
)

# trunk and head of STARK-Lightning are made of blocks of branches (RepVGG)
_BLOCKS = (
    (r'backbone\.stem', 'backbone.body.stage0'),
    (r'backbone\.stage_(\d+)\.(\d+)', r'backbone.body.stage\1.\2'),
    (r'box_head\.tower\.(\d+)', r'box_head.conv_tower.\1'),
)
_BRANCHES = (
    (r'branch_3x3\.norm', 'rbr_dense.bn'),
    (r'branch_3x3', 'rbr_dense'),
    (r'branch_1x1\.norm', 'rbr_1x1.bn'),
    (r'branch_1x1', 'rbr_1x1'),
    (r'branch_norm', 'rbr_identity'),
)

LIGHTNING = KeyMap(
    names=(
        *(
            (rf'{block}\.{branch}', rf'{its_name}.{name}')
            for block, its_name in _BLOCKS
            for branch, name in _BRANCHES
        ),
        (r'box_head\.tower', 'box_head.conv_tower'),
        (r'neck\.convs\.0\.conv', 'bottleneck'),
        (r'transformer\.self_attn\.attn', 'transformer.encoder.self_attn'),
        (r'transformer\.ffn\.layers\.0\.0', 'transformer.encoder.linear1'),
        (r'transformer\.ffn\.layers\.1', 'transformer.encoder.linear2'),
        *((rf'transformer\.norms\.{norm}', f'transformer.encoder.norm{norm + 1}') for norm in range(2)),
        (r'template_positions', 'pos_emb_z0'),
        (r'search_positions', 'pos_emb_x'),
    ),
)

MMTRACKING = KeyMap(
    names=(
        (rf'{_LAYERS}\.self_attn\.attn', r'head.\1.attentions.0.attn'),
        (rf'{_LAYERS}\.cross_attn\.attn', r'head.\1.attentions.1.attn'),
        (rf'{_LAYERS}\.ffn', r'head.\1.ffns.0'),
        (r'transformer\.query_embedding', 'head.query_embedding'),
        (r'transformer', 'head.transformer'),
        (r'box_head\.top_left', 'head.bbox_head.tl_corner_pred'),
        (r'box_head\.bottom_right', 'head.bbox_head.br_corner_pred'),
        (r'score_head', 'head.cls_head'),
    ),
    dead=((r'backbone\..*\.num_batches_tracked', 'counter of a frozen norm'),),
)


def read_stark_file(path: str | os.PathLike[str]) -> OfficialCheckpoint:
    """A file of the authors' trainer (a dict with ``net``), one of mmtracking, or the weights alone.

    Only the weights and the epoch are taken; objects of the authors' classes become inert. Raises
    CheckpointError for a missing, damaged, unsafe or foreign file, and for one that needs no conversion.
    """
    content = load_inert(path)
    if not isinstance(content, dict) or 'net' not in content:
        return read_openmmlab_file(path)
    weights, epoch = content['net'], content.get('epoch')
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(weight, Tensor) for name, weight in weights.items()
    ):
        raise CheckpointError(f'{path} holds something else than named tensors under `net`')
    return OfficialCheckpoint(
        weights=dict(weights),
        progress={'epoch': epoch} if type(epoch) is int else {},
        left_out={str(part): 'training state' for part in content if part not in ('net', 'epoch')},
    )


def stark_layout(official: OfficialCheckpoint) -> Layout:
    """Which of our models a file is for, by what it holds.

    A score head makes it an ST, the number of blocks in the trunk's last stage an ST101. Both stages hold
    the same keys: the file is of stage 1 if it was trained for more than the 50 epochs that stage 2 takes,
    and counts as stage 2 if it does not say. Models trained on GOT-10k alone are no different inside; they
    go by the names of the others. Raises CheckpointError for kernels that were fused for use, and for
    mmtracking's stage 1, which has no score head.
    """
    names = without_module(official.weights)
    if any('.rbr_reparam.' in name for name in names):
        raise CheckpointError(
            'the branches of this STARK-Lightning are fused already (rbr_reparam): expected the file that '
            'training wrote, with rbr_dense, rbr_1x1 and rbr_identity'
        )
    if any('.rbr_dense.' in name for name in names):
        return Layout('stark_lightning', LIGHTNING)
    if not any(name.startswith(_PARTS) for name in names):
        raise CheckpointError(
            f'this is no STARK: none of its {len(names)} keys belongs to {", ".join(_PARTS)[:-1]}; they '
            f'begin with {", ".join(list(names)[:3])}'
        )
    key_map = MMTRACKING if any(name.startswith('head.') for name in names) else OFFICIAL
    scored = any(re.match(r'(head\.)?cls_head\.', name) for name in names)
    if key_map is OFFICIAL and not scored:
        return Layout('stark_s50', key_map)
    if not scored:
        raise CheckpointError(
            'mmtracking trained this STARK in stage 1, without a score head: expected the file of its stage 2'
        )
    depth = 101 if any('.layer3.22.' in name for name in names) else 50
    stage = 1 if key_map is OFFICIAL and official.progress.get('epoch', 0) > _SCORE_EPOCHS else 2
    return Layout(f'stark_st{depth}_stage{stage}', key_map)


CONVERTER = Converter(read=read_stark_file, layout=stark_layout)

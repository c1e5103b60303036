"""STARK's fast path: the same numbers as layers in training have, step by step and as a whole."""

import copy

import numpy as np
import pytest
import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from mmdet.models.layers import FrozenBatchNorm2d
from torch import nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.models.fast_path import compile_parts, fold, lower_precision, speed_up
from mmgtrack.models.stark.fast_attention import FewQueryAttention, LoneQueryAttention, SelfAttention
from tests.trackers import small_stark

CLIP = synthetic_clip(num_frames=6, size=(120, 160), num_targets=3, seed=1)
FRAMES, BOXES = list(CLIP.frames), CLIP.boxes[0].astype(np.float64)
LIGHTNING = {
    'model.backbone.stem_channels': 8,
    'model.backbone.stage_channels': (8, 12, 16),
    'model.backbone.stage_blocks': (1, 1, 1),
    'model.neck.in_channels': [16],
    'model.neck.out_channels': 16,
    'model.template_positions.num_feats': 8,
    'model.template_positions.row_num_embed': 3,
    'model.template_positions.col_num_embed': 3,
    'model.search_positions.num_feats': 8,
    'model.search_positions.row_num_embed': 7,
    'model.search_positions.col_num_embed': 7,
    'model.transformer.embed_dims': 16,
    'model.transformer.num_heads': 2,
    'model.transformer.feedforward_channels': 32,
    'model.box_head.channels': 16,
    'model.template.size': 48,
    'model.search.size': 112,
}


def brick() -> MultiheadAttention:
    torch.manual_seed(0)
    made = MultiheadAttention(32, 4, batch_first=True).double().eval()
    nn.init.normal_(made.attn.in_proj_bias)
    nn.init.normal_(made.attn.out_proj.bias)
    return made


def tokens(length: int, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, length, 32, dtype=torch.float64)


def padding(length: int) -> torch.Tensor:
    mask = torch.zeros(3, length, dtype=torch.bool)
    mask[1, 5:9] = True
    mask[2, 1:] = True  # all but one
    return mask


def test_self_attention_equals_its_brick() -> None:
    plain, x, places, mask = brick(), tokens(17), tokens(17), padding(17)
    given = dict(key=x, value=x, query_pos=places, key_pos=places, key_padding_mask=mask)
    torch.testing.assert_close(SelfAttention(plain)(x, **given), plain(x, **given), rtol=0, atol=1e-12)


def test_attention_of_a_lone_query_equals_its_brick() -> None:
    plain, x, places = brick(), tokens(1), tokens(1)
    given = dict(key=x, value=x, query_pos=places, key_pos=places)
    torch.testing.assert_close(LoneQueryAttention(plain)(x, **given), plain(x, **given), rtol=0, atol=1e-12)


@pytest.mark.parametrize('count', [1, 10])
def test_few_query_attention_equals_its_brick(count: int) -> None:
    plain, x, places = brick(), tokens(count), tokens(count)
    key, key_pos, mask = tokens(23), tokens(23), padding(23)
    given = dict(key=key, value=key, query_pos=places, key_pos=key_pos, key_padding_mask=mask)
    torch.testing.assert_close(FewQueryAttention(plain)(x, **given), plain(x, **given), rtol=0, atol=1e-12)


@pytest.mark.parametrize('config', ['stark_st50_stage2', 'stark_s50'])
def test_the_fast_path_equals_the_plain_one(config: str) -> None:
    check_fast(small_stark(config).double())


def test_the_fast_path_of_lightning_equals_the_plain_one() -> None:
    tracker = small_stark('stark_lightning', only=LIGHTNING)
    for norm in (m for m in tracker.modules() if isinstance(m, FrozenBatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    check_fast(tracker.double())


def check_fast(plain: nn.Module) -> None:
    fast = copy.deepcopy(plain)
    fold(fast)
    kinds = (nn.modules.batchnorm._BatchNorm, FrozenBatchNorm2d)
    assert not [name for name, module in fast.named_modules() if isinstance(module, kinds)]
    one, _ = plain.track(FRAMES[1:], plain.encode(FRAMES[0], BOXES))
    two, _ = fast.track(FRAMES[1:], fast.encode(FRAMES[0], BOXES))
    torch.testing.assert_close(one.boxes, two.boxes, rtol=0, atol=1e-8)
    torch.testing.assert_close(one.scores, two.scores, rtol=0, atol=1e-9)
    with pytest.raises(InputError, match='cannot be trained'):
        fast.train()


def test_frozen_norms_keep_their_numbers() -> None:
    """They become ordinary ones, which mmcv folds into the convolution before them."""
    torch.manual_seed(0)
    tracker = small_stark().double()
    for norm in (m for m in tracker.modules() if isinstance(m, FrozenBatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.normal_()
        norm.bias.normal_()
    images = torch.randn(2, 3, 112, 112, dtype=torch.float64)
    with torch.no_grad():
        before = tracker.backbone(images)[0]
        fold(tracker)
        torch.testing.assert_close(tracker.backbone(images)[0], before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('config', ['stark_st50_stage2', 'stark_s50'])
def test_bfloat16_is_near(config: str) -> None:
    """Boxes of the first frame, for a model without a score head too."""
    plain, low = small_stark(config), small_stark(config)
    speed_up(low)
    lower_precision(low, 'bfloat16')
    one, _ = plain.track(FRAMES[1:2], plain.encode(FRAMES[0], BOXES))
    two, after = low.track(FRAMES[1:2], low.encode(FRAMES[0], BOXES))
    assert two.boxes.dtype == two.scores.dtype == torch.float32
    assert after.boxes.dtype == torch.float64
    sides = BOXES[:, 2:] - BOXES[:, :2]
    torch.testing.assert_close(one.boxes, two.boxes, rtol=0, atol=float(0.2 * sides.max()))
    torch.testing.assert_close(one.scores, two.scores, rtol=0, atol=0.05)


def test_parts_that_are_missing_are_passed_over() -> None:
    tracker = small_stark('stark_s50')
    compile_parts(tracker)
    assert tracker.score_head is None
    assert tracker.backbone._compiled_call_impl is not None

"""STARK's parameters are the official ones to the unit, its operations those counted by hand."""

from pathlib import Path

import pytest
import torch

from mmgtrack.apis.flops import Exposure, Size, count_as_stark_authors
from mmgtrack.apis.models import build_network, load_config
from mmgtrack.errors import InputError
from mmgtrack.models.base import BaseTracker
from mmgtrack.models.stark import Stark
from tests.trackers import CONFIGS, fast_stark, small_stark

TRUNK_50, TRUNK_101, NECK = (8_512_704, 61_184), (27_452_608, 165_632), (262_400, 0)
TRANSFORMER = (17_363_456 + 256, 0)  # with the query
CORNERS, SCORE = (1_956_738, 1_928), (131_841, 0)

# counted on the authors' modules: all parameters, those that learn, keys of the state dict
SIZES = {
    'stark_s50': (28_095_554, 27_873_154, 460),
    'stark_s50_got10k': (28_095_554, 27_873_154, 460),
    'stark_st50_stage1': (28_227_395, 28_004_995, 466),
    'stark_st50_stage2': (28_227_395, 131_841, 466),
    'stark_st50_got10k_stage1': (28_227_395, 28_004_995, 466),
    'stark_st50_got10k_stage2': (28_227_395, 131_841, 466),
    'stark_st101_stage1': (47_167_299, 46_944_899, 721),
    'stark_st101_stage2': (47_167_299, 131_841, 721),
    'stark_st101_got10k_stage1': (47_167_299, 46_944_899, 721),
    'stark_st101_got10k_stage2': (47_167_299, 131_841, 721),
    # without the stem, whose 48 * 3 * (9 + 1) weights the authors do not train
    'stark_lightning': (2_349_986, 2_349_986 - 1_440, 192),
}
# parameters and buffers of each part, of the same
PARTS = {
    'stark_s50': dict(backbone=TRUNK_50, neck=NECK, transformer=TRANSFORMER, box_head=CORNERS),
    'stark_st50_stage1': dict(
        backbone=TRUNK_50, neck=NECK, transformer=TRANSFORMER, box_head=CORNERS, score_head=SCORE
    ),
    'stark_st101_stage1': dict(
        backbone=TRUNK_101, neck=NECK, transformer=TRANSFORMER, box_head=CORNERS, score_head=SCORE
    ),
}
# by the authors' script, 10^9: search region through the trunk, transformer and heads (published: the sums,
# 12.1, 12.8 and 20.4)
AUTHORS = {
    'stark_s50': (6.794, 5.291),
    'stark_st50_stage2': (6.794, 6.016),
    'stark_st101_stage2': (14.370, 6.016),
}


def built(name: str) -> BaseTracker:
    return build_network(load_config(CONFIGS / f'{name}.py')[1]).eval()


@pytest.mark.parametrize('name', SIZES)
def test_sizes(name: str) -> None:
    model = built(name)
    size = Size.of(model)
    assert (size.parameters, size.trainable, len(model.state_dict())) == SIZES[name]
    for part, (parameters, buffers) in PARTS.get(name, {}).items():
        found = Size.of(model.get_submodule(part))
        assert (found.parameters, found.buffers) == (parameters, buffers), part


def test_every_config_is_measured() -> None:
    assert {path.stem for path in Path(CONFIGS).glob('stark_*.py') if 'mobilenet' not in path.stem} == set(
        SIZES
    )


def test_lightning_with_one_convolution_a_block() -> None:
    model = built('stark_lightning')
    model.backbone.switch_to_deploy()
    model.box_head.switch_to_deploy()
    assert (Size.of(model).parameters, len(model.state_dict())) == (2_151_202, 46)


def test_the_query_alone() -> None:
    assert Size.of(built('stark_s50').transformer.query_embedding) == Size(256, 256, 0)


@pytest.mark.parametrize('name', AUTHORS)
def test_the_authors_counts(name: str) -> None:
    model = built(name)
    assert isinstance(model, Stark)
    counts = count_as_stark_authors(model)
    trunk = counts['backbone'] + counts['neck']
    # a tenth of 1 %, the last digit given
    assert trunk / 1e9 == pytest.approx(AUTHORS[name][0], abs=6e-4)
    assert (sum(counts.values()) - trunk) / 1e9 == pytest.approx(AUTHORS[name][1], abs=6e-4)


def test_the_authors_count_leaves_no_hook_and_wants_norms() -> None:
    model = small_stark()
    count_as_stark_authors(model)
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(InputError, match='fast path'):
        count_as_stark_authors(fast_stark())
    with pytest.raises(InputError, match='fast path'):
        Size.of(fast_stark())


# ---- the small model by hand, in multiply-adds ------------------------------------------------------------
# windows of 112 pixels make 7x7 cells, two templates of 48 pixels 3x3 each; 16 channels, 32 hidden units
CELLS, TOKENS, DIMS, HIDDEN, LAYERS = 49, 49 + 2 * 9, 16, 32, 2


def trunk(side: int) -> int:
    """ResNet-18 of 8, 16 and 32 channels: sides of the maps are 1/2, 1/4, 1/4, 1/8 and 1/16."""
    stem = (side // 2) ** 2 * 49 * 3 * 8
    first = (side // 4) ** 2 * 4 * 9 * 8 * 8
    rest = sum(
        (side // s) ** 2 * (9 * c // 2 * c + 3 * 9 * c * c + c // 2 * c) for s, c in ((8, 16), (16, 32))
    )
    return stem + first + rest


def attention(queries: int, keys: int) -> int:
    """Projections of queries, keys and values, two products, projection of the result."""
    return (2 * queries + 2 * keys) * DIMS**2 + 2 * queries * keys * DIMS


BY_HAND = {
    'backbone': trunk(112),
    'neck': CELLS * 32 * DIMS,
    'encoder': LAYERS * (attention(TOKENS, TOKENS) + 2 * TOKENS * DIMS * HIDDEN),
    'decoder': LAYERS * (attention(1, 1) + attention(1, TOKENS) + 2 * DIMS * HIDDEN),
    'box head': 2 * CELLS * (9 * (16 * 16 + 16 * 8 + 8 * 4 + 4 * 2) + 2),
    'score head': 2 * DIMS * DIMS + DIMS,
}


@pytest.mark.parametrize('targets', [1, 3])
@torch.no_grad()
def test_operations_of_a_frame(targets: int) -> None:
    stages = Exposure(small_stark(), targets).frame_operations()
    assert {name: number for name, number in stages.items() if number} == {
        name: 2 * targets * number for name, number in BY_HAND.items()
    }


def test_operations_of_a_template() -> None:
    # backbone and neck over 48 pixels; further templates are copies of the first
    by_hand = 2 * (trunk(48) + 9 * 32 * DIMS)
    assert Exposure(small_stark()).encode_operations() == by_hand
    assert Exposure(small_stark(), targets=2).encode_operations() == 2 * by_hand
    with pytest.raises(InputError, match='1 target or more'):
        Exposure(small_stark(), targets=0)


def test_the_authors_rule_by_hand() -> None:
    norms = LAYERS * (2 * TOKENS + 3) * DIMS + DIMS  # layer norms, one behind the decoder
    batch_norms = 2 * CELLS * (16 + 8 + 4 + 2)
    projections = LAYERS * (TOKENS + 1 + 1) * DIMS**2  # behind attention
    counts = count_as_stark_authors(small_stark())
    assert counts == {
        'backbone': BY_HAND['backbone'],
        'neck': BY_HAND['neck'],
        'transformer': BY_HAND['encoder'] + BY_HAND['decoder'] - projections + 4 * norms,
        'box_head': BY_HAND['box head'] + 4 * batch_norms,
        'score_head': BY_HAND['score head'],
    }

"""What the variants of STARK in Tables 7 and 8 compute: parts left out, K queries, updated queries."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.apis.models import build_network
from mmgtrack.datasets import synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.models.stark import (
    HungarianStark,
    Stark,
    StarkTransformer,
    TemplateQueryTransformer,
    UpdatedQueryStark,
)
from mmgtrack.models.stark.tokens import Tokens, TransformerOutput
from mmgtrack.structures import ClipSample, State
from tests.configs.test_stark_configs import small_options
from tests.trackers import CONFIGS, small_coder

EXACT = dict(rtol=0, atol=1e-9)
TO_SINGLE = dict(rtol=1e-6, atol=0)  # mmdet adds single precision's epsilon to numbers that it divides by


def small(name: str, **options: Any) -> Any:
    """The tracker of a config with thin layers and small windows, in double precision."""
    config = Config.fromfile(CONFIGS / 'ablations' / f'{name}.py')
    config.merge_from_dict({**small_options(f'ablations/{name}.py'), **options})
    torch.manual_seed(0)
    tracker = build_network(config)
    tracker.init_weights()
    for key, parameter in tracker.named_parameters():
        if 'score_head' in key and parameter.ndim > 1:
            torch.nn.init.normal_(parameter)
    return tracker.double().eval()


def random_tokens(length: int, seed: int, padded: tuple[int, ...] = ()) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, 2, length, 16, generator=generator, dtype=torch.double)
    padding = torch.zeros(2, length, dtype=torch.bool)
    padding[0, list(padded)] = True
    return Tokens(values[0], values[1], padding)


def changed_at(tokens: Tokens, cells: list[int]) -> Tokens:
    """The tokens with other features and positions at some cells of the first sample."""
    features, positions = tokens.features.clone(), tokens.positions.clone()
    features[0, cells] += 1
    positions[0, cells] -= 2
    return Tokens(features, positions, tokens.padding)


def transformer(kind: type[StarkTransformer] = StarkTransformer, **without: None) -> StarkTransformer:
    parts = dict(
        encoder=small_coder(2, 'self_attn_cfg'), decoder=small_coder(2, 'self_attn_cfg', 'cross_attn_cfg')
    )
    torch.manual_seed(1)
    return kind(**{**parts, **without}, embed_dims=16).double().eval()


# ---- Table 7 -----------------------------------------------------------------------------------------


def test_without_encoder_the_cells_are_the_backbones() -> None:
    network = transformer(encoder=None)
    templates, search = random_tokens(9, 1), random_tokens(25, 2)
    out = network(templates, search)
    assert out.search.equal(search.features)
    other = network(changed_at(templates, [4]), search)
    assert (out.targets != other.targets).any(2).tolist() == [[True], [False]]  # by the decoder alone


def test_without_decoder_the_heads_read_the_cells() -> None:
    tracker = small('stark_st50_no_decoder_stage2')
    cells = torch.randn(2, 49, 16, dtype=torch.double)
    output = TransformerOutput(cells, None)
    images = torch.zeros(2, 3, 112, 112)
    maps = cells.transpose(1, 2).unflatten(2, (7, 7))
    found = tracker._heads(output, images)
    torch.testing.assert_close(found.corners.maps[:, :1], tracker.box_head.top_left(maps), **EXACT)
    torch.testing.assert_close(found.logits, tracker.score_head(cells.mean(1)[:, None])[:, 0], **EXACT)


def test_a_transformer_needs_a_part() -> None:
    with pytest.raises(InputError, match='an encoder or a decoder, got neither'):
        transformer(encoder=None, decoder=None)


def test_without_positions_cells_have_no_order() -> None:
    """A permutation of the search cells permutes the memory and leaves the decoded query alone."""
    tracker = small('stark_st50_no_positions_stage2')
    clip = synthetic_clip(num_frames=1, size=(48, 64), num_targets=2, seed=3)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    assert not state.positions.any()
    templates, search = random_tokens(9, 1), random_tokens(25, 2)
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0))
    flat = [Tokens(t.features, torch.zeros_like(t.positions), t.padding) for t in (templates, search)]
    shuffled = Tokens(*(leaf[:, order] for leaf in (flat[1].features, flat[1].positions, flat[1].padding)))
    one, two = tracker.transformer(*flat), tracker.transformer(flat[0], shuffled)
    torch.testing.assert_close(one.search[:, order], two.search, **EXACT)
    torch.testing.assert_close(one.targets, two.targets, **EXACT)


def test_the_mlp_head_reads_the_query_alone() -> None:
    head = small('stark_st50_mlp_head_stage2').box_head
    targets = torch.randn(3, 16, dtype=torch.double)
    found = head(torch.randn(3, 16, 7, 7, dtype=torch.double), targets)
    hidden = targets
    for layer in head.layers[:-1]:
        hidden = layer(hidden).relu()
    x, y, width, height = head.layers[-1](hidden).sigmoid().unbind(1)
    wanted = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)
    torch.testing.assert_close(found.boxes, wanted, **EXACT)
    assert found.maps is None


def test_without_score_head_templates_are_replaced_unasked() -> None:
    tracker = small('stark_st50_no_score_head')
    clip = synthetic_clip(num_frames=5, size=(48, 64), num_targets=2, seed=3)
    states = [tracker.encode(clip.frames[0], clip.boxes[0])]
    for frame in clip.frames[1:]:
        states.append(tracker.track([frame], states[-1])[1])
    same = [one.templates[:, 1].equal(two.templates[:, 1]) for one, two in pairwise(states)]
    assert same == [True, False, True, False]  # every second frame, whatever the score
    assert all(state.templates[:, 0].equal(states[0].templates[:, 0]) for state in states)


# ---- Table 8, template query ---------------------------------------------------------------------------


def test_template_queries_see_the_search_region_and_not_the_other_way_round() -> None:
    network = transformer(TemplateQueryTransformer)
    templates, search = random_tokens(9, 1), random_tokens(25, 2)
    out = network(templates, search)
    assert out.targets.shape == (2, 1, 16) and out.search.shape == (2, 25, 16)
    other = network(changed_at(templates, [4]), search)
    assert other.search.equal(out.search)
    assert not torch.isclose(other.targets[0], out.targets[0]).all()
    assert other.targets[1].equal(out.targets[1])


def test_padded_template_cells_are_no_queries() -> None:
    network = transformer(TemplateQueryTransformer)
    templates, search = random_tokens(9, 1, padded=(0, 1, 2, 5)), random_tokens(25, 2, padded=(0, 1, 2, 3))
    out = network(templates, search)
    other = network(changed_at(templates, [0, 1, 2, 5]), changed_at(search, [0, 1, 2, 3]))
    torch.testing.assert_close(other.targets, out.targets, **EXACT)
    torch.testing.assert_close(other.search[:, 4:], out.search[:, 4:], **EXACT)
    rest = [3, 4, 6, 7, 8]
    cut = Tokens(*(leaf[:1, rest] for leaf in (templates.features, templates.positions, templates.padding)))
    first = Tokens(search.features[:1], search.positions[:1], search.padding[:1])
    torch.testing.assert_close(network(cut, first).targets, out.targets[:1], **EXACT)


# ---- Table 8, joint training ---------------------------------------------------------------------------


def batch(
    present: list[bool], roles: tuple[str, ...] = ('template', 'dynamic_template', 'search')
) -> tuple[dict[str, Tensor], list[ClipSample]]:
    """Random images; the target of sample n is at (10 + n, 20)..(60, 70), in both search regions."""
    generator = torch.Generator().manual_seed(0)
    sides = {role: 112 if 'search' in role else 48 for role in roles}
    inputs = {
        role: torch.randn(len(present), 3, side, side, generator=generator, dtype=torch.double)
        for role, side in sides.items()
    }
    samples = []
    for number, shown in enumerate(present):
        sample = ClipSample()
        boxes = torch.tensor([[10.0 + number, 20, 60, 70]])
        full = InstanceData(bboxes=boxes, ids=torch.zeros(1), labels=torch.zeros(1))
        sample.instances = {role: full if shown or role != 'search' else full[:0] for role in roles}
        sample.set_metainfo(dict(img_shape={role: (side, side) for role, side in sides.items()}))
        samples.append(sample)
    return inputs, samples


def test_joint_losses_are_those_of_both_stages() -> None:
    inputs, samples = batch([True, False, True])
    losses = small('stark_st50_joint').loss(inputs, samples)
    assert set(losses) == {'loss_giou', 'loss_l1', 'iou', 'loss_score', 'score_accuracy'}
    shown = small('stark_st50_joint', **{'model.train_cfg.stage': 'localisation'}).loss(inputs, samples)
    score = small('stark_st50_joint', **{'model.train_cfg.stage': 'score'}).loss(inputs, samples)
    for key, value in {**shown, **score}.items():
        torch.testing.assert_close(losses[key], value, **EXACT)


# ---- Table 8, Hungarian --------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def hungarian() -> HungarianStark:
    return small('stark_st50_hungarian')


TRUTH = [0.2, 0.2, 0.6, 0.6]


@pytest.mark.parametrize(
    'boxes, logits, matched',
    [
        ([TRUTH, [0.3, 0.3, 0.7, 0.7], [0, 0, 1, 1]], [0, 0, 0], 0),
        ([[0.3, 0.3, 0.7, 0.7], [0, 0, 1, 1], TRUTH], [0, 0, 0], 2),
        # a small gain in overlap costs less than what the score says
        ([[0.21, 0.2, 0.6, 0.6], TRUTH, [0, 0, 1, 1]], [4, -4, 0], 0),
        ([[0.5, 0.5, 0.9, 0.9], TRUTH, [0, 0, 1, 1]], [4, -4, 0], 1),
        # an inverted box has no area, however large its sides
        ([[0.6, 0.6, 0.2, 0.2], [0.3, 0.3, 0.7, 0.7], [0.95, 0.95, 0.05, 0.05]], [0, 0, 0], 1),
    ],
)
def test_the_cheapest_query_is_matched(
    hungarian: HungarianStark, boxes: list[list[float]], logits: list[float], matched: int
) -> None:
    given = [torch.tensor([part], dtype=torch.double) for part in (boxes, logits)]
    found = hungarian._match(*given, torch.tensor([TRUTH], dtype=torch.double))
    assert found.nonzero().tolist() == [[0, matched]]
    cost = _costs(*given)
    assert int(cost.argmin()) == matched


def _costs(boxes: Tensor, logits: Tensor) -> Tensor:
    """-p + 5 L1 - 2 GIoU, by hand."""
    truth = torch.tensor(TRUTH, dtype=torch.double)
    costs = []
    for box, logit in zip(boxes[0], logits[0], strict=True):
        box = torch.cat([box[:2], box[2:].maximum(box[:2])])
        inner = (box[2:].minimum(truth[2:]) - box[:2].maximum(truth[:2])).clamp(min=0).prod()
        union = (box[2:] - box[:2]).prod() + 0.16 - inner
        hull = (box[2:].maximum(truth[2:]) - box[:2].minimum(truth[:2])).prod()
        giou = inner / union - (hull - union) / hull
        costs.append(-logit.sigmoid() + 5 * (box - truth).abs().sum() - 2 * giou)
    return torch.stack(costs)


def test_losses_of_k_queries(hungarian: HungarianStark) -> None:
    inputs, samples = batch([True, False, True])
    losses = hungarian.loss(inputs, samples)
    output = hungarian.transformer(*hungarian._encode_roles(inputs, samples))
    assert output.targets.shape == (3, 10, 16)
    logits = hungarian.score_head(output.targets)
    boxes = torch.stack(
        [
            hungarian.box_head(output.search.transpose(1, 2).unflatten(2, (7, 7)), output.targets[:, k]).boxes
            for k in range(10)
        ],
        dim=1,
    )
    truth = torch.tensor([[10.0, 20, 60, 70], [12, 20, 60, 70]], dtype=torch.double) / 112
    matched = torch.zeros(3, 10, dtype=torch.bool)
    matched[[0, 2]] = hungarian._match(boxes[[0, 2]], logits[[0, 2]], truth)
    assert matched.sum(1).tolist() == [1, 0, 1]
    wanted = hungarian.losses.of_boxes(boxes[matched], truth, count=3)
    weights = torch.where(matched, 1.0, 0.1).double()
    terms = torch.nn.functional.binary_cross_entropy_with_logits(logits, matched.double(), reduction='none')
    wanted['loss_score'] = (terms * weights).sum() / (2 + 28 * 0.1)
    wanted['score_accuracy'] = ((logits.amax(1) > 0) == torch.tensor([True, False, True])).double().mean()
    assert set(losses) == set(wanted)
    for key, value in wanted.items():
        torch.testing.assert_close(losses[key], value, **TO_SINGLE)


@pytest.mark.parametrize('present', [[False, False], [True, False]])
def test_every_layer_gets_a_gradient(present: list[bool]) -> None:
    """Also from a batch without any target: processes of a distributed run wait for each other."""
    tracker = small('stark_st50_hungarian').train()
    total, _ = tracker.parse_losses(tracker.loss(*batch(present)))
    total.backward()
    learns = {key: value for key, value in tracker.named_parameters() if value.requires_grad}
    assert [key for key, value in learns.items() if value.grad is None] == []
    boxes = sum(float(v.grad.abs().sum()) for k, v in learns.items() if k.startswith('box_head'))
    assert (boxes > 0) == any(present)


def test_the_box_with_the_best_score_answers(hungarian: HungarianStark) -> None:
    inputs, samples = batch([True, True, True])
    output = hungarian.transformer(*hungarian._encode_roles(inputs, samples))
    logits = hungarian.score_head(output.targets)
    best = logits.argmax(1)
    found = hungarian._forward(inputs, samples)
    torch.testing.assert_close(found.logits, logits.amax(1), **EXACT)
    every = hungarian._all_corners(output, inputs['search']).boxes.unflatten(0, (3, 10))
    torch.testing.assert_close(found.corners.boxes, every[range(3), best], **EXACT)
    others = every[range(3), (best + 1) % 10]
    assert not torch.isclose(found.corners.boxes, others).all()


@pytest.mark.parametrize(
    'options, message',
    [
        ({'model.train_cfg.stage': 'score'}, "stage must be 'joint', got 'score'"),
        ({'model.transformer.decoder': None}, 'a transformer with a decoder, got one without'),
        ({'model.train_cfg': {'_delete_': True, 'stage': 'joint'}}, 'an assigner'),
    ],
)
def test_what_k_queries_need(options: dict[str, Any], message: str) -> None:
    config = Config.fromfile(CONFIGS / 'ablations/stark_st50_hungarian.py')
    config.merge_from_dict(options)
    with torch.device('meta'), pytest.raises(InputError, match=message):
        build_network(config)


# ---- Table 8, updated query ----------------------------------------------------------------------------

ROLES = ('previous_search', 'template', 'search')


@pytest.fixture(scope='module')
def updated() -> UpdatedQueryStark:
    return small('stark_s50_updated_query')


def test_the_decoded_query_is_the_next_ones(updated: UpdatedQueryStark) -> None:
    clip = synthetic_clip(num_frames=3, size=(48, 64), num_targets=2, seed=3)
    learned = updated.transformer.query_embedding.weight
    states = [updated.encode(clip.frames[0], clip.boxes[0])]
    assert states[0].queries.equal(learned.expand(2, 1, 16))
    for frame in clip.frames[1:]:
        windows = Stark.crop(updated, [frame] * 2, states[-1])
        wanted = Stark._predict(updated, windows, states[-1])
        tracks, state = updated.track([frame], states[-1])
        torch.testing.assert_close(state.queries, wanted.targets, **EXACT)
        states.append(state)
    # the last frame from the learned query again is another result
    fresh = replace(states[1], queries=states[0].queries)
    other, _ = updated.track([clip.frames[2]], fresh)
    assert not torch.isclose(other.boxes, tracks.boxes, rtol=0, atol=1e-6).all()
    assert not states[2].queries.requires_grad


def test_a_query_that_is_no_number_is_not_kept(updated: UpdatedQueryStark) -> None:
    clip = synthetic_clip(num_frames=2, size=(48, 64), num_targets=2, seed=3)
    state = updated.encode(clip.frames[0], clip.boxes[0])
    broken = state.templates.clone()
    broken[1] = float('nan')
    tracks, after = updated.track([clip.frames[1]], replace(state, templates=broken))
    assert after.queries.isfinite().all() and after.queries[1].equal(state.queries[1])
    assert not after.queries[0].equal(state.queries[0])
    assert tracks.scores[0, 1] == 0 and after.boxes[1].equal(state.boxes[1])


def test_losses_of_both_search_regions(updated: UpdatedQueryStark) -> None:
    inputs, samples = batch([True, True], ROLES)
    losses = updated.loss(inputs, samples)
    templates, search = updated._encode_roles(inputs, samples)
    first = updated.transformer(templates, updated._encode_search(inputs, samples, 'previous_search'))
    second = updated.transformer(templates, search, first.targets)
    truth = torch.tensor([[10.0, 20, 60, 70], [11, 20, 60, 70]], dtype=torch.double) / 112
    each = [
        updated.losses.of_boxes(updated._corners(output, inputs['search']).boxes, truth, count=2)
        for output in (first, second)
    ]
    for key, value in losses.items():
        torch.testing.assert_close(value, (each[0][key] + each[1][key]) / 2, **TO_SINGLE)
    found = updated._forward(inputs, samples)
    torch.testing.assert_close(found.targets, second.targets, **EXACT)


def test_the_learned_query_learns_from_the_later_region_too() -> None:
    tracker = small('stark_s50_updated_query')
    inputs, samples = batch([True, True], ROLES)
    _, later = tracker._search_twice(inputs, samples)
    later.targets.square().sum().backward()
    assert tracker.transformer.query_embedding.weight.grad.abs().sum() > 0


def test_an_earlier_search_region_is_needed(updated: UpdatedQueryStark) -> None:
    with pytest.raises(InputError, match="with the role 'previous_search', got"):
        updated.loss(*batch([True], ('template', 'search')))


@pytest.mark.parametrize(
    'options, message',
    [
        (
            {
                'model.train_cfg.stage': 'score',
                'model.score_head': dict(type='mmgtrack.ScoreHead', embed_dims=16),
            },
            "'localisation' only",
        ),
        ({'model.transformer.decoder': None}, 'decodes a learned query'),
    ],
)
def test_what_an_updated_query_needs(options: dict[str, Any], message: str) -> None:
    config = Config.fromfile(CONFIGS / 'ablations/stark_s50_updated_query.py')
    config.merge_from_dict(options)
    with torch.device('meta'), pytest.raises(InputError, match=message):
        build_network(config)


def test_the_query_is_saved_and_joined(updated: UpdatedQueryStark, tmp_path: Path) -> None:
    clip = synthetic_clip(num_frames=4, size=(48, 64), num_targets=2, seed=3)
    _, state = updated.track(clip.frames[1:3], updated.encode(clip.frames[0], clip.boxes[0]))
    state.save(tmp_path / 'state.pt')
    loaded = State.load(tmp_path / 'state.pt')
    assert type(loaded) is type(state) and loaded.queries.equal(state.queries)
    late = updated.encode(clip.frames[2], clip.boxes[2][:1])
    joined = loaded.add(late)
    assert joined.queries.shape == (3, 1, 16) and not joined.queries[2].equal(joined.queries[1])

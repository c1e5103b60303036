"""Which frames the samplers of STARK draw, and what all samplers of one target have in common."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from mmgtrack.datasets import CausalSampler, ChronologicalSampler, Sequence, TridentSampler
from mmgtrack.datasets.clip_sampler import FOREIGN_ID, ClipDraw
from mmgtrack.datasets.target_sampler import TargetSampler
from mmgtrack.errors import InputError

Sampler = type[TargetSampler]
samplers = pytest.mark.parametrize('sampler', [CausalSampler, TridentSampler, ChronologicalSampler])


def clip(present: Any, name: str = 'a', boxed: Any = None, labelled: Any = None) -> Sequence:
    """A clip whose box of target m in frame f starts at (f, m); all (F, M) of 0/1, present means boxed."""
    present = np.array(present, dtype=bool)
    boxed = present if boxed is None else present | np.array(boxed, dtype=bool)
    labelled = np.ones_like(present) if labelled is None else np.array(labelled, dtype=bool)
    boxes = np.full((*present.shape, 4), np.nan, dtype=np.float32)
    for frame, target in zip(*np.nonzero(boxed), strict=True):
        boxes[frame, target] = [frame, target, frame + 9, target + 9]
    return Sequence(name, tuple(f'{name}/{f}' for f in range(len(present))), boxes, present, labelled)


def draws(
    sequences: list[Sequence], sampler: Sampler, roles: int = 2, count: int = 300, **options: Any
) -> list[ClipDraw | None]:
    """Draws of the first clip, None where it is refused; those that are picked beside it come from all."""
    drawing, found = sampler(**options), []
    for number in range(count):
        rng = np.random.default_rng(number)
        picks = iter([sequences[0], *(sequences[rng.integers(len(sequences))] for _ in range(200))])
        draw = drawing.draw(lambda: next(picks), roles, rng)  # noqa: B023
        found.append(draw if isinstance(draw, ClipDraw) else None)
    return found


def frames(draw: ClipDraw | None) -> list[int]:
    assert draw is not None
    return [int(frame.path.split('/')[1]) for frame in draw.frames]


def visible_but(length: int, *absent: int) -> np.ndarray:
    present = np.ones((length, 1))
    present[list(absent)] = 0
    return present


def test_causal_search_frames_follow_the_template() -> None:
    pairs = [frames(d) for d in draws([clip(visible_but(60, 3, 4))], CausalSampler, max_gap=10, count=2000)]
    gaps = Counter(search - template for template, search in pairs)
    assert set(gaps) == set(range(1, 10))  # strictly less than the gap
    assert gaps[1] / 2000 == pytest.approx(1 / 9, abs=0.04)  # more near the end
    templates, searched = (set(column) for column in zip(*pairs, strict=True))
    assert not {3, 4} & (templates | searched)
    assert (min(templates), max(templates), max(searched)) == (0, 58, 59)


def test_causal_gap_grows_until_a_frame_is_found() -> None:
    present = np.zeros((60, 1))
    present[[0, 1, 20, 21, 40, 41, 59]] = 1
    pairs = Counter(tuple(frames(d)) for d in draws([clip(present)], CausalSampler, max_gap=2, count=1000))
    assert {(0, 1), (20, 21), (40, 41)} <= set(pairs)
    # from 1 to 20 it takes the gap 2 + 4 * 5, which three failures before do not reach
    wide = [pair for pair in pairs if pair[1] - pair[0] > 2]
    assert all(pair[1] - pair[0] < 42 for pair in wide)


def test_causal_further_templates_come_before_the_first() -> None:
    for draw in draws([clip(visible_but(40, 5))], CausalSampler, roles=3, max_gap=10):
        template, extra, search = frames(draw)
        assert extra < template < search
        assert template - extra <= 10 and search - template < 10 and 5 not in (template, extra, search)


def test_trident_templates_and_search_frames_are_independent() -> None:
    sequence = clip(visible_but(20, 7), boxed=np.ones((20, 1)))
    drawn = [frames(d) for d in draws([sequence], TridentSampler, roles=3, count=4000)]
    pairs = Counter((template, search) for template, _, search in drawn)
    assert len(pairs) == 19 * 19  # any order, and the same frame too
    share = sum(template == search for template, search in pairs.elements()) / 4000
    assert share == pytest.approx(1 / 19, abs=0.015)


def test_trident_dynamic_template_lies_beside_the_search_frame_on_the_template_s_side() -> None:
    present, boxed = visible_but(50, 12, 13), np.ones((50, 1))
    drawn = [
        frames(d) for d in draws([clip(present, boxed=boxed)], TridentSampler, roles=3, count=3000, max_gap=5)
    ]
    offsets: dict[bool, set[int]] = {True: set(), False: set()}
    for template, dynamic, search in drawn:
        offsets[template >= search].add(dynamic - search)
        assert not {template, search} & {12, 13}
    assert offsets == {True: {0, 1, 2, 3, 4}, False: {-5, -4, -3, -2, -1}}
    assert {12, 13} <= {dynamic for _, dynamic, _ in drawn}


@pytest.mark.parametrize('boxed', [False, True])
def test_invisible_templates(boxed: bool) -> None:
    sequence = clip(visible_but(30, *range(10, 20)), boxed=np.full((30, 1), boxed))
    pro = draws([sequence], TridentSampler, roles=3)
    plain = draws([sequence], TridentSampler, roles=3, invisible_templates=False)
    hidden = [d for d in pro if d is not None and 10 <= frames(d)[1] < 20]
    # without a box the sample is drawn anew (official); with one it is used
    assert (None in pro) == (not boxed) and bool(hidden) == boxed
    for draw in hidden:
        assert draw.frames[1].ids.tolist() == [0] and draw.frames[1].boxes[0, 0] == frames(draw)[1]
    assert all(not 10 <= frames(d)[1] < 20 for d in plain)


def test_plain_trident_draws_again_where_nothing_is_near() -> None:
    present = np.zeros((40, 1))
    present[[0, 1, 2, 3, 36, 37, 38, 39]] = 1
    drawn = draws([clip(present)], TridentSampler, roles=3, max_gap=2, invisible_templates=False)
    for template, dynamic, search in map(frames, drawn):
        assert abs(dynamic - search) <= 2 and (template, search) != (0, 36)


@samplers
@pytest.mark.parametrize(
    'visible, length, roles, accepted',
    [(5, 20, 2, True), (4, 20, 2, False), (7, 20, 3, True), (6, 20, 3, False), (19, 19, 2, False)],
)
def test_which_sequences_are_accepted(
    sampler: Sampler, visible: int, length: int, roles: int, accepted: bool
) -> None:
    present = np.arange(length)[:, None] < visible
    draw = draws([clip(present, boxed=np.ones((length, 1)))], sampler, roles, count=1)[0]
    assert (draw is not None) == accepted


@samplers
def test_a_still_image_takes_every_role_with_one_of_its_targets(sampler: Sampler) -> None:
    drawn = draws([clip(np.ones((1, 3)))], sampler, roles=3, count=60)
    assert all(frames(d) == [0, 0, 0] for d in drawn)
    ids = [[frame.ids.tolist() for frame in d.frames] for d in drawn if d is not None]
    assert all(roles[0] == roles[1] == roles[2] and len(roles[0]) == 1 for roles in ids)
    assert {roles[0][0] for roles in ids} == {0, 1, 2}


@samplers
def test_one_target_that_is_seen_often_enough(sampler: Sampler) -> None:
    present = np.ones((30, 3))
    present[4:, 1] = 0
    drawn = draws([clip(present)], sampler, count=60)
    assert {d.frames[0].ids.tolist()[0] for d in drawn if d is not None} == {0, 2}
    for draw in drawn:
        assert draw is not None and len({tuple(frame.ids) for frame in draw.frames}) == 1
        assert all(frame.boxes.shape == (1, 4) and frame.boxes.dtype == np.float32 for frame in draw.frames)
        assert [int(frame.boxes[0, 0]) for frame in draw.frames] == frames(draw)


@samplers
@pytest.mark.parametrize('roles', [2, 3])
def test_half_of_the_samples_are_negative(sampler: Sampler, roles: int) -> None:
    sequences = [clip(np.ones((30, 1)), name) for name in 'ab']
    drawn = draws(sequences, sampler, roles, count=600, negative_prob=0.5)
    assert sum(d.negative for d in drawn if d is not None) / 600 == pytest.approx(0.5, abs=0.05)
    for draw in drawn:
        assert draw is not None and {frame.path[0] for frame in draw.frames[:-1]} == {'a'}
        assert draw.frames[-1].path[0] == ('b' if draw.negative else 'a')
        assert (draw.frames[-1].ids[0] >= FOREIGN_ID) == draw.negative


@samplers
def test_a_negative_prefers_a_frame_of_its_own_video_without_the_target(sampler: Sampler) -> None:
    labelled = visible_but(30, 12)
    own = clip(visible_but(30, 10, 11, 12), boxed=visible_but(30, 10), labelled=labelled)
    drawn = draws([own, clip(np.ones((30, 1)), 'b')], sampler, negative_prob=1.0)
    assert {(d.frames[-1].path, len(d.frames[-1].ids)) for d in drawn if d is not None} == {
        ('a/10', 0),  # although hidden boxes are known, the search region is the image's middle
        ('a/11', 0),
    }
    assert all(d is not None and d.negative for d in drawn)


@samplers
def test_negatives_of_still_images_show_any_frame_of_another_clip_with_its_box(sampler: Sampler) -> None:
    other = clip(visible_but(30, 3, 4), 'b', boxed=visible_but(30, 4))
    short = clip(np.ones((5, 1)), 'c')
    drawn = draws([clip(np.ones((1, 2))), other, short], sampler, roles=3, count=900, negative_prob=1.0)
    shown = Counter(d.frames[-1].path if d is not None else None for d in drawn)
    # never itself nor a clip that would not be accepted; 4 has no box, 3 has one though it is not visible
    assert set(shown) == {f'b/{f}' for f in range(30) if f != 4} | {None}
    assert shown[None] / 900 == pytest.approx(1 / 30, abs=0.02)
    for draw in drawn:
        assert draw is None or (draw.negative and draw.frames[-1].ids.tolist() == [FOREIGN_ID])


@samplers
def test_a_negative_without_any_other_clip_is_given_up(sampler: Sampler) -> None:
    assert set(draws([clip(np.ones((30, 1)))], sampler, count=3, negative_prob=1.0)) == {None}


def test_wrong_options() -> None:
    with pytest.raises(InputError, match=r'negative_prob must be in \[0, 1\], got 1.5'):
        TridentSampler(negative_prob=1.5)
    with pytest.raises(InputError, match='CausalSampler needs a template and a search role, got 1'):
        draws([clip(np.ones((30, 1)))], CausalSampler, roles=1)

"""What association is for: the target keeps its name beside others that look like it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.association import associate, begin
from mmgtrack.association.cascade import match
from mmgtrack.association.cost import fused_cost
from mmgtrack.association.life import moved
from mmgtrack.association.observations import Observations
from tests.association.scenes import RULES, Thing, arrays, equal, follow, look, mixed, targets

ALIKE = mixed(look(0), look(1), 0.1)  # cosine 0.99
both = pytest.mark.parametrize('with_looks', [True, False], ids=['looks', 'no looks'])


def beside(frames: int, **changes: float) -> list[list[Thing]]:
    """The target, standing, and a distractor 100 pixels away."""
    return [[Thing(100, 100), Thing(200, 100, ALIKE, **changes)]] * frames


@both
@pytest.mark.parametrize('alike', [look(0), ALIKE], ids=['same look', 'alike'])
def test_two_that_cross_keep_their_names(alike: np.ndarray, with_looks: bool) -> None:
    frames = []
    for f in range(60):
        target, other = Thing(50 + 3 * f, 100), Thing(230 - 3 * f, 104, alike, 0.85)
        frames.append([target, other] if f % 2 == 0 else [other, target])
    _, assignments = follow(frames, with_looks=with_looks)
    assert targets(assignments) == [f % 2 for f in range(1, 60)]
    names = {int(a.owners[1 - a.target]) for a in assignments}
    assert names == {1}


@both
def test_the_one_in_front_hides_the_other_for_a_while(with_looks: bool) -> None:
    frames = []
    for f in range(60):
        pair = [Thing(50 + 3 * f, 100), Thing(230 - 3 * f, 104, ALIKE, 0.85)]
        frames.append(pair[1:] if abs(f - 30) < 4 else pair)
    _, assignments = follow(frames, with_looks=with_looks)
    assert targets(assignments) == [-1 if abs(f - 30) < 4 else 0 for f in range(1, 60)]
    assert {int(a.owners[-1]) for a in assignments} == {1}


@both
def test_the_target_leaves_and_a_distractor_stays(with_looks: bool) -> None:
    alone = [[Thing(200, 100, ALIKE)]] * 50
    tracklets, assignments = follow(beside(10) + alone, with_looks=with_looks)
    gone = assignments[9:]
    assert targets(gone) == [-1] * 50
    assert {(a.guess, a.score, int(a.owners[0])) for a in gone} == {(-1, 0.0, 1)}
    assert tracklets.ids.tolist() == [0, 1]
    assert tracklets.missed.tolist() == [50, 0]


@both
@pytest.mark.parametrize('gap', [1, 20, 200])
def test_the_target_returns_elsewhere(gap: int, with_looks: bool) -> None:
    alone = [[Thing(200, 100, ALIKE)]] * gap
    back = [[Thing(200, 100, ALIKE), Thing(500, 300)]] * 10
    tracklets, assignments = follow(beside(10) + alone + back, with_looks=with_looks)
    found = targets(assignments)[9 + gap :]
    first = found.index(1)
    assert found == [-1] * first + [1] * (10 - first)
    assert first <= RULES.recover_after
    if gap <= RULES.doubt_after:
        assert [a.guess for a in assignments[9 + gap :]] == [1] * first + [-1] * (10 - first)
    assert tracklets.ids.tolist() == [0, 1]  # what the target was called meanwhile is forgotten


def test_a_long_lost_target_may_be_what_was_taken_for_a_distractor() -> None:
    alone = [[Thing(200, 100, ALIKE)]] * 100
    _, assignments = follow(beside(10) + alone)
    assert [a.guess for a in assignments[9:]] == [-1] * RULES.doubt_after + [0] * (100 - RULES.doubt_after)
    assert targets(assignments[9:]) == [-1] * 100
    assert 0 < assignments[-1].score <= 0.8 * RULES.guess_weight


@pytest.mark.parametrize(('share', 'guessed'), [(0.3, True), (0.7, False)])
def test_what_looks_more_like_a_distractor_is_not_guessed(share: float, guessed: bool) -> None:
    near = [[Thing(100, 100), Thing(200, 100, look(1))]] * 10
    # jumps, so that no tracklet lasts; the share of the distractor in its look decides
    far = [[Thing(900 - 200 * (f % 2), 400, mixed(look(0), look(1), share))] for f in range(5)]
    _, assignments = follow(near + far)
    assert [a.guess for a in assignments[-5:]] == [0 if guessed else -1] * 5
    blind = follow(near + far, with_looks=False)[1]
    assert [a.guess for a in blind[-5:]] == [0] * 5  # unknown looks


def test_it_returns_where_it_was_going_at_once() -> None:
    frames = [[Thing(50 + 4 * f, 100)] for f in range(30)]
    frames[15:20] = [[]] * 5
    _, assignments = follow(frames)
    assert targets(assignments) == [0] * 14 + [-1] * 5 + [0] * 10


@both
def test_everything_is_below_the_threshold(with_looks: bool) -> None:
    """Nothing lives on a tracklet then; the best is still a hypothesis, unless it looks like a distractor."""
    faint = [[Thing(200, 100, ALIKE, 0.04), Thing(100, 100, score=0.02)]] * 40
    tracklets, assignments = follow(beside(10) + faint, with_looks=with_looks)
    best, score = (1, 0.01) if with_looks else (0, 0.02)
    assert {(a.target, a.guess) for a in assignments[9:]} == {(-1, best)}
    assert [a.score for a in assignments[9:]] == pytest.approx([score] * 40)
    assert {tuple(a.owners) for a in assignments[9:]} == {(-1, -1)}
    assert equal(tracklets, follow(beside(10) + [[]] * 40, with_looks=with_looks)[0])
    _, (alone,) = follow([faint[0][:1]], follow(beside(10))[0])
    assert (alone.guess, alone.score) == (-1, 0.0)


def test_a_faint_candidate_is_guessed_only_where_nothing_else_is_there() -> None:
    lost, _ = follow([[Thing(100, 100)], *[[]] * 3])
    faint, clear = Thing(100, 100, score=0.04), Thing(400, 300, look(1), 0.06)
    assert follow([[faint, clear]], lost)[1][0].guess == 1
    boxes, scores, looks = arrays([faint, faint])
    for denied, guess in ([False, False], 0), ([True, False], 1), ([True, True], -1):
        assert associate(lost, boxes, scores, looks, RULES, np.array(denied))[1].guess == guess
    boxes[:, 0], scores[1] = (np.nan, boxes[1, 0]), np.nan
    assert associate(lost, boxes, scores, looks, RULES)[1].guess == -1


@both
def test_low_scores_are_enough_to_go_on(with_looks: bool) -> None:
    faint = [[Thing(100 + f, 100, score=0.1), Thing(200 - f, 100, ALIKE, 0.12)] for f in range(30)]
    _, assignments = follow(beside(10) + faint, with_looks=with_looks)
    assert targets(assignments) == [0] * 39
    assert {tuple(a.owners) for a in assignments} == {(0, 1)}


@pytest.mark.parametrize('place, owner', [(103, 0), (197, 1)])
def test_one_candidate_goes_to_the_nearer(place: float, owner: int) -> None:
    """Both look the same: what a distractor claims at a lower cost is not the target, and the reverse."""
    tracklets, _ = follow([[Thing(100, 100), Thing(200, 100)]] * 10)
    _, (assignment,) = follow([[Thing(place, 100)]], tracklets)
    assert assignment.owners.tolist() == [owner]
    assert assignment.target == (0 if owner == 0 else -1)


def test_a_lost_target_does_not_take_what_a_distractor_claims() -> None:
    tracklets, _ = follow(beside(10) + [[Thing(200, 100, ALIKE)]] * 20)
    near = [Thing(200 - 3 * f, 100, ALIKE) for f in range(40)]  # it goes where the target was
    _, assignments = follow([[thing] for thing in near], tracklets)
    assert targets(assignments) == [-1] * 40
    assert {int(a.owners[0]) for a in assignments} == {1}


@given(st.integers(0, 2**32 - 1))
def test_what_a_distractor_claims_is_never_the_target(seed: int) -> None:
    """It claims a candidate that costs it less than the target, and less than what it gets instead."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 7))
    places = rng.uniform(0, 60, (count, 2))
    things = [Thing(*place, mixed(look(0), look(1), rng.random())) for place in places]
    tracklets = follow([things] * 4)[0]
    boxes, scores, looks = arrays(things)
    seen = Observations.of(boxes + rng.normal(0, 6, boxes.shape), scores, looks, 8, RULES)
    expected = moved(tracklets, RULES)
    matched = match(expected, seen, np.zeros(len(seen), dtype=bool), RULES)
    if matched[0] >= 0:
        cost = fused_cost(expected, seen, RULES)
        wanted = cost[:, matched[0]]
        rows = np.arange(len(expected))
        given_cost = np.where(matched >= 0, cost[rows, matched], RULES.match_limit)
        if np.isfinite(wanted[0]):  # the first pass
            assert not ((wanted < wanted[0]) & (wanted < np.minimum(given_cost, RULES.match_limit)))[1:].any()


def test_a_mistake_is_mended_by_looks() -> None:
    """The target's tracklet followed another; the one that looks like the template is the target again."""
    other = look(1)
    tracklets, _ = follow([[Thing(100, 100), Thing(200, 100, other)]] * 10)
    wrong = replace(
        tracklets,
        **{n: getattr(tracklets, n)[::-1] for n in ('means', 'covariances', 'boxes', 'recent', 'scores')},
    )
    after, (assignment,) = follow([[Thing(100, 100), Thing(200, 100, other)]], wrong)
    assert assignment.target == 0
    assert assignment.owners.tolist() == [0, 1]
    assert after.boxes[0].tolist() == tracklets.boxes[0].tolist()
    assert after.first[0].tolist() == look(0).tolist()


def test_a_part_of_the_target_is_no_distractor() -> None:
    whole = np.array([[80, 70, 120, 130], [85, 75, 115, 95]], dtype=float)
    state = begin(whole[0], None)
    for _ in range(20):
        state, assignment = associate(state, whole, np.array([0.8, 0.6]), None, RULES)
        assert assignment.target == 0
    assert state.ids.tolist() == [0, 1]
    assert not state.is_distractor(RULES).any()


def test_an_end_and_a_start_have_different_names() -> None:
    frames = beside(10) + [[Thing(100, 100)]] * 40 + beside(10)
    tracklets, assignments = follow(frames)
    assert [tuple(a.owners) for a in assignments[-10:]] == [(0, 2)] * 10
    assert tracklets.issued.tolist() == [3]


def test_nothing_is_written_in_place() -> None:
    frames = beside(10) + [[Thing(100, 100)]] * 40 + [[Thing(300, 10), Thing(200, 100, ALIKE)]] * 10
    tracklets = follow(frames[:1])[0]
    for things in frames:
        before = tuple(leaf.copy() for leaf in tracklets.leaves())
        found = arrays(things)
        copies = tuple(None if array is None else array.copy() for array in found)
        after, _ = associate(tracklets, *found, RULES)
        assert all(np.array_equal(a, b) for a, b in zip(before, tracklets.leaves(), strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(copies, found, strict=True))  # type: ignore[arg-type]
        again, _ = associate(tracklets, *found, RULES)
        assert equal(after, again)
        tracklets = after

"""Whatever a detector says: nothing, thousands, the same thing twice, numbers that are none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgtrack.association import AssociationRules, Tracklets, associate, begin
from mmgtrack.association.looks import unit
from mmgtrack.errors import InputError, StateError
from tests.association.scenes import RULES, Thing, arrays, box, equal, follow, look

Found = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def crowd(rng: np.random.Generator, count: int, dims: int = 8) -> Found:
    """Boxes anywhere, scores of all heights, looks of every kind, some of them doubled."""
    centres = rng.uniform(0, 300, (count, 2))
    boxes = np.array([box(*centre) for centre in centres]).reshape(-1, 4)
    scores = rng.uniform(0, 1, count).round(1)
    looks = unit(rng.normal(size=(count, dims)))
    twins = rng.random(count) < 0.2
    boxes[twins] = boxes[:1] if count else 0
    return boxes, scores, looks


def reordered(found: Found, order: np.ndarray) -> Found:
    boxes, scores, looks = found
    return boxes[order], scores[order], None if looks is None else looks[order]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_order_of_candidates_does_not_matter(seed: int, with_looks: bool) -> None:
    rng = np.random.default_rng(seed)
    one = other = begin(box(150, 150), look(0) if with_looks else None)
    for _ in range(4):
        boxes, scores, looks = crowd(rng, int(rng.integers(0, 12)))
        found = (boxes, scores, looks if with_looks else None)
        order = rng.permutation(len(scores))
        one, first = associate(one, *found, RULES)
        other, second = associate(other, *reordered(found, order), RULES)
        assert equal(one, other)
        assert (first.score, first.cost) == (second.score, second.cost)
        # of two candidates that are the same in every number, either may be meant
        names = sorted(zip(boxes[:, 0], scores, first.owners, strict=True))
        assert names == sorted(zip(boxes[order, 0], scores[order], second.owners, strict=True))
        for here, there in ((first.target, second.target), (first.guess, second.guess)):
            assert (here < 0) == (there < 0)
            assert here < 0 or (boxes[here] == boxes[order[there]]).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_what_holds_in_every_scene(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rules = replace(RULES, max_tracklets=12, memory_size=3, lost_buffer=3)
    tracklets = begin(box(150, 150), look(0))
    issued: set[int] = {0}
    for _ in range(12):
        boxes, scores, looks = crowd(rng, int(rng.integers(0, 12)))
        before = tracklets
        tracklets, found = associate(tracklets, boxes, scores, looks, rules)
        assert tracklets.ids[0] == 0 and len(tracklets) <= 12
        assert (np.diff(tracklets.ids) > 0).all()
        new = set(tracklets.ids.tolist()) - set(before.ids.tolist())
        assert not new & issued, 'an id is never used again'
        issued |= set(range(int(tracklets.issued[0])))
        owned = found.owners[found.owners >= 0]
        assert len(set(owned.tolist())) == len(owned), 'one tracklet, one candidate'
        assert (found.target >= 0) == bool((found.owners == 0).any()) == (tracklets.missed[0] == 0)
        assert found.target < 0 or (found.owners[found.target] == 0 and found.guess == -1)
        assert 0 <= found.score <= 1
        assert found.score == 0 or max(found.target, found.guess) >= 0
        assert all(np.isfinite(leaf).all() for leaf in tracklets.leaves())


@pytest.mark.parametrize('count', [0, 1, 2, 3000])
@pytest.mark.parametrize('with_looks', [True, False])
def test_any_number_of_candidates(count: int, with_looks: bool) -> None:
    rng = np.random.default_rng(0)
    tracklets = begin(box(150, 150), look(0) if with_looks else None)
    for _ in range(3):
        boxes, scores, looks = crowd(rng, count)
        tracklets, found = associate(tracklets, boxes, scores, looks if with_looks else None, RULES)
        assert len(found.owners) == count
        assert len(tracklets) <= RULES.max_tracklets
        assert set(found.owners.tolist()) <= {*tracklets.ids.tolist(), -1}


def test_all_above_the_low_score_live_on_a_tracklet() -> None:
    things = [Thing(40 * n, 100, look(n % 8), 0.05 + 0.1 * n) for n in range(8)]
    _, assignments = follow([[Thing(0, 100)], *[things] * 3])
    for found in assignments:
        assert [owner >= 0 for owner in found.owners] == [t.score >= 0.1 * things[-1].score for t in things]


def test_the_longest_lost_go_first() -> None:
    rules = replace(RULES, max_tracklets=3)
    one, two, three = (Thing(100 * n, 300, look(n)) for n in (1, 2, 3))
    frames = [[Thing(0, 100), one]] * 3 + [[Thing(0, 100), two]] * 3 + [[Thing(0, 100)]] * 3
    tracklets, _ = follow(frames, rules=rules)
    assert tracklets.ids.tolist() == [0, 1, 2]
    tracklets, _ = follow([[Thing(0, 100), three]] * 3, tracklets, rules=rules)
    assert tracklets.ids.tolist() == [0, 2, 3]


@pytest.mark.parametrize('with_looks', [True, False])
def test_a_thousand_frames_without_the_target(with_looks: bool) -> None:
    rng = np.random.default_rng(0)
    elsewhere = [
        [Thing(300 + 50 * rng.normal(), 300, look(1 + rng.integers(7)), 0.2)] * int(rng.integers(0, 2))
        for _ in range(1000)
    ]
    tracklets, assignments = follow(
        [[Thing(100 + 4 * f, 100)] for f in range(10)] + elsewhere, None, with_looks
    )
    assert {a.target for a in assignments[9:]} == {-1}
    assert tracklets.missed[0] == 1000
    assert len(tracklets) <= RULES.max_tracklets
    assert all(np.isfinite(leaf).all() for leaf in tracklets.leaves())
    tracklets, assignments = follow([[Thing(50, 60)]] * 5, tracklets, with_looks)
    assert assignments[-1].target == 0


SPOILS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], None]] = {
    'nan box': lambda boxes, scores, looks: boxes.__setitem__((2, 1), np.nan),
    'infinite box': lambda boxes, scores, looks: boxes.__setitem__((2, 2), np.inf),
    'enormous box': lambda boxes, scores, looks: boxes.__setitem__(2, [-1e300, -1e300, 1e300, 1e300]),
    'box of no width': lambda boxes, scores, looks: boxes.__setitem__((2, 2), boxes[2, 0]),
    'box turned round': lambda boxes, scores, looks: boxes.__setitem__(2, boxes[2, [2, 3, 0, 1]]),
    'nan score': lambda boxes, scores, looks: scores.__setitem__(2, np.nan),
    'infinite score': lambda boxes, scores, looks: scores.__setitem__(2, np.inf),
}


@pytest.mark.parametrize('spoil', SPOILS)
def test_candidates_that_are_none_change_nothing(spoil: str) -> None:
    things = [Thing(100, 100), Thing(200, 100, look(1)), Thing(300, 100, look(2))]
    tracklets = expected = begin(box(100, 100), look(0))
    for _ in range(5):
        boxes, scores, looks = arrays(things)
        assert looks is not None
        SPOILS[spoil](boxes, scores, looks)
        tracklets, found = associate(tracklets, boxes, scores, looks, RULES)
        expected, without = associate(expected, *arrays(things[:2]), RULES)
        assert equal(tracklets, expected)
        assert found.owners.tolist() == [*without.owners, -1] == [0, 1, -1]


@pytest.mark.parametrize('unknown', [np.nan, 0.0, np.inf])
def test_a_look_that_is_none_is_unknown(unknown: float) -> None:
    """Then place and overlap decide, and what was known of the look stays."""
    tracklets, _ = follow([[Thing(100, 100), Thing(200, 100, look(1))]] * 5)
    unseen = [Thing(102, 100, np.full(8, unknown)), Thing(198, 100, np.full(8, unknown))]
    after, (found,) = follow([unseen], tracklets)
    assert found.owners.tolist() == [0, 1]
    assert found.score == pytest.approx(0.8)
    np.testing.assert_array_equal(after.recent, tracklets.recent)
    no_looks, (same,) = follow([unseen], tracklets, with_looks=False)
    assert equal(no_looks, after) and same.owners.tolist() == [0, 1]


def test_a_template_that_is_unknown_is_learnt() -> None:
    tracklets, assignments = follow([[Thing(100, 100)]] * 3, begin(box(100, 100), np.full(8, np.nan)))
    assert [a.target for a in assignments] == [0, 0, 0]
    assert tracklets.first[0].tolist() == look(0).tolist()


def test_identical_looks_are_told_apart_by_place() -> None:
    grid = [Thing(60 * x, 60 * y) for y in range(5) for x in range(5)]
    frames = [[Thing(t.x + f, t.y + f) for t in grid] for f in range(20)]
    _, assignments = follow(frames)
    assert {a.target for a in assignments} == {0}
    assert {tuple(a.owners) for a in assignments} == {tuple(range(25))}


@pytest.mark.parametrize('count', [1, 40])
def test_identical_candidates(count: int) -> None:
    tracklets, assignments = follow([[Thing(100, 100)], *[[Thing(100, 100)] * count] * 20])
    assert all(a.target >= 0 for a in assignments)
    assert all(sorted(a.owners) == list(range(count)) for a in assignments)
    assert len(tracklets) == count


def test_tracklets_survive_as_tensors_of_a_state() -> None:
    tracklets, _ = follow([[Thing(100, 100), Thing(200, 100, look(1))]] * 5)
    doubles = [torch.from_numpy(leaf).double() for leaf in tracklets.leaves()]
    again = Tracklets.of_leaves([leaf.numpy() for leaf in doubles])
    assert equal(again, tracklets)
    assert [leaf.dtype for leaf in again.leaves()] == [leaf.dtype for leaf in tracklets.leaves()]
    things = [Thing(101, 100), Thing(201, 100, look(1))]
    assert equal(follow([things], again)[0], follow([things], tracklets)[0])
    assert repr(tracklets) == 'Tracklets(2, target missed for 0 frames)'


def test_leaves_that_are_none() -> None:
    leaves = follow([[Thing(100, 100)]])[0].leaves()
    with pytest.raises(StateError, match='tracklets are 11 arrays, got 10: encode the target again'):
        Tracklets.of_leaves(leaves[1:])
    with pytest.raises(StateError, match='their arrays differ in length'):
        Tracklets.of_leaves([leaves[0][:0], *leaves[1:]])


@pytest.mark.parametrize(
    'boxes, scores, looks, message',
    [
        (np.zeros((2, 4)), np.zeros(3), None, r'got \(2, 4\), \(3,\) and \(3, 8\)'),
        (np.zeros((2, 5)), np.zeros(2), None, r'got \(2, 5\), \(2,\) and'),
        (np.zeros((2, 4)), np.zeros(2), np.zeros((2, 7)), r'embeddings \(K, 8\), got'),
        (np.zeros((2, 4)), np.zeros((2, 1)), np.zeros((2, 8)), r'got \(2, 4\), \(2, 1\) and'),
    ],
)
def test_arrays_that_do_not_fit(
    boxes: np.ndarray, scores: np.ndarray, looks: np.ndarray | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        associate(begin(box(1, 1), look(0)), boxes, scores, looks, AssociationRules())


@pytest.mark.parametrize('wrong', [[0, 0, 10], [0, 0, 0, 10], [0, 0, np.nan, 10], [5, 5, 1, 1]])
def test_boxes_that_cannot_be_begun(wrong: list[float]) -> None:
    with pytest.raises(InputError, match=r'box must be \(4,\) xyxy with x2 > x1 and y2 > y1, got'):
        begin(np.array(wrong), None)


@pytest.mark.parametrize('far', [[0, 0, 1e300, 1e300], [-np.inf, 0, 5, 5], [2e6, 0, 3e6, 5]])
def test_boxes_too_far_away_to_reckon_with(far: list[float]) -> None:
    with pytest.raises(InputError, match='box must be within 1000000 pixels, got'):
        begin(np.array(far), None)


def test_tracklets_do_not_change_with_the_callers_arrays() -> None:
    given, template = box(100, 100), look(0)
    tracklets = begin(given, template)
    given[:] = template[:] = 7
    assert equal(tracklets, begin(box(100, 100), look(0)))


@pytest.mark.parametrize('count', [0, 1, 3])
def test_denials_are_one_for_each_candidate(count: int) -> None:
    found = arrays([Thing(100, 100), Thing(200, 100)])
    with pytest.raises(InputError, match=rf'denied must be \(2,\).*got \({count},\)'):
        associate(begin(box(100, 100), look(0)), *found, RULES, np.zeros(count, dtype=bool))


def test_a_thousand_frames_of_boxes_of_every_size() -> None:
    """From the smallest to the largest that count, each following another: no number gets lost."""
    rng = np.random.default_rng(0)
    rules = replace(RULES, max_tracklets=10, lost_buffer=5, low_score=0.0, gate=1e9, match_limit=1.0)
    tracklets = begin(box(100, 100), None)
    for _ in range(1000):
        centres, sides = rng.uniform(-4e5, 4e5, (5, 2)), 10 ** rng.uniform(-1, 6, (5, 2))
        boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
        with np.errstate(all='raise', under='ignore'):
            tracklets, found = associate(tracklets, boxes, rng.uniform(0, 1, 5), None, rules)
        assert 0 <= found.score <= 1 and not np.isnan(found.cost) and len(tracklets) <= 10
        assert all(np.isfinite(leaf).all() for leaf in tracklets.leaves())
        assert (np.diagonal(tracklets.covariances, axis1=1, axis2=2) > 0).all()


def test_embeddings_that_cannot_be_begun() -> None:
    with pytest.raises(InputError, match=r'embedding must be \(D,\), got shape \(1, 8\)'):
        begin(box(1, 1), np.ones((1, 8)))

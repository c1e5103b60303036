"""Several targets: one detection, one owner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgtrack.association import Tracklets, associate, associate_together, begin
from mmgtrack.association.exclusion import Found
from tests.association.scenes import RULES, Thing, arrays, box, equal, follow, look, mixed

ALIKE = mixed(look(0), look(1), 0.1)


def found_by(things: list[Thing], shift: float) -> Found:
    """The detector's answer to one of the targets: the same detections, not quite the same boxes."""
    return arrays([Thing(thing.x + shift, thing.y, thing.look, thing.score) for thing in things])


def pair() -> list[Tracklets]:
    return [begin(box(100, 100), look(0)), begin(box(200, 100), ALIKE)]


@pytest.mark.parametrize('swap', [False, True])
def test_two_targets_that_are_each_others_distractor(swap: bool) -> None:
    """They cross; then one leaves, comes back, and is never what the other is."""
    tracklets, order = pair(), [1, 0] if swap else [0, 1]
    tracklets = [tracklets[target] for target in order]
    for f in range(120):
        one, other = Thing(100 + f, 100, look(0)), Thing(200 - f, 103, ALIKE)
        things = [one] if 60 <= f < 80 else [one, other]
        found = [found_by(things, shift) for shift in (0, 1)]
        results = associate_together(tracklets, found, RULES)
        tracklets = [own for own, _ in results]
        first, second = (results[order.index(target)][1] for target in (0, 1))
        assert first.target == 0
        if 60 <= f < 80:
            assert second.target == -1 and second.guess == -1
        elif not 80 <= f < 80 + RULES.recover_after:
            assert second.target == 1


def test_what_both_want_goes_to_whom_it_fits_better() -> None:
    """Both look alike and one is gone: alone, each would take the other's detection."""
    things = [Thing(150, 100)]
    tracklets = [begin(box(147, 100), look(0)), begin(box(154, 100), look(0))]
    alone = [associate(own, *arrays(things), RULES)[1].target for own in tracklets]
    assert alone == [0, 0]
    results = associate_together(tracklets, [arrays(things)] * 2, RULES)
    assert [(a.target, a.guess) for _, a in results] == [(0, -1), (-1, -1)]
    turned = associate_together(tracklets[::-1], [arrays(things)] * 2, RULES)
    assert [(a.target, a.guess) for _, a in turned] == [(-1, -1), (0, -1)]


def test_who_loses_takes_the_next_best() -> None:
    things = [Thing(150, 100), Thing(160, 118)]
    tracklets = [begin(box(149, 100), look(0)), begin(box(153, 104), look(0))]
    assert associate(tracklets[1], *arrays(things), RULES)[1].target == 0
    results = associate_together(tracklets, [arrays(things)] * 2, RULES)
    assert [a.target for _, a in results] == [0, 1]


def test_a_guess_is_not_what_another_has() -> None:
    lost, _ = follow([[Thing(400, 400, look(1))], *[[]] * 3])
    owner = begin(box(100, 100), look(0))
    things = [Thing(100, 100, mixed(look(0), look(1), 0.5))]
    assert associate(lost, *arrays(things), RULES)[1].guess == 0
    results = associate_together([lost, owner], [arrays(things)] * 2, RULES)
    assert [(a.target, a.guess, a.score > 0) for _, a in results] == [(-1, -1, False), (0, -1, True)]


@pytest.mark.parametrize('overlap, same', [(0.75, True), (0.65, False)])
def test_candidates_are_one_detection_by_overlap(overlap: float, same: bool) -> None:
    shift = 20 * (1 - overlap) / (1 + overlap)  # boxes are 20 wide
    things = [Thing(100, 100)]
    tracklets = [begin(box(100, 100), look(0)), begin(box(100 + shift, 100), look(0))]
    results = associate_together(tracklets, [found_by(things, 0), found_by(things, shift)], RULES)
    assert [a.target for _, a in results].count(0) == (1 if same else 2)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_one_detection_one_owner(seed: int) -> None:
    """Three targets among faint and clear candidates, in any order: none has what another has."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 150, (6, 2))
    looks = [mixed(look(0), look(1), share) for share in rng.uniform(0, 0.4, 6)]
    tracklets = [begin(box(*places[n]), looks[n]) for n in range(3)]
    for frame in range(15):
        highest = 0.04 if frame % 7 == 6 else 1
        places = places + rng.normal(0, 3, places.shape)
        there = np.flatnonzero(rng.random(6) < 0.7)
        things = [Thing(*places[n], looks[n], rng.uniform(0, highest)) for n in there]
        results = associate_together(tracklets, [arrays(things)] * 3, RULES)
        turned = associate_together(tracklets[::-1], [arrays(things)] * 3, RULES)[::-1]
        assert [a.target for _, a in results] == [a.target for _, a in turned]
        tracklets, taken = [own for own, _ in results], [a.target for _, a in results if a.target >= 0]
        assert len(set(taken)) == len(taken)
        assert not {a.guess for _, a in results} & set(taken)


def test_far_apart_each_is_as_alone() -> None:
    things = [Thing(100, 100), Thing(200, 100, ALIKE), Thing(300, 50, look(2), 0.2)]
    found = [found_by(things, shift) for shift in (0, 1)]
    together = associate_together(pair(), found, RULES)
    for (own, assignment), alone, candidates in zip(together, pair(), found, strict=True):
        expected, other = associate(alone, *candidates, RULES)
        assert equal(own, expected) and assignment.owners.tolist() == other.owners.tolist()


def test_boxes_that_are_none() -> None:
    boxes, scores, looks = arrays([Thing(100, 100), Thing(200, 100, ALIKE), Thing(0, 0)])
    boxes[2] = np.nan
    results = associate_together(pair(), [(boxes, scores, looks)] * 2, RULES)
    assert [a.target for _, a in results] == [0, 1]


def test_no_targets_and_no_candidates() -> None:
    assert associate_together([], [], RULES) == []
    results = associate_together(pair(), [arrays([])] * 2, RULES)
    assert [(a.target, a.guess) for _, a in results] == [(-1, -1)] * 2

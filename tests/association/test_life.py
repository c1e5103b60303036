"""How a tracklet goes on: what it learns, when it does not, and how it waits while it is lost."""

import numpy as np
import pytest

from mmgtrack.association import AssociationRules, associate
from mmgtrack.association.cost import fused_cost
from mmgtrack.association.observations import Observations
from tests.association.scenes import RULES, Thing, arrays, box, follow, look, mixed

UNLIKE = mixed(look(0), look(1), 0.6)  # cosine 0.55


def standing(frames: int = 10) -> list[list[Thing]]:
    return [[Thing(100, 100), Thing(300, 100, look(1))]] * frames


@pytest.mark.parametrize('growth, reach', [(0.0, False), (5.0, True)])
def test_the_gate_of_a_lost_target_opens(growth: float, reach: bool) -> None:
    rules = AssociationRules(gate_growth=growth)
    _, assignments = follow([*standing(), [], [Thing(135, 100)]], rules=rules)
    assert (assignments[-1].target == 0) is reach
    _, assignments = follow([*standing(), [Thing(135, 100)]], rules=rules)
    assert assignments[-1].target == -1, 'not lost yet'


def test_that_of_a_distractor_does_not() -> None:
    lost, _ = follow([*standing(), *[[]] * 3])
    seen = Observations.of(*arrays([Thing(150, 100), Thing(350, 100, look(1))]), 8, RULES)
    reached = np.isfinite(fused_cost(lost, seen, AssociationRules(gate_growth=10)))
    assert reached.tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize('seen, target', [(look(3), -1), (np.full(8, np.nan), 0), (UNLIKE, 0)])
def test_what_takes_the_place_of_the_target_must_not_look_like_another(seen: np.ndarray, target: int) -> None:
    _, assignments = follow([*standing(), [Thing(100, 100, seen)]])
    assert assignments[-1].target == target


def test_a_look_is_learnt_only_where_it_is_near() -> None:
    before, _ = follow(standing())
    near, _ = follow([[Thing(100, 100, mixed(look(0), look(1), 0.2))]], before)
    far, assignments = follow([[Thing(100, 100, UNLIKE)]], before)
    assert assignments[0].target == 0
    assert far.recent[0].tolist() == before.recent[0].tolist() == look(0).tolist()
    assert 0 < near.recent[0, 1] < 0.1
    assert np.linalg.norm(near.recent, axis=1) == pytest.approx(1)
    assert near.first[0].tolist() == look(0).tolist(), 'the template stays'


def test_running_means_are_plain_at_first() -> None:
    scores = [0.4, 0.8, 0.6, 0.7]
    frames = [[Thing(100, 100, score=s), Thing(300, 100, look(1), score=s)] for s in scores]
    tracklets, _ = follow([[Thing(100, 100)], *frames])
    assert tracklets.scores == pytest.approx([np.mean(scores)] * 2)
    steady, _ = follow([[Thing(100, 100, score=1.0)]], follow(standing(100))[0])
    assert steady.scores[0] == pytest.approx(0.8 + (1 - RULES.smoothing) * 0.2)


def test_a_lost_target_goes_on_but_does_not_grow() -> None:
    tracklets, _ = follow([[Thing(100 + 5 * f, 100)] for f in range(20)])
    for frame in range(20):  # it grows as it is seen for the last time
        grown = box(200 + 5 * frame, 100, (20 + frame, 30 + frame))
        tracklets, _ = associate(tracklets, grown[None], np.array([0.8]), look(0)[None], RULES)
    assert tracklets.means[0, 7] > 0.5
    missed, _ = follow([[]], tracklets)
    lost, _ = follow([[]] * 10, missed)
    assert lost.means[0, 2:4] == pytest.approx(missed.means[0, 2:4])
    assert lost.means[0, 0] - missed.means[0, 0] == pytest.approx(10 * missed.means[0, 4])
    assert lost.covariances[0, 0, 0] > 2 * missed.covariances[0, 0, 0]


@pytest.mark.parametrize('seen, alive', [(1, 0), (2, 30), (10, 30)])
def test_how_long_a_tracklet_waits(seen: int, alive: int) -> None:
    """Unconfirmed: not at all. The target was not there, so that no distractor is remembered."""
    tracklets, _ = follow([[Thing(100, 100)], *[[Thing(300, 100, look(1))]] * seen])
    waits = 0
    while len(tracklets) == 2:
        tracklets, _ = follow([[]], tracklets)
        waits += 1
    assert waits == alive + 1

"""Who may become the target after a loss, and what is remembered of those that may not."""

import numpy as np
import pytest

from mmgtrack.association import AssociationRules, associate
from mmgtrack.association.recovery import mistaken, returned
from tests.association.scenes import RULES, Thing, arrays, follow, look, mixed, targets

NEAR, FAR = mixed(look(0), look(1), 0.15), mixed(look(0), look(1), 0.35)  # cosines 0.98 and 0.88


def lost_after(frames: int, *others: Thing) -> list[list[Thing]]:
    """Ten frames of the target and others, then some of the others alone."""
    return [[Thing(100, 100), *others]] * 10 + [list(others)] * frames


@pytest.mark.parametrize(
    'seen, distractor, found',
    [
        (look(0), None, True),
        (NEAR, None, True),
        (look(2), None, False),  # looks like nothing known
        (look(0), FAR, True),
        (FAR, FAR, False),  # it went out of sight and is back
        (NEAR, NEAR, False),
    ],
)
def test_a_newcomer_is_the_target_if_it_looks_like_nothing_else(
    seen: np.ndarray, distractor: np.ndarray | None, found: bool
) -> None:
    others = [] if distractor is None else [Thing(200, 100, distractor)]
    frames = [*lost_after(0, *others), *[[]] * 20, *[[Thing(600, 400, seen)]] * 10]
    _, assignments = follow(frames)
    assert (targets(assignments)[-1] == 0) is found
    is_others = distractor is not None and seen @ distractor > seen @ look(0)
    assert assignments[-1].guess == (-1 if found or is_others else 0)


@pytest.mark.parametrize('away', [5, 29, 31, 500])
def test_a_distractor_is_remembered_after_its_end(away: int) -> None:
    frames = [*lost_after(3, Thing(200, 100, FAR)), *[[]] * away, *[[Thing(600, 400, FAR)]] * 10]
    tracklets, assignments = follow(frames)
    assert targets(assignments[9:]) == [-1] * (away + 13)
    assert 1 in tracklets.ids


def test_memory_is_bounded_and_keeps_the_latest() -> None:
    rules = AssociationRules(memory_size=2)
    frames = []
    for number in range(1, 6):
        frames += [[Thing(100, 100), Thing(100 + 90 * number, 100, look(number))]] * 5
    tracklets, _ = follow(frames + [[Thing(100, 100)]] * 40, rules=rules)
    assert tracklets.ids.tolist() == [0, 4, 5]
    assert not tracklets.is_moving(rules)[1:].any()


def test_without_looks_nothing_is_left_to_remember() -> None:
    tracklets, _ = follow(lost_after(0, Thing(200, 100)) + [[Thing(100, 100)]] * 40, with_looks=False)
    assert tracklets.ids.tolist() == [0]


@pytest.mark.parametrize('score, found', [(0.8, True), (0.25, False)])
def test_without_looks_the_score_decides(score: float, found: bool) -> None:
    frames = [*lost_after(20), *[[Thing(600, 400, score=score)]] * 10]
    _, assignments = follow(frames, with_looks=False)
    assert (targets(assignments)[-1] == 0) is found


def test_the_best_of_several_returns() -> None:
    frames = [*lost_after(20), *[[Thing(600, 400, FAR), Thing(300, 300, NEAR), Thing(500, 50, look(2))]] * 5]
    tracklets, assignments = follow(frames)
    assert targets(assignments)[-1] == 1
    assert returned(tracklets, np.ones(len(tracklets), dtype=bool), RULES) == 0


def test_what_is_denied_does_not_return() -> None:
    tracklets, _ = follow(lost_after(20))
    found = arrays([Thing(600, 400)])
    for _ in range(10):
        tracklets, assignment = associate(tracklets, *found, RULES, np.array([True]))
        assert (assignment.target, assignment.guess) == (-1, -1)
    _, assignment = associate(tracklets, *found, RULES, np.array([False]))
    assert assignment.target == 0


def test_a_returned_target_starts_to_move_anew() -> None:
    frames = [*lost_after(20), *[[Thing(600 + 5 * f, 400)] for f in range(20)]]
    tracklets, assignments = follow(frames)
    assert targets(assignments)[-16:] == [0] * 16
    assert tracklets.means[0, 4] == pytest.approx(5, abs=0.1)


def test_no_mistake_is_seen_in_noise() -> None:
    """The running mean of the target's look is near the template, however noisy each look is."""
    rng = np.random.default_rng(0)

    def noisy(mean: np.ndarray) -> np.ndarray:
        shaken = mean + 0.15 * rng.normal(size=8)
        return np.asarray(shaken / np.linalg.norm(shaken))

    frames = [[Thing(100, 100, noisy(look(0))), Thing(200, 100, noisy(NEAR))] for _ in range(100)]
    frames[0] = [Thing(100, 100, look(0))]
    tracklets, assignments = follow(frames)
    assert targets(assignments) == [0] * 99
    assert mistaken(tracklets, np.ones(len(tracklets), dtype=bool), RULES) == 0

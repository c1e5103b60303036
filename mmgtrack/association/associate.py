"""One frame: candidates join tracklets, and one tracklet is the target."""

import math
from dataclasses import dataclass, replace

import numpy as np

from mmgtrack.association import life, looks, recovery
from mmgtrack.association.cascade import match
from mmgtrack.association.cost import joint_distance, target_look
from mmgtrack.association.observations import Observations
from mmgtrack.association.rules import AssociationRules
from mmgtrack.association.tracklets import Tracklets
from mmgtrack.errors import InputError

TARGET = np.array([0])


@dataclass(frozen=True)
class Assignment:
    """What became of the K candidates of a frame.

    target: index of the candidate that is the target, -1 for none.
    guess: where target is -1, index of the best hypothesis, be it below ``low_score`` where nothing else is
    there; -1 without any: no candidate is a box with a score, or every one is a distractor's or denied.
    score: in [0, 1], the detector's score times the likeness (cosine) to the target where that is known, of
    the target or, cut by ``guess_weight``, of the guess; 0 without either.
    cost: distance of the target's candidate to what was expected of it; inf without.
    owners: (K,) int64, id of the tracklet that each candidate continues or starts, 0 for the target, -1 for
    none.
    """

    target: int
    guess: int
    score: float
    cost: float
    owners: np.ndarray


def associate(
    tracklets: Tracklets,
    boxes: np.ndarray,
    scores: np.ndarray,
    embeddings: np.ndarray | None,
    rules: AssociationRules,
    denied: np.ndarray | None = None,
) -> tuple[Tracklets, Assignment]:
    """The tracklets after one frame, and who got what.

    boxes: (K, 4) xyxy frame pixels; scores: (K,) of the detector; embeddings: (K, D), or None where looks
    are unknown; denied: (K,) bool, candidates that cannot be the target. The order of the candidates does
    not matter. Candidates that are no boxes or have no score are left out, and an embedding that is no
    direction (nan, 0) is an unknown look. Raises InputError for arrays of other shapes.
    """
    seen = Observations.of(boxes, scores, embeddings, tracklets.dims, rules)
    denied = _denied(denied, len(scores))
    barred = denied[seen.index]
    expected = life.moved(tracklets, rules)
    matched = match(expected, seen, barred, rules)
    after = life.continued(expected, matched, seen, rules)
    fresh = np.setdiff1d(np.arange(len(seen)), matched)
    after = life.joined_by(after, seen.take(fresh))
    after, matched = _recovered(after, np.concatenate([matched, fresh]), barred, rules)
    keep = life.lasting(after, rules)
    kept, owners = keep[matched[keep] >= 0], np.full(len(scores), -1)
    owners[seen.index[matched[kept]]] = after.ids[kept]
    if not len(seen):  # what is too faint for a tracklet may still be the best hypothesis
        seen = Observations.of(boxes, scores, embeddings, tracklets.dims, replace(rules, low_score=0.0))
    target, guess, score = _choice(after, matched, seen, denied[seen.index], rules)
    cost = math.inf
    if target >= 0:
        cost = joint_distance(expected.take(TARGET), seen.take(matched[:1]), rules).item()
    return after.take(keep), Assignment(target, guess, score, cost, owners)


def _denied(denied: np.ndarray | None, count: int) -> np.ndarray:
    """(K,) bool, none where nothing was denied; raises InputError for another shape."""
    if denied is None:
        return np.zeros(count, dtype=bool)
    denied = np.asarray(denied, dtype=bool)
    if denied.shape != (count,):
        raise InputError(f'denied must be ({count},), a bool for each candidate, got {denied.shape}')
    return denied


def _recovered(
    tracklets: Tracklets, matched: np.ndarray, barred: np.ndarray, rules: AssociationRules
) -> tuple[Tracklets, np.ndarray]:
    """Tracklets and their candidates (T,), after a tracklet that turned out to be the target's became so."""
    able = (matched >= 0) & ~np.append(barred, True)[matched]
    back, better = (find(tracklets, able, rules) for find in (recovery.returned, recovery.mistaken))
    row = back or better
    if row == 0:
        return tracklets, matched
    tracklets, matched = recovery.taken_over(tracklets, row), matched.copy()
    matched[[0, row]] = matched[[row, 0]]
    if not back:
        return tracklets, matched
    rest = np.arange(len(tracklets)) != row  # there the lost target is now
    return tracklets.take(rest), matched[rest]


def _explained(
    tracklets: Tracklets, matched: np.ndarray, seen: Observations, apart: np.ndarray, rules: AssociationRules
) -> np.ndarray:
    """(K,) bool, candidates that are a distractor's, or look more like one than like the target.

    apart: (K,) distance of each look to the target's; an unknown one explains nothing.
    """
    is_distractor = tracklets.is_distractor(rules)
    others = looks.distance(target_look(tracklets.take(is_distractor), rules), seen.looks)
    explained = np.fmin.reduce(others, axis=0, initial=np.inf) < apart + rules.guess_margin
    taken = matched[is_distractor]
    explained[taken[taken >= 0]] = True
    return explained


def _choice(
    tracklets: Tracklets,
    matched: np.ndarray,
    seen: Observations,
    barred: np.ndarray,
    rules: AssociationRules,
) -> tuple[int, int, float]:
    """Target, guess and score of an assignment."""
    apart = looks.distance(target_look(tracklets.take(TARGET), rules), seen.looks)[0]
    values = np.clip(seen.scores * (1 - np.nan_to_num(apart)), 0, 1)
    target = matched[0]
    if target >= 0:
        return int(seen.index[target]), -1, float(values[target])
    possible = ~barred
    if tracklets.missed[0] <= rules.doubt_after:
        possible &= ~_explained(tracklets, matched, seen, apart, rules)
    if not possible.any():
        return -1, -1, 0.0
    guess = int(np.where(possible, values, -1).argmax())
    return -1, int(seen.index[guess]), float(rules.guess_weight * values[guess])

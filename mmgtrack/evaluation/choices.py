"""Four ways to choose the target among the same candidates: what does each part of association bring?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mmgtrack.association import AssociationRules, associate, begin
from mmgtrack.errors import InputError
from mmgtrack.evaluation.distractors import mot_rows
from mmgtrack.evaluation.results.mot import MotRows

Ways = Mapping[str, Callable[['FoundBoxes'], 'Choice']]

MIN_DETECTIONS = 3  # ours: a shorter tracklet is not one yet, and does not count as an object that was found


@dataclass(frozen=True, eq=False)
class FoundBoxes:
    """What a detector offers for one target in F frames, K boxes each, best first; frame pixels.

    - ``given``: (4,) box that the target was given with, in the frame before the first of these.
    - ``template``: (D,) unit length, what it looked like there; None of a tracker without embeddings.
    - ``boxes``: (F, K, 4) xyxy; ``scores``: (F, K) raw, in [0, 1]; ``valid``: (F, K) bool, False for padding.
    - ``embeddings``: (F, K, D) unit length, or None.
    """

    given: np.ndarray
    template: np.ndarray | None
    boxes: np.ndarray
    scores: np.ndarray
    valid: np.ndarray
    embeddings: np.ndarray | None

    @property
    def usable(self) -> np.ndarray:
        """(F, K) bool: neither padding nor a number that is none."""
        return self.valid & np.isfinite(self.scores) & np.isfinite(self.boxes).all(-1)


@dataclass(frozen=True, eq=False)
class Choice:
    """One target's track in F frames.

    boxes: (F, 4) always the best hypothesis; scores: (F,) raw score of it, 0 without any; taken: (F,) bool,
    whether the rule takes it for the target, or merely guesses; tracklets: of all objects that the rule kept
    apart, this one among them.
    """

    boxes: np.ndarray
    scores: np.ndarray
    taken: np.ndarray
    tracklets: MotRows


def top_1(found: FoundBoxes) -> Choice:
    """The candidate that the detector scores highest."""
    return _highest(found, found.scores)


def top_1_with_template(found: FoundBoxes, weight: float) -> Choice:
    """The highest sum of score and likeness to the first frame's embedding (cosine), which has ``weight``.

    Raises InputError for candidates without embeddings.
    """
    if found.embeddings is None or found.template is None:
        raise InputError('likeness to the template needs candidates with embeddings')
    likeness = found.embeddings @ found.template
    return _highest(found, (1 - weight) * found.scores + weight * np.nan_to_num(likeness, nan=-1.0))


def associated(found: FoundBoxes, rules: AssociationRules) -> Choice:
    """The candidate on the target's tracklet, all others being on tracklets of their own."""
    tracklets = begin(found.given, found.template)
    boxes = np.empty((len(found.scores), 4))
    scores = np.zeros(len(found.scores))
    is_target = np.zeros(len(found.scores), dtype=bool)
    owners = np.full(found.scores.shape, -1)
    last = found.given
    for frame, usable in enumerate(found.usable):
        offered = found.boxes[frame, usable]
        embeddings = None if found.embeddings is None else found.embeddings[frame, usable]
        tracklets, taken = associate(tracklets, offered, found.scores[frame, usable], embeddings, rules)
        owners[frame, usable] = taken.owners
        best = taken.target if taken.target >= 0 else taken.guess
        last = boxes[frame] = offered[best] if best >= 0 else last
        scores[frame], is_target[frame] = taken.score, taken.target >= 0
    return Choice(boxes, scores, is_target, _rows(found.boxes, owners))


def associated_without_embeddings(found: FoundBoxes, rules: AssociationRules) -> Choice:
    """The same by motion, overlap and score alone."""
    return associated(replace(found, template=None, embeddings=None), rules)


def choices(rules: AssociationRules, weight: float, *, has_embeddings: bool) -> Ways:
    """Ways to choose by name; those that look at embeddings only where there are some."""
    ways: dict[str, Callable[[FoundBoxes], Choice]] = {
        'top-1': top_1,
        're-id': partial(top_1_with_template, weight=weight),
        'association': partial(associated, rules=rules),
        'association without re-id': partial(associated_without_embeddings, rules=rules),
    }
    blind = ('top-1', 'association without re-id')
    return {name: way for name, way in ways.items() if has_embeddings or name in blind}


def _highest(found: FoundBoxes, ranking: np.ndarray) -> Choice:
    """The usable candidate with the highest rank (F, K); a frame without any repeats the last box."""
    usable = found.usable
    best = np.where(usable, ranking, -np.inf).argmax(1)
    frames = np.arange(len(best))
    there = usable[frames, best]
    boxes = np.concatenate([found.given[None], found.boxes[frames, best]])
    latest = np.maximum.accumulate(np.where(there, frames + 1, 0))  # 0 is the given box
    chosen = np.where(there[:, None], boxes[1:], np.nan)
    scores = np.where(there, found.scores[frames, best], 0)
    return Choice(boxes[latest], scores, there, mot_rows(chosen[:, None]))


def _rows(boxes: np.ndarray, owners: np.ndarray) -> MotRows:
    """Tracklets of MIN_DETECTIONS and more, of (F, K, 4) boxes with their (F, K) tracklets, -1 for none."""
    ids, lengths = np.unique(owners[owners >= 0], return_counts=True)
    frames, places = np.nonzero(np.isin(owners, ids[lengths >= MIN_DETECTIONS]))
    chosen = boxes[frames, places].astype(float)
    chosen[:, 2:] -= chosen[:, :2]
    return MotRows(frames + 1, owners[frames, places], chosen, np.ones(len(frames)))

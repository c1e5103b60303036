"""Several targets at once: one detection has one owner."""

from collections.abc import Sequence

import numpy as np

from mmgtrack.association.associate import Assignment, associate
from mmgtrack.association.cost import pairwise_iou
from mmgtrack.association.rules import AssociationRules
from mmgtrack.association.tracklets import Tracklets

Found = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Boxes (K, 4), scores (K,) and embeddings (K, D) or None: the candidates of one target."""


def associate_together(
    tracklets: Sequence[Tracklets], found: Sequence[Found], rules: AssociationRules
) -> list[tuple[Tracklets, Assignment]]:
    """``associate`` for M targets in the same frame, none of which gets what is another's.

    The candidate that overlaps another target's the most, from ``same_detection_iou`` on, is the same
    detection. The target whose candidate is nearest to what was expected of it has it (of equally near ones
    the first); the others associate again without.
    """
    results = [associate(own, *each, rules) for own, each in zip(tracklets, found, strict=True)]
    denied = [np.zeros(len(scores), dtype=bool) for _, scores, _ in found]
    waiting = list(range(len(results)))
    while waiting:
        owner = min(waiting, key=lambda target: results[target][1].cost)
        waiting.remove(owner)
        taken = results[owner][1].target
        if taken < 0:
            break  # nobody left has one
        for other in waiting:
            denied[other] |= _is_same(found[owner][0][taken], found[other][0], rules)
            if _relies_on(results[other][1], denied[other]):
                results[other] = associate(tracklets[other], *found[other], rules, denied[other])
    return results


def _is_same(box: np.ndarray, boxes: np.ndarray, rules: AssociationRules) -> np.ndarray:
    """(K,) bool: which of boxes (K, 4) shows what the box (4,) shows; one at most, as two may be near."""
    with np.errstate(invalid='ignore', divide='ignore'):  # boxes as they came: nan is no box
        overlap = pairwise_iou(np.asarray(box)[None], np.asarray(boxes))[0]
    overlap = np.nan_to_num(overlap, nan=0)
    return (overlap >= rules.same_detection_iou) & (overlap == overlap.max(initial=0))


def _relies_on(assignment: Assignment, denied: np.ndarray) -> bool:
    """Whether target or guess is a denied candidate."""
    return any(place >= 0 and denied[place] for place in (assignment.target, assignment.guess))

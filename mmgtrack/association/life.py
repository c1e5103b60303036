"""How tracklets go on, begin and end."""

from dataclasses import replace

import numpy as np

from mmgtrack.association import looks, motion
from mmgtrack.association.cost import contained, target_look
from mmgtrack.association.observations import Observations
from mmgtrack.association.rules import AssociationRules
from mmgtrack.association.tracklets import Tracklets, started


def moved(tracklets: Tracklets, rules: AssociationRules) -> Tracklets:
    """The tracklets where their motion takes them in the next frame; those lost keep their size."""
    rows = np.flatnonzero(tracklets.is_moving(rules))
    means = tracklets.means[rows]
    means[tracklets.missed[rows] > 0, 6:] = 0
    means, covariances = motion.predict(means, tracklets.covariances[rows])
    means[:, 2:4] = np.maximum(means[:, 2:4], motion.SMALLEST)
    return replace(
        tracklets,
        means=_with(tracklets.means, rows, means),
        covariances=_with(tracklets.covariances, rows, covariances),
    )


def continued(
    tracklets: Tracklets, matched: np.ndarray, seen: Observations, rules: AssociationRules
) -> Tracklets:
    """The tracklets after a frame; matched: (T,) int64 candidate of each, -1 for none."""
    rows = np.flatnonzero(matched >= 0)
    found, old = seen.take(matched[rows]), tracklets.take(rows)
    means, covariances = motion.update(old.means, old.covariances, motion.measure(found.boxes))
    known_first = looks.known(old.first)[:, None]
    apart = looks.paired_distance(target_look(old, rules), found.looks)
    # a plain mean at first: one look alone is much noise
    share = np.maximum(1 / (old.hits + 1), 1 - rules.smoothing)
    recent = looks.smoothed(old.recent, found.looks, share)
    recent = np.where((apart > rules.smoothing_limit)[:, None], old.recent, recent)
    # what the target was marked with is no score of the detector
    share[rows == 0] = np.maximum(1 / old.hits[rows == 0], 1 - rules.smoothing)
    scores = old.scores + share * (found.scores - old.scores)
    is_seen = matched >= 0
    boxes = _with(tracklets.boxes, rows, found.boxes)
    beside = is_seen & is_seen[0] & (contained(boxes[:1], boxes)[0] < rules.part_overlap)
    return replace(
        tracklets,
        means=_with(tracklets.means, rows, means),
        covariances=_with(tracklets.covariances, rows, covariances),
        boxes=boxes,
        scores=_with(tracklets.scores, rows, scores),
        first=_with(tracklets.first, rows, np.where(known_first, old.first, found.looks)),
        recent=_with(tracklets.recent, rows, recent),
        hits=tracklets.hits + is_seen,
        missed=np.where(is_seen, 0, tracklets.missed + 1),
        beside=tracklets.beside + beside,
    )


def joined_by(tracklets: Tracklets, fresh: Observations) -> Tracklets:
    """The tracklets, and a new one for each candidate that continues none."""
    ids = tracklets.issued + np.arange(len(fresh))
    new = started(ids, fresh.boxes, fresh.scores, fresh.looks)
    return replace(tracklets.extended(new), issued=tracklets.issued + len(fresh))


def lasting(tracklets: Tracklets, rules: AssociationRules) -> np.ndarray:
    """Rows (int64, ascending) that are kept: row 0 always, the rest as long as they are worth it.

    Unconfirmed ones end with their first miss, confirmed ones after ``lost_buffer`` frames. Distractors then
    stay as looks only, the last ``memory_size``. Where there are more than ``max_tracklets``, those missed
    for longest go first, of them those of the lowest score.
    """
    alive = np.where(tracklets.is_confirmed(rules), tracklets.is_moving(rules), tracklets.missed == 0)
    ended = tracklets.is_distractor(rules) & ~alive & looks.known(target_look(tracklets, rules))
    order = np.lexsort([-tracklets.scores, tracklets.missed, ~tracklets.is_target])
    remembered = order[ended[order]][: rules.memory_size]
    keep = alive | tracklets.is_target
    keep[remembered] = True
    return np.sort(order[keep[order]][: rules.max_tracklets])


def _with(array: np.ndarray, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A copy with some rows replaced."""
    copy = array.copy()
    copy[rows] = values
    return copy

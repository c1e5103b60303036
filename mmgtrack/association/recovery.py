"""When a tracklet that was not the target's turns out to be: after a loss, or after a mistake."""

from dataclasses import fields, replace

import numpy as np

from mmgtrack.association import looks
from mmgtrack.association.cost import target_look
from mmgtrack.association.rules import AssociationRules
from mmgtrack.association.tracklets import Tracklets

_OWN = {'ids', 'first', 'beside', 'issued'}  # what stays where it is when a tracklet becomes the target's


def returned(tracklets: Tracklets, able: np.ndarray, rules: AssociationRules) -> int:
    """Row of the tracklet that is the target's again after a loss, 0 for none.

    able: (T,) bool, seen in this frame and not denied. The row is one of them, is no distractor, and either
    looks like the target, more so than like any distractor that is not in sight (those in sight have
    candidates of their own); or, where no looks are known, has a high score.
    """
    if tracklets.missed[0] < rules.recover_after:
        return 0
    distractor = tracklets.is_distractor(rules)
    able = able & (tracklets.hits >= rules.recover_hits) & ~distractor & ~tracklets.is_target
    own = looks.distance(target_look(tracklets.take(np.array([0])), rules), tracklets.recent)[0]
    hidden = tracklets.take(distractor & (tracklets.missed > 0))
    others = looks.distance(target_look(hidden, rules), tracklets.recent)
    explained = np.fmin.reduce(others, axis=0, initial=np.inf)
    alike = (own <= rules.recover_limit) & (own + rules.recover_margin <= explained)
    able &= np.where(np.isnan(own), tracklets.scores >= rules.recover_score, alike)
    # known looks first, the nearest; then the best score
    order = np.lexsort([-tracklets.scores, np.where(np.isnan(own), np.inf, own), ~able])
    return int(order[0]) if able[order[0]] else 0


def mistaken(tracklets: Tracklets, able: np.ndarray, rules: AssociationRules) -> int:
    """Row of the tracklet that looks more like the template than the target's own does, 0 for none.

    able: (T,) bool, seen in this frame and not denied. Running means of looks count, so that one frame
    decides nothing. Where the target's own is lost, this is how it is known that it followed another object.
    """
    own = looks.distance(tracklets.first[:1], tracklets.recent)[0]
    able = able & tracklets.is_confirmed(rules) & (own + rules.swap_margin <= own[0]) & ~tracklets.is_target
    if not able.any():
        return 0
    return int(np.where(able, own, np.inf).argmin())


def taken_over(tracklets: Tracklets, row: int) -> Tracklets:
    """Row 0 goes on as the tracklet of a row, and that row as what row 0 was."""
    swapped = np.arange(len(tracklets))
    swapped[[0, row]] = row, 0
    others = {f.name: getattr(tracklets, f.name)[swapped] for f in fields(tracklets) if f.name not in _OWN}
    first = tracklets.first.copy()
    first[row] = tracklets.recent[0]  # the template stays the target's
    return replace(tracklets, first=first, **others)

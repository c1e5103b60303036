"""Which tracklet each candidate continues: sure candidates by all that is known, the rest by overlap."""

from collections.abc import Callable

import numpy as np

from mmgtrack.association.assignment import assign
from mmgtrack.association.cost import fused_cost, overlap_cost
from mmgtrack.association.observations import Observations
from mmgtrack.association.rules import AssociationRules
from mmgtrack.association.tracklets import Tracklets

Cost = Callable[[Tracklets, Observations, AssociationRules], np.ndarray]


def match(
    tracklets: Tracklets, seen: Observations, denied: np.ndarray, rules: AssociationRules
) -> np.ndarray:
    """(T,) int64 candidate of each tracklet, whose motion is that of this frame; -1 for none.

    denied: (K,) bool, candidates that the target may not have. Four passes, each over what is left: confirmed
    tracklets and candidates of high score, by all that is known; those of them that were seen in the last
    frame, and the target, by overlap; the same with candidates of low score; the unconfirmed by overlap.
    """
    confirmed, moving = tracklets.is_confirmed(rules), tracklets.is_moving(rules)
    present = confirmed & ((tracklets.missed == 0) | tracklets.is_target)
    high = seen.scores >= rules.high_score
    passes: tuple[tuple[Cost, np.ndarray, np.ndarray, float], ...] = (
        (fused_cost, confirmed, high, rules.match_limit),
        (overlap_cost, present, high, rules.iou_limit),
        (overlap_cost, present, ~high, rules.low_iou_limit),
        (overlap_cost, ~confirmed, np.full(len(seen), True), rules.tentative_iou_limit),
    )
    matched = np.full(len(tracklets), -1)
    free_rows, free_columns = moving.copy(), np.full(len(seen), True)
    for cost_of, rows, columns, limit in passes:
        rows, columns = np.flatnonzero(rows & free_rows), np.flatnonzero(columns & free_columns)
        if not len(rows) or not len(columns):
            continue
        cost = cost_of(tracklets.take(rows), seen.take(columns), rules)
        with_target = rows[0] == 0
        if with_target:
            cost[0, denied[columns]] = np.inf
        chosen_rows, chosen = assign(cost, limit)
        if with_target and _is_claimed(cost, chosen_rows, chosen, limit):
            cost[0] = np.inf
            free_rows[0] = False
            chosen_rows, chosen = assign(cost, limit)
        matched[rows[chosen_rows]] = columns[chosen]
        free_rows[rows[chosen_rows]] = False
        free_columns[columns[chosen]] = False
    return matched


def _is_claimed(cost: np.ndarray, rows: np.ndarray, columns: np.ndarray, limit: float) -> bool:
    """Whether a distractor wants the target's candidate at a lower cost than the target, and gets worse.

    cost: (T, K), row 0 the target, the others confirmed. The sum of all costs may be least where the target
    takes what is another's: then nobody knows whose it is, and the target waits.
    """
    if not len(rows) or rows[0] != 0:
        return False
    wanted = cost[:, columns[0]]
    given = np.full(len(cost), limit)  # what staying without a candidate costs
    given[rows] = cost[rows, columns]
    return bool(((wanted < wanted[0]) & (wanted < given)).any())

"""What it costs to join a candidate to a tracklet; inf where they may not be joined."""

import numpy as np

from mmgtrack.association import looks, motion
from mmgtrack.association.observations import Observations
from mmgtrack.association.rules import AssociationRules
from mmgtrack.association.tracklets import Tracklets


def fused_cost(tracklets: Tracklets, seen: Observations, rules: AssociationRules) -> np.ndarray:
    """(T, K) ``joint_distance`` inside the gate of motion."""
    apart = _motion_distance(tracklets, seen)
    cost = joint_distance(tracklets, seen, rules, apart)
    return np.where(apart <= _gates(tracklets, rules)[:, None], cost, np.inf)


def joint_distance(
    tracklets: Tracklets, seen: Observations, rules: AssociationRules, apart: np.ndarray | None = None
) -> np.ndarray:
    """(T, K) weighted mean of the distances of look, place and score.

    Place: squared Mahalanobis distance (``apart``, where it is known) in gates, at most 1. Score: difference
    to the running mean. Where a look is unknown, the other two make up the mean.
    """
    if apart is None:
        apart = _motion_distance(tracklets, seen)
    appearance = looks.distance(target_look(tracklets, rules), seen.looks)
    place = np.minimum(apart / rules.gate, 1)
    score = np.abs(tracklets.scores[:, None] - seen.scores)
    rest = rules.motion_weight + rules.score_weight
    blind = (rules.motion_weight * place + rules.score_weight * score) / rest
    cost = (rules.appearance_weight * appearance + rest * blind) / (rules.appearance_weight + rest)
    return np.where(np.isnan(appearance), blind, cost)


def overlap_cost(tracklets: Tracklets, seen: Observations, rules: AssociationRules) -> np.ndarray:
    """(T, K) 1 - IoU of the predicted box, for looks that are not known to be others."""
    overlap = pairwise_iou(motion.boxes_of(tracklets.means), seen.boxes)
    appearance = looks.distance(target_look(tracklets, rules), seen.looks)
    return np.where(appearance > rules.iou_appearance_limit, np.inf, 1 - overlap)


def target_look(tracklets: Tracklets, rules: AssociationRules) -> np.ndarray:
    """(T, D) what candidates are compared with: the first look and the running mean."""
    return looks.blended(tracklets.first, tracklets.recent, rules.first_weight)


def pairwise_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU (T, K) of boxes (T, 4) and others (K, 4) xyxy of positive size."""
    lower = np.maximum(boxes[:, None, :2], others[:, :2])
    upper = np.minimum(boxes[:, None, 2:], others[:, 2:])
    sides = np.maximum(upper - lower, 0)
    inter = sides[..., 0] * sides[..., 1]
    areas, other_areas = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (boxes, others))
    return inter / (areas[:, None] + other_areas - inter)


def _motion_distance(tracklets: Tracklets, seen: Observations) -> np.ndarray:
    """(T, K) squared Mahalanobis distance to where motion takes each."""
    return motion.gating_distance(tracklets.means, tracklets.covariances, motion.measure(seen.boxes))


def _gates(tracklets: Tracklets, rules: AssociationRules) -> np.ndarray:
    """(T,) the target's opens while it is lost, beyond what the filter's own doubt adds."""
    return rules.gate * (1 + rules.gate_growth * tracklets.missed * tracklets.is_target)

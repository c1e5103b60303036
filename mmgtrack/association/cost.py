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
    blind = np.abs(tracklets.scores[:, None] - seen.scores)
    blind *= rules.score_weight
    blind += np.minimum(apart * (rules.motion_weight / rules.gate), rules.motion_weight)
    rest = rules.motion_weight + rules.score_weight
    cost = blind + rules.appearance_weight * appearance
    cost /= rules.appearance_weight + rest
    unknown = np.isnan(cost)
    cost[unknown] = blind[unknown] / rest
    return cost


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
    inter = _intersection(boxes, others)
    return inter / (_areas(boxes)[:, None] + _areas(others) - inter)


def contained(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection (T, K) of boxes (T, 4) and others (K, 4) xyxy, as a share of the smaller area."""
    return _intersection(boxes, others) / np.minimum(_areas(boxes)[:, None], _areas(others))


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _intersection(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(T, K) common area."""
    return _common(boxes[:, [0, 2]], others[:, [0, 2]]) * _common(boxes[:, [1, 3]], others[:, [1, 3]])


def _common(spans: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(T, K) length that spans (T, 2) and others (K, 2) share."""
    upper = np.minimum(spans[:, 1, None], others[:, 1])
    return np.maximum(upper - np.maximum(spans[:, 0, None], others[:, 0]), 0)


def _motion_distance(tracklets: Tracklets, seen: Observations) -> np.ndarray:
    """(T, K) squared Mahalanobis distance to where motion takes each."""
    return motion.gating_distance(tracklets.means, tracklets.covariances, motion.measure(seen.boxes))


def _gates(tracklets: Tracklets, rules: AssociationRules) -> np.ndarray:
    """(T,) the target's opens while it is lost, beyond what the filter's own doubt adds."""
    return rules.gate * (1 + rules.gate_growth * tracklets.missed * tracklets.is_target)

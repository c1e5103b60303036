"""Fit score -> probability of presence, and the threshold that decides."""

import numpy as np
from scipy.optimize import minimize

from mmgtrack.errors import DataError
from mmgtrack.structures.calibration import EDGE, Calibration


def fit_calibration(scores: np.ndarray, present: np.ndarray) -> Calibration:
    """Platt scaling on log-odds by maximum likelihood, and the threshold of the best geometric mean.

    scores: (n,) raw scores of the chosen boxes, in [0, 1]; present: (n,) bool, whether the target was
    there. Both classes weigh the same, since how often a target is absent differs from video to video;
    labels are smoothed as in Platt 1999. The threshold maximises sqrt(TPR * TNR) (OxUvA's measure).
    """
    scores, present = np.asarray(scores, dtype=float), np.asarray(present, dtype=bool)
    if scores.shape != present.shape or not present.any() or present.all():
        raise DataError(
            'calibration needs frames with and without the target, got '
            f'{int(present.sum())} with and {int((~present).sum())} without: label some that lack it, or add '
            'a second video, whose frames are such'
        )
    clipped = scores.clip(EDGE, 1 - EDGE)
    log_odds = np.log(clipped / (1 - clipped))
    counts = np.array([(~present).sum(), present.sum()])
    smoothed = np.where(present, (counts[1] + 1) / (counts[1] + 2), 1 / (counts[0] + 2))
    weights = np.where(present, 0.5 / counts[1], 0.5 / counts[0])

    def loss(parameters: np.ndarray) -> float:
        logits = np.exp(parameters[0]) * log_odds + parameters[1]  # exp keeps the scale positive
        return float(np.sum(weights * (np.logaddexp(0, logits) - smoothed * logits)))

    log_scale, offset = minimize(loss, np.zeros(2), method='Nelder-Mead').x
    fitted = Calibration(scale=float(np.exp(log_scale)), offset=float(offset))
    probability = 1 / (1 + np.exp(-(fitted.scale * log_odds + fitted.offset)))
    threshold = best_threshold(probability, present)
    return Calibration(scale=fitted.scale, offset=fitted.offset, threshold=threshold)


def best_threshold(probability: np.ndarray, present: np.ndarray) -> float:
    """The threshold with the largest sqrt(TPR * TNR), midway between the two scores it separates."""
    values = np.unique(probability)
    if len(values) == 1:
        return float(values[0])
    thresholds = (values[1:] + values[:-1]) / 2
    order = np.sort(probability[present]), np.sort(probability[~present])
    true_positive = 1 - np.searchsorted(order[0], thresholds) / len(order[0])
    true_negative = np.searchsorted(order[1], thresholds) / len(order[1])
    return float(thresholds[np.argmax(true_positive * true_negative)])

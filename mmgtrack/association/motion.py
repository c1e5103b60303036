"""mmdet's Kalman filter for many boxes at once.

State of a box: (cx, cy, w / h, h) and its change a frame. The matrices are mmdet's own, asked for once: every
noise of it is a constant plus a part that grows with h squared. Arrays are float64; no loop over boxes.
"""

import numpy as np
from mmdet.models.task_modules.tracking import KalmanFilter

SMALLEST = np.array([1e-3, 1.0])
"""Aspect and height (pixels), the least that is predicted: a box of no size has neither place nor doubt."""

_FILTER = KalmanFilter()
_MOTION = np.stack([_FILTER.predict(unit, np.zeros((8, 8)))[0] for unit in np.eye(8)], axis=1)


def _noises(height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariances of a new box, of a step and of a measurement, at a height."""
    mean = np.zeros(8)
    mean[3] = height
    still = np.zeros((8, 8))
    return _FILTER.initiate(mean[:4])[1], _FILTER.predict(mean, still)[1], _FILTER.project(mean, still)[1]


_CONSTANT = _noises(0.0)
_GROWING = tuple(unit - constant for unit, constant in zip(_noises(1.0), _CONSTANT, strict=True))


def _noise(kind: int, heights: np.ndarray) -> np.ndarray:
    """(R, n, n) covariances of one kind at heights (R,)."""
    return _CONSTANT[kind] + _GROWING[kind] * heights[:, None, None] ** 2


def measure(boxes: np.ndarray) -> np.ndarray:
    """Boxes (R, 4) xyxy to measurements (R, 4): cx, cy, w / h, h."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    return np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, sizes[:, 0] / sizes[:, 1], sizes[:, 1]])


def boxes_of(means: np.ndarray) -> np.ndarray:
    """Boxes (R, 4) xyxy of means (R, 8)."""
    half = np.column_stack([means[:, 2] * means[:, 3], means[:, 3]]) / 2
    return np.column_stack([means[:, :2] - half, means[:, :2] + half])


def initiate(measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (R, 8) and covariances (R, 8, 8) of boxes seen once; measured: (R, 4)."""
    return np.column_stack([measured, np.zeros_like(measured)]), _noise(0, measured[:, 3])


def predict(means: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (R, 8) and covariances (R, 8, 8) one frame later."""
    covariances = _MOTION @ covariances @ _MOTION.T + _noise(1, means[:, 3])
    return means @ _MOTION.T, covariances


def update(means: np.ndarray, covariances: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances after measurements (R, 4), one for each row."""
    projected = _projected(means, covariances)
    # the filter observes the first four of eight values
    gain = np.linalg.solve(projected, covariances[:, :4]).swapaxes(1, 2)
    innovation = measured - means[:, :4]
    means = means + (gain @ innovation[..., None])[..., 0]
    return means, covariances - gain @ projected @ gain.swapaxes(1, 2)


def gating_distance(means: np.ndarray, covariances: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance (R, K) of rows to measurements (K, 4)."""
    # the four values are independent: the filter joins each with its own change only
    scales = 1 / np.sqrt(np.diagonal(_projected(means, covariances), axis1=1, axis2=2))
    total = np.zeros((len(means), len(measured)))
    for expected, found, scale in zip(means[:, :4].T, measured.T, scales.T, strict=True):
        offset = expected[:, None] - found
        offset *= scale[:, None]
        offset *= offset
        total += offset
    return total


def _projected(means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """(R, 4, 4) covariance of what would be measured."""
    return covariances[:, :4, :4] + _noise(2, means[:, 3])

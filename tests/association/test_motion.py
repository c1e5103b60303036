"""The filter for many boxes is mmdet's for each."""

import numpy as np
import pytest
from mmdet.models.task_modules.tracking import KalmanFilter

from mmgtrack.association import motion

BOXES = np.array([[10, 20, 40, 80], [0, 0, 3, 2], [-50, 900, 1900, 1000], [5.5, 6.25, 300, 9.75]])


def test_many_boxes_are_filtered_as_mmdet_filters_each() -> None:
    rng = np.random.default_rng(0)
    one = KalmanFilter()
    means, covariances = motion.initiate(motion.measure(BOXES))
    expected = [one.initiate(measured) for measured in motion.measure(BOXES)]
    for _ in range(20):
        means, covariances = motion.predict(means, covariances)
        expected = [one.predict(*state) for state in expected]
        found = motion.measure(BOXES + rng.normal(0, 0.5, BOXES.shape))
        distances = motion.gating_distance(means, covariances, found)
        np.testing.assert_allclose(
            distances, [one.gating_distance(*state, found) for state in expected], rtol=1e-9
        )
        means, covariances = motion.update(means, covariances, found)
        expected = [one.update(*state, m) for state, m in zip(expected, found, strict=True)]
        np.testing.assert_allclose(means, [mean for mean, _ in expected], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(covariances, [c for _, c in expected], rtol=1e-9, atol=1e-9)


def test_what_is_measured_is_independent() -> None:
    """So that the distance needs no inverse: the filter never joins one value with another."""
    means, covariances = motion.initiate(motion.measure(BOXES))
    for _ in range(5):
        means, covariances = motion.update(*motion.predict(means, covariances), motion.measure(BOXES))
    joined = np.abs(covariances) > 0
    related = np.eye(8, dtype=bool) | np.eye(8, k=4, dtype=bool) | np.eye(8, k=-4, dtype=bool)
    assert not (joined & ~related).any() and joined[:, related].all()


@pytest.mark.parametrize('boxes', [BOXES, BOXES[:1], BOXES[:0]])
def test_boxes_come_back(boxes: np.ndarray) -> None:
    means, covariances = motion.initiate(motion.measure(boxes))
    np.testing.assert_allclose(motion.boxes_of(means), boxes, atol=1e-12)
    assert covariances.shape == (len(boxes), 8, 8)
    assert motion.gating_distance(means, covariances, motion.measure(BOXES)).shape == (len(boxes), 4)


def test_a_steady_pace_is_learnt() -> None:
    means, covariances = motion.initiate(motion.measure(BOXES[:1]))
    for frame in range(1, 30):
        means, covariances = motion.predict(means, covariances)
        means, covariances = motion.update(
            means, covariances, motion.measure(BOXES[:1] + frame * np.array([3, -2, 3, -2]))
        )
    assert means[0, 4:6] == pytest.approx([3, -2], abs=0.02)

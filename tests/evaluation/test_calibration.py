"""Calibration: recovers a known curve, and refuses what cannot be fitted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation import best_threshold, fit_calibration
from mmgtrack.structures import Calibration


def test_recovers_the_curve_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0, 2, 40000)
    scores = 1 / (1 + np.exp(-log_odds))
    present = rng.random(len(scores)) < 1 / (1 + np.exp(-1.7 * log_odds))  # balanced by symmetry
    fitted = fit_calibration(scores, present)
    assert fitted.scale == pytest.approx(1.7, rel=0.05)
    assert fitted.offset == pytest.approx(0.0, abs=0.05)
    assert fitted.threshold == pytest.approx(0.5, abs=0.1)


def test_classes_weigh_the_same() -> None:
    """Ten times as many present frames do not move the curve."""
    rng = np.random.default_rng(1)
    there, gone = rng.beta(5, 2, 4000), rng.beta(2, 5, 4000)
    few = fit_calibration(np.r_[there[:400], gone], np.r_[np.ones(400, bool), np.zeros(4000, bool)])
    many = fit_calibration(np.r_[there, gone], np.r_[np.ones(4000, bool), np.zeros(4000, bool)])
    assert few.offset == pytest.approx(many.offset, abs=0.15)


@pytest.mark.parametrize('present', [[True, True], [False, False]])
def test_one_class_is_refused(present: list[bool]) -> None:
    with pytest.raises(DataError, match='with and without'):
        fit_calibration(np.array([0.2, 0.9]), np.array(present))


@pytest.mark.parametrize(
    ('probability', 'present', 'threshold'),
    [
        ([0.1, 0.2, 0.8, 0.9], [False, False, True, True], 0.5),
        ([0.1, 0.6, 0.4, 0.9], [False, False, True, True], 0.25),  # sqrt(1/2 * 1) either way: first
        ([0.3, 0.3], [False, True], 0.3),
    ],
)
def test_best_threshold(probability: list, present: list, threshold: float) -> None:
    assert best_threshold(np.array(probability), np.array(present)) == pytest.approx(threshold)


@given(st.floats(0.1, 10), st.floats(-5, 5), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_order_is_kept_and_range_is_a_probability(scale: float, offset: float, scores: list) -> None:
    values = torch.tensor(scores, dtype=torch.float64).sort().values
    probability = Calibration(scale, offset)(values)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (probability.diff() >= 0).all()


def test_the_default_changes_nothing() -> None:
    scores = torch.tensor([0.0, 0.3, 1.0])
    assert torch.equal(Calibration()(scores), scores)


@pytest.mark.parametrize(
    'values', [dict(scale=0.0), dict(scale=-1.0), dict(offset=float('nan')), dict(threshold=1.5)]
)
def test_senseless_values_are_refused(values: dict) -> None:
    with pytest.raises(InputError):
        Calibration(**values)

"""The GOT-10k toolkit's rule for other benchmarks, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules import boxes as geometry
from mmgtrack.evaluation.rules.got10k_toolkit import (
    Got10kToolkitLasotRule,
    Got10kToolkitRule,
    frame_errors,
    overlaps,
)
from mmgtrack.evaluation.rules.one_pass import OnePassPart

RULE, UAV, LASOT = Got10kToolkitRule(), Got10kToolkitRule(drops_nan=True), Got10kToolkitLasotRule()
NAN = float('nan')
BOX = [11, 11, 10, 10]
HALF = [11, 11, 10, 5]
FAR = [211, 11, 10, 10]


def boxes(*rows: list) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def part_of(rule: Got10kToolkitRule, truth: list, result: list) -> OnePassPart:
    return rule.measure(BoxTruth('bird1_1', boxes(*truth)), boxes(*result))


@pytest.mark.parametrize(
    ('rule', 'truth', 'result', 'success', 'precision'),
    [
        (RULE, [BOX, BOX], [FAR, BOX], 20 / 21, 1.0),  # row 0 is the truth
        (RULE, [BOX, BOX], [BOX, HALF], 30 / 42, 1.0),
        (RULE, [BOX, BOX, BOX], [BOX, FAR], 20 / 42, 0.5),  # the missing row is not counted
        (RULE, [BOX, BOX], [BOX, FAR, FAR], 20 / 42, 0.5),
        (RULE, [BOX, [NAN] * 4], [BOX, BOX], 20 / 42, 0.5),  # a miss
        (UAV, [BOX, [NAN] * 4], [BOX, BOX], 20 / 21, 1.0),  # not counted
        (UAV, [BOX, [11, NAN, 10, 10]], [BOX, FAR], 20 / 21, 1.0),
        (UAV, [BOX, BOX], [BOX, [NAN] * 4], 20 / 42, 0.5),
        (RULE, [BOX, [11, 11, 0, 0]], [BOX, [11, 11, 9, 9]], 20 / 42, 1.0),  # an ordinary frame
        (RULE, [BOX, [-5, 11, 10, 10]], [BOX, [-5, 11, 10, 10]], 20 / 21, 1.0),
        (LASOT, [BOX, [NAN] * 4], [BOX, FAR], 20 / 21, 1.0),
    ],
)
def test_scores(rule: Got10kToolkitRule, truth: list, result: list, success: float, precision: float) -> None:
    found = part_of(rule, truth, result).scores.values
    assert (found['success'], found['precision']) == pytest.approx((success, precision))


def test_normalised_precision_is_the_mean_of_its_curve() -> None:
    perfect = part_of(LASOT, [BOX, BOX], [BOX, BOX])
    shifted = part_of(LASOT, [BOX, BOX], [BOX, [13.55, 11, 10, 10]])  # 0.255 widths: 25 of 51 thresholds pass
    assert perfect.scores.values['norm_precision'] == 1.0
    assert shifted.scores.values['norm_precision'] == pytest.approx((51 + 25) / 102)
    assert LASOT.total([perfect, shifted]).values['norm_precision'] == pytest.approx((102 + 76) / 204)
    assert 'norm_precision' not in part_of(RULE, [BOX], [BOX]).scores.values


def test_normalised_errors_of_small_targets_are_in_pixels() -> None:
    found = frame_errors(boxes([11, 11, 10, 10.5]), boxes([11, 12, 0, 0.5]))
    assert found.normalised_errors == pytest.approx(found.errors)
    assert found.errors == pytest.approx(np.hypot(5, 4))


def test_sequences_without_a_frame_that_counts_are_nan() -> None:
    nothing = part_of(UAV, [[NAN] * 4], [BOX])
    assert np.isnan(list(nothing.scores.values.values())).all()
    assert np.isnan(UAV.total([part_of(UAV, [BOX], [BOX]), nothing]).values['success'])


def test_sequences_weigh_the_same() -> None:
    good, bad = part_of(RULE, [BOX] * 9, [BOX] * 9), part_of(RULE, [BOX] * 2, [BOX, FAR])
    assert RULE.total([good, bad, bad]).values['precision'] == pytest.approx(2 / 3)


COORDINATES = st.floats(-50, 50)
SIZES = st.floats(0.5, 40)
ROWS = st.lists(st.tuples(COORDINATES, COORDINATES, SIZES, SIZES), min_size=2, max_size=2)


@given(ROWS)
def test_boxes_with_and_without_the_last_pixel_overlap_the_same(rows: list) -> None:
    first, second = (boxes(list(row)) for row in rows)
    assert overlaps(first, second) == pytest.approx(geometry.overlaps(first, second), abs=1e-12)


def test_overlap_of_nothing_is_zero() -> None:
    assert overlaps(boxes([5, 5, 0, 0]), boxes([5, 5, 0, 0])).tolist() == [0]
    assert np.isnan(overlaps(boxes([NAN, 5, 1, 1]), boxes(BOX))).all()

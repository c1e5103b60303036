"""pytracking's rule by hand: each kind of frame, and results that are not as they should be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.benchmarks import find_protocol
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.one_pass import OVERLAPS_21
from mmgtrack.evaluation.rules.pytracking import OVERLAPS, TREATMENTS, PytrackingRule

NAN = float('nan')
BOX = [10, 20, 30, 40]
FAR = [500, 500, 30, 40]
EMPTY = [10, 20, 0, 40]
RULES = {
    'lasot': PytrackingRule('lasot'),
    'lasot_ext': PytrackingRule('lasot_ext'),
    'uav': PytrackingRule('uav'),
    'other': PytrackingRule('other'),
    'stark': PytrackingRule('other', valid_by='size'),
}


def truth(*boxes: list[float], absent: list[int] | None = None) -> BoxTruth:
    flags = np.zeros(len(boxes), bool) if absent is None else np.array(absent, bool)
    return BoxTruth('zebra-1', np.array(boxes, float), flags)


def rows(*boxes: list[float]) -> np.ndarray:
    return np.array(boxes, float)


@pytest.mark.parametrize('rule', RULES.values(), ids=RULES)
def test_perfect_tracker(rule: PytrackingRule) -> None:
    values = rule.measure(truth(BOX, BOX), rows(BOX, BOX)).scores.values
    assert set(rule.columns) == set(values)
    assert values['success'] == pytest.approx(20 / 21)  # IoU 1 exceeds every threshold but 1 itself
    assert values['precision'] == values['norm_precision'] == values['success_0.5'] == 1


# Of two frames the first is perfect: 0.5 is a miss of the second, 1 a hit.
@pytest.mark.parametrize(
    ('rule', 'box', 'absent', 'success', 'precision', 'norm_precision'),
    [
        ('lasot', BOX, 1, 0.5, 0.5, 0.5),
        ('lasot', EMPTY, 0, 0.5, 0.5, 1.0),
        ('lasot', [-1, 20, 30, 40], 0, 0.5, 0.5, 1.0),
        ('lasot_ext', BOX, 1, 0.5, 0.5, 1.0),
        ('uav', [NAN] * 4, 0, 0.5, 1.0, 1.0),
        ('uav', EMPTY, 0, 0.5, 1.0, 1.0),
        ('uav', BOX, 1, 1.0, 1.0, 1.0),  # flags are not looked at
        ('other', EMPTY, 0, 0.5, 0.5, 1.0),
        ('other', [0, 20, 30, 40], 0, 0.5, 0.5, 1.0),
        ('other', BOX, 1, 1.0, 1.0, 1.0),
        ('stark', [0, 20, 30, 40], 0, 1.0, 1.0, 1.0),
        ('stark', EMPTY, 0, 0.5, 0.5, 1.0),
    ],
)
def test_invalid_frames(
    rule: str, box: list, absent: int, success: float, precision: float, norm_precision: float
) -> None:
    result = rows(BOX, FAR if np.isnan(box).any() else np.maximum(box, -1))
    part = RULES[rule].measure(truth(BOX, box, absent=[0, absent]), result)
    values = part.scores.values
    found = (values['success_0.5'], values['precision'], values['norm_precision'])
    assert found == (success, precision, norm_precision)
    assert (part.frames.overlaps[1] == -1) == (success == 0.5)


@pytest.mark.parametrize(
    ('dataset', 'norm_precision'),
    [('lasot', 1.0), ('lasot_ext', 2.0), ('other', 1.0)],
)
def test_valid_frames_alone(dataset: str, norm_precision: float) -> None:
    """The hits of invalid frames stay in the numerator: more than all."""
    rule = PytrackingRule(dataset, exclude_invalid=True)
    values = rule.measure(truth(BOX, BOX, absent=[0, 1]), rows(BOX, BOX)).scores.values
    assert values['success_0.5'] == 1
    assert values['norm_precision'] == norm_precision


@pytest.mark.parametrize(
    ('result', 'overlaps'),
    [
        (rows(FAR, BOX, BOX, BOX), [1, 1, 1, 1]),  # row 0 is the truth
        (rows(BOX, BOX, EMPTY, EMPTY), [1, 1, 1, 1]),  # repeats the row before, repaired
        (rows(BOX, FAR, EMPTY, BOX), [1, 0, 0, 1]),
        (rows(FAR, EMPTY, BOX, BOX), [1, 0, 1, 1]),  # of row 0 as it was written
        (rows(BOX, BOX), [1, 1, 0, 0]),  # padded after the repair
        (rows(BOX, BOX, BOX, BOX, FAR), [1, 1, 1, 1]),
    ],
)
def test_repairs(result: np.ndarray, overlaps: list[float]) -> None:
    before = result.copy()
    part = RULES['other'].measure(truth(BOX, BOX, BOX, BOX), result)
    assert part.frames.overlaps.tolist() == overlaps
    np.testing.assert_array_equal(result, before)


def test_truth_with_nan_stops_a_repair() -> None:
    """The empty row stays, and the one after it repeats it."""
    annotated = truth(BOX, [NAN] * 4, BOX)
    assert RULES['uav'].measure(annotated, rows(BOX, EMPTY, EMPTY)).frames.overlaps.tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ('rule', 'annotated', 'result', 'message'),
    [
        ('other', truth(BOX, BOX), rows(BOX, [1, 2, NAN, 4]), r'zebra-1: .*nan.* in line 2'),
        ('other', truth(BOX, BOX), rows(BOX, [1, 2, 3, -4]), r'-4.* in line 2'),
        ('other', truth(BOX), rows(BOX, [1, 2, 3, -4]), 'in line 2'),  # though it would be cut off
        ('other', truth(BOX), rows(BOX, EMPTY), r'expected 1 rows.* line 2'),
        ('other', truth(BOX, [NAN] * 4), rows(BOX, BOX), r'nan in line 2; .*uav'),
        ('lasot', truth(BOX, [NAN] * 4), rows(BOX, BOX), 'nan in line 2'),
        ('lasot', truth(BOX, BOX), rows(BOX), 'expected 2 rows, got 1'),
        ('lasot', replace(truth(BOX), absent=None), rows(BOX), 'expected flags'),
        ('lasot_ext', replace(truth(BOX), absent=None), rows(BOX), 'expected flags'),
    ],
)
def test_refused(rule: str, annotated: BoxTruth, result: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        RULES[rule].measure(annotated, result)


def test_nothing_to_divide_by() -> None:
    with pytest.raises(DataError, match='valid annotation'):
        PytrackingRule(exclude_invalid=True).measure(truth(EMPTY), rows(BOX))
    with pytest.raises(DataError, match='valid annotation'):
        RULES['other'].measure(BoxTruth('none', np.zeros((0, 4))), rows(BOX))


def test_absent_everywhere() -> None:
    values = RULES['lasot'].measure(truth(BOX, BOX, absent=[1, 1]), rows(BOX, BOX)).scores.values
    assert set(values.values()) == {0.0}


def test_mean_of_sequences() -> None:
    """Each counts the same, whatever its length; one that is drawn twice counts twice."""
    rule = RULES['other']
    good = rule.measure(truth(BOX, BOX, BOX, BOX), rows(BOX, BOX, BOX, BOX))
    half = rule.measure(truth(BOX, BOX), rows(BOX, FAR))
    assert rule.total([good, half]).values['precision'] == 0.75
    assert rule.total([good, half, half]).values['precision'] == pytest.approx(2 / 3)
    assert rule.total([half]).values == half.scores.values


def test_thresholds() -> None:
    """Those of torch.arange in float64."""
    assert np.flatnonzero(OVERLAPS != OVERLAPS_21).tolist() == [13, 15]
    assert OVERLAPS[[13, 15]].tolist() == [np.nextafter(0.65, 1), np.nextafter(0.75, 1)]
    assert OVERLAPS[10] == 0.5


def test_ties() -> None:
    """An error of exactly 20 px is a hit, an IoU of exactly 0.5 is a miss."""
    annotated = truth(BOX, [10, 20, 100, 40])
    values = RULES['other'].measure(annotated, rows(BOX, [30, 20, 100, 40])).scores.values
    assert values['precision'] == 1
    values = RULES['other'].measure(annotated, rows(BOX, [10, 20, 50, 40])).scores.values
    assert values['success_0.5'] == 0.5


def test_a_nan_in_a_valid_truth_is_a_miss() -> None:
    """STARK's fork asks for a size alone; the program's minimum and maximum keep the nan of x."""
    rule = PytrackingRule('uav', valid_by='size')
    frames = rule.measure(truth(BOX, [NAN, *BOX[1:]]), rows(BOX, BOX)).frames
    assert frames is not None
    np.testing.assert_array_equal(frames.overlaps, [1, NAN])


BOXES = arrays(float, (6, 4), elements=st.integers(0, 40).map(float))


@given(BOXES, BOXES, arrays(bool, 6), st.sampled_from(sorted(TREATMENTS)))
@settings(max_examples=50, deadline=None)
def test_curves(boxes: np.ndarray, result: np.ndarray, absent: np.ndarray, dataset: Any) -> None:
    annotated = BoxTruth('any', boxes, absent)
    part = PytrackingRule(dataset).measure(annotated, result)
    rising = (-part.success, part.precision, part.normalised_precision)
    assert all((np.diff(curve) >= 0).all() for curve in rising)
    assert all(abs(curve).max() <= 1 for curve in rising)
    result[0, :2] += 100
    result[0, 2:] = boxes[0, 2:]
    if (result[1, 2:] > 0).all():  # row 0 is not looked at, unless row 1 repeats it
        np.testing.assert_array_equal(
            PytrackingRule(dataset).measure(annotated, result).success, part.success
        )


@pytest.mark.parametrize('rule', RULES.values(), ids=RULES)
def test_says_what_it_does(rule: PytrackingRule) -> None:
    assert '@' in rule.program
    assert '\n' not in rule.text


def test_reads_a_folder(tmp_path: Path) -> None:
    (tmp_path / 'zebra-1.txt').write_text('10\t20\t30\t40\n1\t2\t3\t4\n')
    read = RULES['other'].read(ResultFiles(tmp_path), truth(BOX))
    assert read.tolist() == [BOX, [1, 2, 3, 4]]


def test_frames_that_the_program_leaves_out() -> None:
    truth = BoxTruth('Tiger1', np.array([[10.0 * k + 10, 10, 20, 20] for k in range(8)]))
    rule = PytrackingRule(init_omit=(('Tiger1', 5),))
    part = rule.measure(truth, truth.boxes[5:])
    assert part.scores.values['success'] == pytest.approx(20 / 21)
    assert part.frames is not None and len(part.frames.overlaps) == 3
    assert rule.text.endswith('; Tiger1 begins with row 5')
    assert dict(find_protocol('otb2015@pytracking').rule.init_omit) == {'Tiger1': 5}

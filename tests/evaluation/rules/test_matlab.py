"""The MATLAB rules by hand: what is repaired, what is a hit, what is divided by what."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.rules.matlab import (
    LasotMatlabRule,
    MatlabRule,
    OtbMatlabRule,
    mean_of_valid,
    repaired,
)
from mmgtrack.evaluation.rules.one_pass import OnePassPart

LASOT, OTB = LasotMatlabRule(), OtbMatlabRule()
NAN = float('nan')
BOX = [11, 11, 10, 10]
HALF = [11, 11, 10, 5]  # IoU 0.5 exactly, error 2.5
FAR = [211, 11, 10, 10]
NOTHING = [0, 0, 0, 0]


def boxes(*rows: list) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def part_of(rule: MatlabRule, truth: list, result: list, absent: list | None = None) -> OnePassPart:
    flags = None if absent is None else np.array(absent, dtype=bool)
    return rule.measure(BoxTruth('car-9', boxes(*truth), flags), boxes(*result))


@pytest.mark.parametrize('rule', [LASOT, OTB])
@pytest.mark.parametrize(
    ('truth', 'result', 'success', 'precision'),
    [
        ([BOX, BOX], [BOX, BOX], 20 / 21, 1.0),  # IoU 1 does not exceed the threshold 1
        ([BOX, BOX], [FAR, FAR], 20 / 42, 0.5),  # row 0 is the truth
        ([BOX, BOX], [BOX, HALF], (20 + 10) / 42, 1.0),
        ([BOX, BOX], [BOX, [23, 27, 10, 10]], 20 / 42, 1.0),  # error 20 exactly
        ([BOX, BOX], [BOX, [23, 27, 10, 10.5]], 20 / 42, 0.5),
        ([BOX, NOTHING], [BOX, FAR], 20 / 42, 1.0),  # an invalid frame is a miss and a hit
        ([BOX, [0, 11, 10, 10]], [BOX, FAR], 20 / 42, 1.0),
        ([BOX, [NAN] * 4], [BOX, FAR], 20 / 42, 1.0),
        ([BOX, BOX], [BOX, NOTHING], 20 / 21, 1.0),  # repeats the row before
        ([BOX, BOX, BOX], [FAR, [NAN] * 4, [11, 11, -1, 10]], 20 / 63, 1 / 3),  # as it was written
        ([BOX, BOX], [BOX, BOX, FAR, FAR], 20 / 21, 1.0),  # cut
    ],
)
def test_scores_by_both(
    rule: MatlabRule, truth: list, result: list, success: float, precision: float
) -> None:
    found = part_of(rule, truth, result).scores.values
    assert (found['success'], found['precision']) == pytest.approx((success, precision), abs=1e-15)


@pytest.mark.parametrize(
    ('row', 'by_lasot', 'by_otb'),
    [
        ([NAN, 11, 10, 10], (1, 0), (1, NAN)),  # in OTB a nan x spans the width of the truth
        ([NAN, 11, 10, 5], (1, 0), (0.5, NAN)),
        ([11, 11, NAN, 10], (1, 0), (NAN, NAN)),
        ([NAN, NAN, NAN, -1], (1, 0), (1, 0)),
        ([NAN] * 4, (1, 0), (1, 0)),
        ([300, 300, 0, 5], (1, 0), (1, 0)),
        ([300, 300, 5, 0], (1, 0), (1, 0)),
    ],
)
def test_broken_rows(row: list, by_lasot: tuple, by_otb: tuple) -> None:
    for rule, expected in ((LASOT, by_lasot), (OTB, by_otb)):
        frames = part_of(rule, [BOX, BOX], [BOX, row]).frames
        assert frames is not None
        assert (frames.overlaps[1], frames.errors[1]) == pytest.approx(expected, nan_ok=True)


def test_nothing_is_repaired_where_the_truth_has_a_nan() -> None:
    truth = [BOX, [NAN, 11, 10, 10], BOX]
    frames = part_of(LASOT, truth, [BOX, [300, 300, 0, 5], [NAN] * 4]).frames
    assert frames is not None
    assert frames.overlaps.tolist() == [1, -1, 0]  # row 2 repeats the broken row 1


def test_absent_frames_leave_the_numerator_alone() -> None:
    part = part_of(LASOT, [BOX] * 4, [BOX] * 4, [0, 1, 1, 0])
    values = part.scores.values
    assert values['success'] == pytest.approx(20 / 42)
    assert values['precision'] == values['norm_precision'] == 0.5
    assert part.frames is not None and len(part.frames.overlaps) == 2
    otb = part_of(OTB, [BOX] * 4, [BOX] * 4, [0, 1, 1, 0])
    assert otb.scores.values['precision'] == 1.0 and 'norm_precision' not in otb.scores.values


def test_normalised_errors_are_in_sizes_of_the_truth() -> None:
    frames = part_of(LASOT, [BOX, [100, 100, 40, 20]], [BOX, [112, 108, 40, 20]]).frames
    assert frames is not None and frames.normalised_errors is not None
    assert frames.normalised_errors.tolist() == pytest.approx([0, 0.5])


def test_zero_curves_are_left_out_of_the_mean() -> None:
    good = part_of(LASOT, [BOX] * 2, [BOX] * 2)
    invalid = part_of(LASOT, [NOTHING] * 2, [BOX] * 2)
    absent = part_of(LASOT, [BOX] * 2, [BOX] * 2, [1, 1])
    total = LASOT.total([good, invalid]).values
    assert total['success'] == pytest.approx(20 / 21) and total['precision'] == 1.0
    assert LASOT.total([good, good, absent]).values == pytest.approx(good.scores.values)
    nothing = LASOT.total([absent]).values
    assert np.isnan(list(nothing.values())).all()


def test_repeated_parts_count_repeatedly() -> None:
    good, bad = part_of(OTB, [BOX] * 2, [BOX] * 2), part_of(OTB, [BOX] * 2, [BOX, FAR])
    assert OTB.total([good, bad, bad]).values['precision'] == pytest.approx(2 / 3)
    assert list(OTB.total([good]).values) == ['success', 'success_0.5', 'success_0.75', 'precision']


def test_means_of_valid_frames_are_divided_by_all() -> None:
    frames = part_of(OTB, [BOX, NOTHING, BOX, BOX], [BOX, FAR, HALF, BOX]).frames
    assert frames is not None
    assert mean_of_valid(frames, 'overlaps') == pytest.approx(2.5 / 4)
    assert mean_of_valid(frames, 'errors') == pytest.approx(2.5 / 4)


@pytest.mark.parametrize('rule', [LASOT, OTB])
def test_refusals(rule: MatlabRule) -> None:
    with pytest.raises(DataError, match=r'car-9: expected 3 rows, one a frame, got 2'):
        part_of(rule, [BOX] * 3, [BOX] * 2)
    with pytest.raises(DataError, match='car-9: expected annotated frames'):
        part_of(rule, [], [])


def test_results_are_read_and_not_changed(tmp_path: Path) -> None:
    (tmp_path / 'car-9.txt').write_text('1,2,3,4\n5,6,NaN,8\n')
    results = ResultFiles(tmp_path)
    read = LASOT.read(results, BoxTruth('car-9', boxes(BOX, BOX)))
    np.testing.assert_array_equal(read, [[1, 2, 3, 4], [5, 6, NAN, 8]])
    before = read.copy()
    LASOT.measure(BoxTruth('car-9', boxes(BOX, BOX)), read)
    np.testing.assert_array_equal(read, before)
    with pytest.raises(MissingResultError, match='car-10'):
        LASOT.read(results, BoxTruth('car-10', boxes(BOX)))


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_broken_row_becomes_the_row_before(broken: list[bool]) -> None:
    rows = np.arange(4.0 * len(broken)).reshape(-1, 4)
    expected = rows.copy()
    for i in range(1, len(rows)):
        if broken[i]:
            expected[i] = expected[i - 1]
    assert np.array_equal(repaired(rows, np.array(broken)), expected)

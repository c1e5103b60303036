"""Longest stretches by hand and by trying all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.lsm import PERCENTS, TlpPart, TlpRule, longest_subsequence
from mmgtrack.evaluation.rules.matlab import OtbMatlabRule

RULE = TlpRule()
BOX = [11, 11, 10, 10]
FAR = [211, 11, 10, 10]


@pytest.mark.parametrize(
    ('ok', 'percent', 'expected'),
    [
        ('', 95, 0),
        ('0', 95, 0),
        ('1', 95, 1),
        ('000', 1, 0),
        ('0110', 100, 2),
        ('0110', 50, 4),
        ('10001', 50, 2),
        ('1110111', 85, 7),  # 6 of 7 are 85.7 %
        ('1110111', 86, 3),
        ('1' * 10 + '0' + '1' * 9, 95, 20),  # 95 % exactly
        ('1' * 10 + '0' + '1' * 8, 95, 10),
        ('1' * 9 + '0', 90, 10),
    ],
)
def test_longest_runs(ok: str, percent: int, expected: int) -> None:
    assert longest_subsequence(np.array([c == '1' for c in ok], dtype=bool), percent) == expected


@given(st.lists(st.booleans(), max_size=25), st.integers(1, 100))
def test_longest_runs_by_trying_all(ok: list[bool], percent: int) -> None:
    good = [
        j - i
        for i in range(len(ok))
        for j in range(i + 1, len(ok) + 1)
        if 100 * sum(ok[i:j]) >= percent * (j - i)
    ]
    assert longest_subsequence(np.array(ok, dtype=bool), percent) == max(good, default=0)


def part_of(ok: str, absent: str | None = None) -> TlpPart:
    flags = None if absent is None else np.array([c == '1' for c in absent])
    rows = np.array([BOX if c == '1' else FAR for c in ok], dtype=np.float64)
    return RULE.measure(BoxTruth('Alladin', np.tile(np.float64(BOX), (len(ok), 1)), flags), rows)


def test_it_is_a_share_of_all_frames() -> None:
    part = part_of('1' * 10 + '0' * 30)
    assert part.scores.values['lsm_0.95'] == 0.25 and part.scores.values['precision'] == 0.25
    assert part.scores.curves['lsm'].tolist() == [part.lsm[i] for i in range(len(PERCENTS))]
    assert part.scores.curves['lsm'][[0, -1]].tolist() == [0.5, 0.25]


def test_absent_frames_are_misses_and_row_0_a_hit() -> None:
    assert part_of('1111').scores.values['lsm_0.95'] == 1.0
    assert part_of('1111', '0100').scores.values['lsm_0.95'] == 0.5
    assert part_of('0100').scores.values['lsm_0.95'] == 0.5


@pytest.mark.parametrize(
    ('row', 'tracked'),
    [
        ([0, 11, 10, 10], True),  # at the border the curves of OTB see no truth, LSM does
        ([11, -3, 10, 10], True),
        ([11, 11, 0, 10], False),
        ([11, 11, 10, float('nan')], False),
        ([float('nan'), 11, 10, 10], False),
        ([float('nan')] * 4, False),
    ],
)
def test_frames_of_which_the_truth_is_odd(row: list, tracked: bool) -> None:
    truth = np.array([BOX, row, BOX], dtype=np.float64)
    found = RULE.measure(BoxTruth('Alladin', truth), np.where(np.isnan(truth), 11, truth))
    assert found.tracked.tolist() == [True, tracked, True]
    assert found.one_pass.scores.values['success_0.5'] == 2 / 3
    assert found.scores.values['lsm_0.95'] == (1 if tracked else pytest.approx(1 / 3))


def test_row_0_counts_whatever_its_truth_says() -> None:
    truth = BoxTruth('Alladin', np.array([[0.0] * 4, BOX]), np.array([True, False]))
    assert RULE.measure(truth, truth.boxes).tracked.tolist() == [True, True]


def test_half_an_overlap_is_not_enough() -> None:
    rows = np.array([BOX, [11, 11, 10, 5]], dtype=np.float64)
    part = RULE.measure(BoxTruth('Alladin', np.tile(np.float64(BOX), (2, 1))), rows)
    assert part.scores.values['lsm_0.95'] == 0.5


def test_the_mean_of_sequences_beside_the_rule_of_otb() -> None:
    parts = [part_of('1111'), part_of('1' + '0' * 7), part_of('1' + '0' * 7)]
    total = RULE.total(parts).values
    assert total['lsm_0.95'] == pytest.approx((1 + 2 / 8) / 3)
    otb = OtbMatlabRule().total([part.one_pass for part in parts]).values
    assert {name: value for name, value in total.items() if name != 'lsm_0.95'} == otb
    assert set(RULE.columns) == set(total)


def test_short_results_are_refused() -> None:
    with pytest.raises(DataError, match='Alladin: expected 2 rows'):
        RULE.measure(BoxTruth('Alladin', np.ones((2, 4))), np.ones((1, 4)))

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory
from mmgtrack.evaluation.rules.vot_reset import VotResetRule, cut, short_runs_note
from mmgtrack.formats.vot_regions import Regions

HIT, MISS, HALF = (5, 5, 10, 10), (40, 5, 10, 10), (5, 5, 10, 5)
START, FAIL, SKIP = (1,), (2,), (0,)


def truth(count):
    return VotTruth('car', Regions.of([HIT] * count), None, {}, (64, 48))


def measure(rows, low=1, high=3):
    return VotResetRule(low, high).measure(truth(len(rows)), Trajectory(Regions.of(rows)))


@pytest.mark.parametrize(
    ('rows', 'expected'),
    [
        ([START, HIT, HIT], [(0, 3, False)]),
        ([START, HIT, FAIL, SKIP, START, HIT], [(0, 2, True), (4, 6, False)]),
        ([START, HIT, FAIL, SKIP], [(0, 2, True)]),
        ([START, FAIL, START, FAIL], [(0, 1, True), (2, 3, True)]),
    ],
)
def test_fragments(rows, expected):
    assert cut('car', Regions.of(rows)) == expected


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ([HIT, START], r'car: expected 1 \(initialisation\) in the first row'),
        ([START, FAIL, SKIP, FAIL], 'car: expected an initialisation before each of 2 failures'),
    ],
)
def test_impossible_runs(rows, message):
    with pytest.raises(DataError, match=message):
        cut('car', Regions.of(rows))


def test_by_hand():
    part = measure([START, HIT, HALF, FAIL, SKIP, START, HALF, HALF, HALF])
    # the failed fragment 0, 1, 1/2 is padded by zeros; the last one is 0, 1/2, 1/2, 1/2
    np.testing.assert_allclose(part.scores.curves['eao'], [0, 3 / 4, (3 / 4 + 1 / 2) / 2, 1 / 2])
    assert part.scores.values == pytest.approx(
        {'eao': (3 / 4 + 5 / 8 + 1 / 2) / 3, 'accuracy': 0, 'failure_rate': 1 / 9, 'failures': 1}
    )
    assert part.scores.curves['eao'].dtype == np.float32


def test_accuracy_leaves_out_ten_frames_from_each_start():
    assert measure([START, *[MISS] * 9, HIT, HALF, FAIL]).accuracy == 3 / 4


def test_weighted_by_frames():
    parts = [measure([START, *[HIT] * 19]), measure([START, *[HALF] * 9, FAIL, *[SKIP] * 19])]
    values = VotResetRule(1, 3).total(parts).values
    assert values['accuracy'] == pytest.approx(20 / 50)
    assert values['failure_rate'] == 1 / 50
    assert VotResetRule(1, 3).total([parts[0]] * 2).values == pytest.approx(
        {**parts[0].scores.values, 'failures': 0}
    )


def test_the_curve_ends_with_the_longest_fragment():
    part = measure([START, HIT, HIT], low=2, high=9)
    np.testing.assert_array_equal(part.scores.curves['eao'], [0, 1, 1])
    assert part.scores.values['eao'] == 1
    assert np.isnan(measure([START, HIT], low=2, high=9).scores.values['eao'])


def test_a_failure_counts_as_far_as_the_longest_fragment_of_all():
    lost, whole = measure([START, HIT, FAIL], 1, 9), measure([START, HIT, HIT, HIT], 1, 9)
    np.testing.assert_allclose(
        VotResetRule(1, 9).total([lost, whole]).curves['eao'], [0, 1, (1 / 2 + 1) / 2, (1 / 3 + 1) / 2]
    )


def test_reads_the_baseline(tmp_path):
    (tmp_path / 'baseline' / 'car').mkdir(parents=True)
    (tmp_path / 'baseline' / 'car' / 'car_001.txt').write_text('1\n5,5,10,10\n2\n')
    trajectory = VotResetRule(1, 3).read(ResultFiles(tmp_path), truth(3))
    assert trajectory.regions.codes.tolist() == [1, -1, 2]


@pytest.mark.parametrize(('longest', 'is_noted'), [(356, True), (357, False)])
def test_runs_too_short_for_the_eao_are_noted(longest: int, is_noted: bool) -> None:
    assert bool(short_runs_note(longest, 100, 356)) == is_noted

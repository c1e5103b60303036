import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory
from mmgtrack.evaluation.rules.vot_multi_start import (
    VotMultiStartRule,
    anchor_runs,
    failure_frame,
    overlap_curve,
)
from mmgtrack.formats.vot_regions import Regions

HIT, MISS = (5, 5, 10, 10), (40, 5, 10, 10)
RULE = VotMultiStartRule(2, 5)


def truth(anchors, count=4, row=HIT):
    return VotTruth('car', Regions.of([row] * count), np.array(anchors, float), {}, (64, 48))


def run(*rows):
    return Trajectory(Regions.of([(1,), *rows]))


def test_forward_runs_come_first():
    runs = anchor_runs(truth([-1, 1, 0, -1]))
    assert [frames.tolist() for frames in runs] == [[1, 2, 3], [0], [3, 2, 1, 0]]


@pytest.mark.parametrize('anchors', [None, np.zeros(4)])
def test_no_anchors(anchors):
    with pytest.raises(DataError, match=r'car: expected anchors in anchor.value'):
        anchor_runs(VotTruth('car', Regions.of([HIT] * 4), anchors, {}, (64, 48)))


@pytest.mark.parametrize(
    ('bad', 'visible', 'expected'),
    [
        ([0] * 12, [1] * 12, 12),
        ([1] * 10, [1] * 10, 0),
        ([1] * 9, [1] * 9, 9),
        ([1] * 9 + [0] + [1] * 9, [1] * 19, 19),
        ([0] * 3 + [1] * 11, [1] * 14, 3),
        ([1] * 20, [1] * 5 + [0] + [1] * 14, 6),  # a frame without target starts the count again
        ([1] * 4, [1] * 4, 4),
    ],
)
def test_failure(bad, visible, expected):
    overlaps = np.where(np.array(bad, bool), 0.1, 0.11)
    assert failure_frame(overlaps, np.array(visible, bool)) == expected


def test_curve_of_a_run_to_the_end():
    means, counts = overlap_curve(np.array([0, 1, 0.5, 0.3]), 4, 6)
    np.testing.assert_allclose(means, [0, 1, 0.75, 0.6, 0, 0])
    assert counts.tolist() == [0, 1, 1, 1, 0, 0]


def test_curve_of_a_failed_run():
    means, counts = overlap_curve(np.array([0, 1, 0.5, 0.3]), 2, 6)
    np.testing.assert_allclose(means, [0, 1, 1 / 2, 1 / 3, 1 / 3, 1 / 4])  # behind the end by one frame less
    assert counts.tolist() == [0, 1, 1, 1, 1, 1]


def test_by_hand():
    part = RULE.measure(truth([1, 0, 0, -1]), (run(HIT, HIT, HIT), run(HIT, MISS, MISS)))
    assert (part.frames, part.tracked, part.run, part.overlap) == (4, 8, 8, 4)
    np.testing.assert_allclose(part.scores.curves['eao'], [0, 1, (1 + 1 / 2) / 2, (1 + 1 / 3) / 2, 0])
    assert part.scores.values == pytest.approx(
        {'eao': (3 / 4 + 2 / 3 + 0) / 3, 'accuracy': 4 / 8, 'robustness': 1}
    )
    assert part.scores.values.keys() == set(RULE.columns)


def test_sequences_weigh_by_runs_frames_and_length():
    whole = RULE.measure(truth([1, 0, 0, 0]), (run(HIT, HIT, HIT),))
    lost = RULE.measure(truth([1] + [0] * 19, 20), (run(*[HIT] * 9, *[MISS] * 10),))
    scores = RULE.total([whole, lost])
    assert lost.tracked == 10
    assert scores.values['robustness'] == pytest.approx((1 * 4 + 10 / 20 * 20) / 24)
    assert scores.values['accuracy'] == pytest.approx((3 + 9) / 14)
    assert RULE.total([whole, whole]).values == pytest.approx(whole.scores.values)


def test_nothing_tracked():
    part = RULE.measure(truth([1] + [0] * 10, 11), (run(*[MISS] * 10),))
    assert part.tracked == 0
    assert np.isnan(part.scores.values['accuracy'])
    assert part.scores.values['robustness'] == 0


def test_an_empty_truth_is_no_failure():
    part = RULE.measure(truth([1] + [0] * 10, 11, row=(5, 5, 0, 0)), (run(*[MISS] * 10),))
    assert part.tracked == 11


def test_reads_a_run_for_each_anchor(tmp_path):
    folder = tmp_path / 'baseline' / 'car'
    folder.mkdir(parents=True)
    (folder / 'car_00000000.txt').write_text('1\n' + '5,5,10,10\n' * 3)
    (folder / 'car_00000003.txt').write_text('1\n' + '0\n' * 3)
    runs = RULE.read(ResultFiles(tmp_path), truth([1, 0, 0, -1]))
    assert [trajectory.regions.codes.tolist() for trajectory in runs] == [[1, -1, -1, -1], [1, 0, 0, 0]]
    with pytest.raises(MissingResultError, match='car_00000002'):
        RULE.read(ResultFiles(tmp_path), truth([1, 0, 1, -1]))


def test_another_length_names_the_run():
    with pytest.raises(DataError, match='car_00000003: expected 4 regions'):
        RULE.measure(truth([0, 0, 0, -1]), (run(HIT),))

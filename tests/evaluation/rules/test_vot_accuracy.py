import numpy as np
import pytest

from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory
from mmgtrack.evaluation.rules.vot_accuracy import VotAccuracyRule, after
from mmgtrack.formats.vot_regions import Regions

HIT, MISS, HALF = (5, 5, 10, 10), (40, 5, 10, 10), (5, 5, 10, 5)


def truth(rows):
    return VotTruth('car', Regions.of(rows), None, {}, (64, 48))


def measure(annotated, rows, burnin=1):
    return VotAccuracyRule(burnin).measure(truth(annotated), Trajectory(Regions.of(rows)))


@pytest.mark.parametrize(
    ('annotated', 'rows', 'burnin', 'expected'),
    [
        ([HIT] * 3, [(1,), HIT, MISS], 1, 1 / 2),
        ([HIT] * 3, [(1,), HIT, MISS], 0, 1 / 3),
        ([HIT] * 3, [(1,), HIT, MISS], 2, 0),
        ([HIT] * 3, [(1,), HIT, MISS], 10, 0),  # no frame is left
        ([HIT] * 4, [(1,), HIT, (0,), (2,)], 1, 1),
        ([HIT, (0,), HIT], [(1,), MISS, HALF], 1, 1 / 2),
        ([HIT, (1,), HIT], [(1,), (0,), HALF], 1, 1 / 2),
        ([HIT, (1,), HIT], [(1,), HIT, HALF], 1, 1 / 4),  # known to be invisible, and reported
        ([(0,), HIT, HIT], [(1,), HIT, HALF], 2, 3 / 4),  # unknown at the start: no frames are burnt in
        ([HIT] * 4, [(1,), HIT, (1,), HALF], 1, 3 / 4),
    ],
)
def test_frames_that_count(annotated, rows, burnin, expected):
    assert measure(annotated, rows, burnin).accuracy == pytest.approx(expected)


def test_weighted_by_all_frames():
    parts = [measure([HIT] * 4, [(1,), HIT, (0,), (0,)]), measure([HIT] * 2, [(1,), MISS])]
    assert VotAccuracyRule(1).total(parts).values == {'accuracy': pytest.approx(4 / 6)}
    assert parts[0].scores.values == {'accuracy': 1}


@pytest.mark.parametrize(
    ('length', 'expected'), [(0, []), (1, [1, 4]), (2, [1, 2, 4, 5]), (9, [1, 2, 3, 4, 5])]
)
def test_after(length, expected):
    starts = np.isin(np.arange(6), [1, 4])
    assert np.flatnonzero(after(starts, length)).tolist() == expected


def test_reads_the_unsupervised_run(tmp_path):
    for experiment, row in {'unsupervised': '5,5,10,10', 'baseline': '0'}.items():
        folder = tmp_path / experiment / 'car'
        folder.mkdir(parents=True)
        (folder / 'car_001.txt').write_text(f'1\n{row}\n')
    rule = VotAccuracyRule(1)
    assert rule.measure(truth([HIT] * 2), rule.read(ResultFiles(tmp_path), truth([HIT] * 2))).accuracy == 1

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import Trajectory, write_trajectory
from mmgtrack.evaluation.rules.vot_long_term import VotLongTermRule, pick_thresholds
from mmgtrack.formats.vot_regions import Regions

RULE = VotLongTermRule()
HIT, MISS, ABSENT = (5, 5, 10, 10), (40, 5, 10, 10), (0,)
HALF = (5, 5, 10, 5)


def measure(truth, result, confidences, name='car'):
    regions = Regions.of(truth)
    return RULE.measure(
        VotTruth(name, regions, None, {}, (64, 48)),
        Trajectory(Regions.of(result), None if confidences is None else np.array(confidences, float)),
    )


def test_by_hand():
    part = measure([HIT] * 4, [(1,), HIT, HALF, MISS], [0, 0.9, 0.8, 0.7])
    scores = part.scores
    np.testing.assert_array_equal(scores.curves['thresholds'], [np.inf, 0.9, 0.8, 0.7, 0, -np.inf])
    np.testing.assert_allclose(scores.curves['precision'], [1, 1, 1.5 / 2, 1.5 / 3, 1.5 / 4, 1.5 / 4])
    np.testing.assert_allclose(scores.curves['recall'], [0, 1 / 4, 1.5 / 4, 1.5 / 4, 1.5 / 4, 1.5 / 4])
    assert scores.values == pytest.approx({'precision': 0.75, 'recall': 0.375, 'f': 0.5})
    assert scores.values.keys() == set(RULE.columns)


@pytest.mark.parametrize(
    ('truth', 'result', 'confidences', 'precision', 'recall'),
    [
        ([HIT, HIT], [(1,), HIT], [0, 1], 1, 1 / 2),
        ([HIT, ABSENT], [(1,), ABSENT], [0, 1], 1, 1),  # reported absence counts 1 and enters the recall
        ([HIT, ABSENT, HIT], [(1,), HIT, HIT], [0, 0.5, 0.5], 0.5, 0.5),
        ([HIT, HIT], [(1,), HIT], None, 0.5, 0.5),  # no confidences: all 0
        ([HIT, HIT, HIT], [(1,), MISS, HIT], [0, np.nan, 1], 1, 1 / 3),
        ([HIT, HIT], [(1,), MISS], [0, 1], 1, 0),  # F is 0 everywhere: the first entry stands
        ([HIT, HIT], [(1,), HIT], [np.nan, np.nan], 1, 0),
    ],
)
def test_frames(truth, result, confidences, precision, recall):
    values = measure(truth, result, confidences).scores.values
    assert (values['precision'], values['recall']) == pytest.approx((precision, recall))


def test_thresholds_are_shared_and_curves_averaged():
    parts = [
        measure([HIT] * 3, [(1,), HIT, HIT], [0, 0.9, 0.8]),
        measure([HIT] * 3, [(1,), MISS, HIT], [0, 0.5, 0.8]),
    ]
    scores = RULE.total(parts)
    np.testing.assert_array_equal(scores.curves['thresholds'], [np.inf, 0.9, 0.8, 0.8, 0.5, 0, 0, -np.inf])
    np.testing.assert_allclose(scores.curves['precision'][:5], [1, 1, 1, 1, 3 / 4])
    np.testing.assert_allclose(scores.curves['recall'][:5], [0, 1 / 6, 1 / 2, 1 / 2, 1 / 2])
    twice = RULE.total([*parts, *parts])
    assert twice.values == pytest.approx(scores.values)


@pytest.mark.parametrize(
    ('count', 'inner', 'first', 'last'),
    [(98, 98, 97, 0), (99, 98, 97, 0), (196, 98, 193, 1), (500, 98, 494, 4)],
)
def test_thresholds(count, inner, first, last):
    thresholds = pick_thresholds(np.arange(count, dtype=float))
    assert len(thresholds) == inner + 2
    assert (np.diff(thresholds) <= 0).all()
    # ranks count from the highest confidence: rank r is count - 1 - r
    assert (thresholds[1], thresholds[-2]) == (first, last)


def test_reads_what_is_written(tmp_path):
    boxes = np.array([HIT, HIT, HALF], float)
    write_trajectory(tmp_path / 'longterm' / 'car', 'car_001', boxes, np.array([1, 0.5, 0.25]))
    truth = VotTruth('car', Regions.of([HIT] * 3), None, {}, (64, 48))
    part = RULE.measure(truth, RULE.read(ResultFiles(tmp_path), truth))
    assert part.confidences.tolist() == [0.5, 0.25, 0]
    assert part.overlaps.tolist() == [1, 0.5, 0]


@pytest.mark.parametrize(
    ('truth', 'result', 'message'),
    [
        ([HIT] * 2, [(1,)], 'car: expected 2 regions'),
        ([ABSENT] * 2, [(1,), HIT], 'car: the ground truth never shows the target'),
    ],
)
def test_refused(truth, result, message):
    with pytest.raises(DataError, match=message):
        measure(truth, result, None)

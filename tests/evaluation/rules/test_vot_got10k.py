import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.rules.vot_got10k import ResetRuns, VotGot10kRule, polygon_ious, tag_masks
from mmgtrack.formats.vot_regions import Regions

HIT, MISS, HALF = (5, 5, 10, 10), (40, 5, 10, 10), (5, 5, 10, 5)
START, FAIL, SKIP = (1,), (2,), (0,)
RULE = VotGot10kRule()


def truth(count, size=(64, 48), **tags):
    masks = {tag: np.isin(np.arange(count), frames) for tag, frames in tags.items()}
    return VotTruth('car', Regions.of([HIT] * count), None, masks, size)


def measure(*repetitions, times=None, **tags):
    runs = tuple(Regions.of(rows) for rows in repetitions)
    return RULE.measure(truth(len(runs[0]), **tags), ResetRuns(runs, times))


@pytest.mark.parametrize(
    ('one', 'other', 'expected'),
    [
        (HIT, HIT, 1),
        (HIT, HALF, 1 / 2),
        (HIT, MISS, 0),
        (HIT, (5, 5, 15, 5, 15, 15, 5, 15), 1),
        (HIT, (5, 5, 15, 5, 5, 15), 1 / 2),
        ((-10, 0, 20, 10), (0, 0, 10, 10), 1),  # within the image
        ((-10, 0, 5, 5), (-10, 0, 5, 5), 0),
        (HIT, (2,), np.nan),
        ((0,), HIT, np.nan),
    ],
)
def test_polygon_ious(one, other, expected):
    ious = polygon_ious(Regions.of([one]), Regions.of([other]), (64, 48))
    np.testing.assert_allclose(ious, [expected], atol=1e-12)


def test_edges_that_cross():
    twisted = Regions.of([(5, 5, 15, 15, 15, 5, 5, 15)])
    with pytest.raises(DataError, match='polygons whose edges do not cross'):
        polygon_ious(twisted, Regions.of([(5, 5, 15, 15, 15, 6, 5, 14)]), (64, 48))


def test_tags():
    masks = tag_masks(truth(5, occlusion=[0], unheard_of=[1], practical=[2]))
    assert masks.sum(axis=1).tolist() == [0, 0, 1, 0, 0, 3]
    assert np.flatnonzero(masks[-1]).tolist() == [2, 3, 4]  # 'practical' is no tag


def test_ten_frames_from_each_start_are_left_out():
    part = measure([START, *[MISS] * 9, HIT, HALF])
    assert part.scores.values['accuracy'] == pytest.approx(3 / 4)


def test_repetitions_are_averaged_a_frame():
    near = [START, *[MISS] * 9]
    part = measure([*near, HIT, HIT, FAIL], [*near, HALF, FAIL, SKIP])
    assert part.scores.values['accuracy'] == pytest.approx((3 / 4 + 1) / 2)
    assert part.scores.values['failures'] == pytest.approx(1)


def test_tags_weigh_by_their_frames():
    rows = [START, *[MISS] * 9, HIT, HALF]
    values = measure(rows, occlusion=[10], size_change=[10, 11]).scores.values
    # occlusion 1 (1 frame), size_change 3/4 (2 frames), empty has 10 frames of which none counts
    assert values['accuracy'] == pytest.approx((1 * 1 + 2 * 3 / 4 + 10 * 0) / 13)


def test_failures_are_no_rate():
    rows = [START, FAIL, FAIL, SKIP]
    assert measure(rows, occlusion=[1]).scores.values['failures'] == pytest.approx((1 * 1 + 3 * 1) / 4)


def test_frames_of_all_sequences_are_pooled():
    parts = [measure([START, *[MISS] * 9, *[HIT] * 3]), measure([START, *[MISS] * 9, HALF])]
    assert RULE.total(parts).values['accuracy'] == pytest.approx(3.5 / 4)
    assert RULE.total([parts[0]] * 3).values['accuracy'] == pytest.approx(1)


def test_speed_is_the_mean_of_the_rates():
    rows = [START, HIT, HIT]
    several = measure(rows, rows, times=np.array([[1, 0.5], [0, np.nan], [0.25, 0.5]]))
    assert several.scores.values['fps'] == pytest.approx((1 + 2 + 4 + 2) / 4)
    single = measure(rows, times=np.array([[1.0], [1.0], [1.0]]))
    # the single column is there three times: once for each of three frames
    assert RULE.total([several, single]).values['fps'] == pytest.approx((9 + 9) / 13)
    assert np.isnan(measure(rows).scores.values['fps'])


def test_reads_all_repetitions(tmp_path):
    folder = tmp_path / 'baseline' / 'car'
    folder.mkdir(parents=True)
    for number in (1, 2, 15):
        (folder / f'car_{number:03d}.txt').write_text(f'1\n5,5,10,{number}')
    (folder / 'car_time.txt').write_text('0.1,0.2,NaN\n0.1,0.2,0.3')
    (folder / 'cartoon_001.txt').write_text('1')
    runs = RULE.read(ResultFiles(tmp_path), truth(2))
    assert [regions.boxes[1, 3] for regions in runs.repetitions] == [1, 2, 15]
    np.testing.assert_array_equal(runs.times, [[0.1, 0.2, np.nan], [0.1, 0.2, 0.3]])
    (folder / 'car_time.txt').unlink()
    assert RULE.read(ResultFiles(tmp_path), truth(2)).times is None


def test_no_result(tmp_path):
    with pytest.raises(MissingResultError, match='expected baseline/car/car_001'):
        RULE.read(ResultFiles(tmp_path), truth(2))


@pytest.mark.parametrize(
    ('runs', 'size', 'message'),
    [
        (ResetRuns((Regions.of([START]),), None), (64, 48), 'car, repetition 1: expected 2 rows, got 1'),
        (ResetRuns((Regions.of([START, HIT]),) * 16, None), (64, 48), 'at most 15 repetitions, got 16'),
        (
            ResetRuns((Regions.of([START, HIT]),), np.ones((3, 1))),
            (64, 48),
            'expected 2 rows of times, got 3',
        ),
        (ResetRuns((Regions.of([START, HIT]),), None), None, 'car: the size of the images is unknown'),
    ],
)
def test_refused(runs, size, message):
    with pytest.raises(DataError, match=message):
        RULE.measure(truth(2, size), runs)

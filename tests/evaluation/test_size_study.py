"""Numbers by size: which frame counts where, and what they say of a tracker."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from mmgtrack.errors import DataError
from mmgtrack.evaluation.size_bins import SizeBins
from mmgtrack.evaluation.size_study import (
    FrameRows,
    as_dict,
    as_markdown,
    correlation,
    summarise,
)

BINS = SizeBins((8.0, 16.0))


def rows_of(*frames: tuple[str, float, bool, bool, float, bool]) -> FrameRows:
    """Of (target, size, hit, box_hit, iou, judged); the frame is 100 x 100."""
    targets, sizes, hits, box_hits, ious, judged = map(np.array, zip(*frames, strict=True))
    return FrameRows(
        targets=targets,
        units=np.array([target.partition('#')[0] for target in targets]),
        sizes=sizes.astype(float),
        relative=sizes / 100,
        hits=hits,
        box_hits=box_hits,
        ious=ious.astype(float),
        scores=ious.astype(float),
        judged=judged,
    )


NAN = float('nan')
SOME = rows_of(
    ('a', 4.0, True, False, 0.32, True),
    ('a', 6.0, False, False, 0.0, True),
    ('b', 8.0, True, True, 1.0, False),
    ('b', NAN, False, False, 0.0, False),
    ('c#1', 20.0, True, True, 0.76, True),
    ('c#2', NAN, False, False, 0.0, True),
)


def test_frames_count_in_the_bin_of_their_true_box() -> None:
    found = summarise(SOME, BINS)
    small, middle, large = found.lines
    assert [(line.label, line.frames, line.targets) for line in found.lines] == [
        ('< 8', 2, 1),
        ('8-16', 1, 1),
        ('>= 16', 1, 1),
    ]
    assert small.hit[0] == 0.5 and small.box_hit[0] == 0 and middle.hit[0] == 1
    # IoU 0.32 is above the 7 thresholds 0, 0.05, ... 0.3 of 21; 1 is above all but the last, which is 1
    assert small.auc[0] == pytest.approx(7 / 21 / 2) and middle.auc[0] == pytest.approx(20 / 21)
    assert small.size == pytest.approx(24**0.5) and small.chance == pytest.approx((0.04**2 + 0.06**2) / 2)
    assert large.chance == pytest.approx(0.04)
    assert found.total.frames == found.shown == 4 and found.total.hit[0] == 0.75
    assert found.absent == 2 and found.judged_absent[0] == 0.5 and found.judged_shown[0] == 0.75


def test_bounds_are_over_units_not_frames() -> None:
    """A hundred frames of one film say as much as one of them."""
    hits = [('a', 10.0, True, True, 1.0, True)] * 100
    many = rows_of(*hits, *[(film, 10.0, False, False, 0.0, True) for film in 'bcde'])
    line = summarise(many, BINS).total
    assert line.hit[0] == pytest.approx(100 / 104) and line.hit[1] == 0 and line.hit[2] > 0.98


def test_bounds_say_no_more_than_is_known() -> None:
    """None of a few films, Wilson's where all targets are hit or none is."""
    few = rows_of(*[(film, 10.0, True, True, 0.9, True) for film in 'aabc'])
    assert summarise(few, BINS).total.hit[0] == 1 and np.isnan(summarise(few, BINS).total.hit[1:]).all()
    ten = rows_of(*[(film, 10.0, True, False, 0.9, True) for film in 'abcdefghij' * 9])
    line = summarise(ten, BINS).total
    # Wilson's of 10 in 10: 1 / (1 + z^2 / 10), z = 1.96
    assert line.hit == pytest.approx((1, 0.7225, 1), abs=1e-4)
    assert line.box_hit == pytest.approx((0, 0, 0.2775), abs=1e-4)
    assert line.auc[0] == pytest.approx(18 / 21) and np.isnan(line.auc[1:]).all()


def test_correlation_is_of_targets() -> None:
    rng = np.random.default_rng(0)
    frames = [
        (f't{target}', float(size), True, True, float(overlap), True)
        for target in range(12)
        for size, overlap in zip(rng.uniform(4, 9, 5) * (target + 1), rng.random(5), strict=True)
    ]
    rows = rows_of(*frames)
    means = [
        (rows.measure('auc')[rows.targets == name].mean(), rows.sizes[rows.targets == name].mean())
        for name in np.unique(rows.targets)
    ]
    expected = spearmanr(*zip(*means, strict=True))
    assert correlation(rows) == pytest.approx((expected.statistic, expected.pvalue))
    rising = rows_of(*((f't{n}', 5.0 + n, True, True, n / 10, True) for n in range(9)))
    assert correlation(rising)[0] == pytest.approx(1)
    for few in (rising[np.arange(9) < 2], rows_of(*[('x', 5.0, True, True, 1.0, True)] * 4)):
        assert np.isnan(correlation(few)).all()


@pytest.mark.parametrize('chosen', ['shown', 'absent', 'none'])
def test_any_part_of_the_frames_makes_a_summary(chosen: str) -> None:
    mask = {'shown': SOME.is_shown, 'absent': ~SOME.is_shown, 'none': np.zeros(len(SOME), dtype=bool)}
    found = summarise(SOME[mask[chosen]], BINS)
    assert found.shown + found.absent == mask[chosen].sum()
    assert np.isnan(found.total.hit[0]) == (chosen != 'shown')
    assert 'all' in as_markdown({'one': found}) or chosen != 'shown'


def test_rows_are_the_same_in_json() -> None:
    again = FrameRows.from_dict(json.loads(json.dumps(SOME.as_dict())))
    for name, column in vars(SOME).items():
        np.testing.assert_array_equal(column, getattr(again, name))
    joined = FrameRows.cat([SOME, SOME])
    assert len(joined) == 12 and joined.hits.sum() == 6


@pytest.mark.parametrize('change', [{'hits': [True]}, {'sizes': ['large'] * 6}, {'units': None}])
def test_other_columns_are_refused(change: dict) -> None:
    with pytest.raises(DataError, match='expected'):
        FrameRows.from_dict(SOME.as_dict() | change)


def test_the_table_has_a_column_for_every_tracker() -> None:
    one, other = summarise(SOME, BINS), summarise(SOME[SOME.sizes != 4], BINS)
    text = as_markdown({'one': one, 'other': other})
    assert "Hit rate of the box's centre" in text
    assert '| < 8 | 2 | 1 | 0.26 | 50.0 [-, -] | 0.0 [-, -] |' in text
    # the chance level is one of hits
    assert text.count('chance of a hit') == 2
    # where the points are the boxes' centres there is nothing to tell apart
    assert "box's centre" not in as_markdown({'other': other})
    report = as_dict({'one': one})
    assert report['one']['lines'][0]['hit'][0] == 0.5 and json.dumps(report)

"""TrackingNet's rule by hand: rounding, areas, and what is missing."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.trackingnet import TrackingNetPart, TrackingNetRule

RULE = TrackingNetRule()
NAN = float('nan')
BOX = [100.0, 100.0, 50.0, 50.0]
ZERO = [0.0] * 4
FIRST = 1 / 40  # area of a curve that is 1 at the first threshold alone


def part_of(truth: list, result: list) -> TrackingNetPart:
    truth_boxes, boxes = (np.array(rows, float).reshape(-1, 4) for rows in (truth, result))
    return RULE.measure(BoxTruth('vid', truth_boxes), boxes)


@pytest.mark.parametrize(
    ('found', 'success', 'precision', 'covered'),
    [
        (BOX, 1, 1, 1),  # IoU 1 passes a threshold of 1, and an error of 0 one of 0
        ([100.4, 99.5, 50.5, 49.6], 1, 1, 1),  # rounds to the truth; halves go to the even number
        ([100, 100, 50, 25], 0.5 + FIRST, None, 1),  # thresholds 0 ... 0.5 pass
        ([300, 100, 50, 50], FIRST, 0, 1),  # an IoU of 0 passes a threshold of 0
        (ZERO, FIRST, 0, 0),
        ([NAN] * 4, 0, 0, 0),
        ([-500, 100, 50, 50], FIRST, 0, 0),  # coverage looks at x + y + w + h
        ([110, 100, 50, 50], None, 1 - 4 / 20 + FIRST, 1),  # 10 px is the fifth of 21 thresholds
    ],
)
def test_one_row(found: list, success: float | None, precision: float | None, covered: int) -> None:
    part = part_of([BOX, BOX], [ZERO, found])  # whatever row 0 says, it is the truth
    values = part.scores.values
    if success is not None:
        assert values['success'] == pytest.approx((1 + success) / 2)
    if precision is not None:
        assert values['precision'] == pytest.approx((1 + precision) / 2)
    assert values['coverage'] == (1 + covered) / 2


def test_normalised_precision_is_in_target_sizes() -> None:
    values = part_of([BOX] * 2, [BOX, [110, 100, 50, 50]]).scores.values
    assert values['norm_precision'] == pytest.approx(
        (1 + 1 - 8 / 20 + FIRST) / 2
    )  # 0.2 of 0, 0.025, ..., 0.5


def test_missing_and_extra_rows() -> None:
    short, long = part_of([BOX] * 4, [BOX] * 3), part_of([BOX] * 4, [BOX] * 6)
    assert short.scores.values['success'] == pytest.approx(3 / 4)
    assert short.scores.values['coverage'] == 3 / 4
    assert long.scores.values['success'] == pytest.approx(1) and long.num_frames == 4


def test_videos_weigh_the_same_but_coverage_is_over_frames() -> None:
    good, bad = part_of([BOX] * 2, [BOX] * 2), part_of([BOX] * 8, [BOX] + [[NAN] * 4] * 7)
    values = RULE.total([good, bad]).values
    assert values['precision'] == pytest.approx((1 + 1 / 8) / 2)
    assert values['coverage'] == pytest.approx(3 / 10)


@pytest.mark.parametrize(
    ('files', 'first'),
    [
        (['vid.txt'], 100),
        (['sub/vid.txt'], 100),
        (['my_vid.txt'], 100),  # the name need only be contained
        (['vid.txt', 'my_vid.txt'], 0),  # two of them count as none
        (['vid.csv'], 0),
        ([], 0),
    ],
)
def test_which_file_is_read(tmp_path: Path, files: list[str], first: float) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('100,100,50,50\n' * 2)
    found = RULE.read(ResultFiles(tmp_path), BoxTruth('vid', np.array([BOX] * 2)))
    np.testing.assert_array_equal(found[0, 0], first)
    assert found.shape == (2, 4)


def test_a_video_without_a_box_is_noted() -> None:
    good, lost = part_of([BOX] * 3, [BOX] * 3), part_of([BOX] * 3, [ZERO] * 3)
    short = part_of([BOX], [BOX])  # its only row is the truth
    assert RULE.notes([good, short]) == ()
    (note,) = RULE.notes([good, lost, short])
    assert note.startswith('1 of 3 videos have no box')


def test_a_row_with_one_nan_still_overlaps() -> None:
    truth = BoxTruth('a', np.array([[10.0, 10, 20, 20]] * 2))
    result = np.array([[10, 10, 20, 20], [np.nan, 10, 20, 20]])
    scores = TrackingNetRule().measure(truth, result).scores
    assert scores.curves['success'][-1] == 1  # pandas' max and min pass over the nan
    assert scores.curves['precision'][0] == 0.5


def test_results_of_another_benchmark_are_refused() -> None:
    truth = BoxTruth('a', np.array([[10.0, 10, 20, 20]] * 2))
    part = TrackingNetRule().measure(truth, np.zeros((2, 4)))
    with pytest.raises(DataError, match=r'no box in any of 1 videos: expected files such as a\.txt'):
        TrackingNetRule().notes([part])

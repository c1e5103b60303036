import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.rules.vot_overlap import fill_polygon, frame_overlaps, raster_overlaps
from mmgtrack.formats.vot_regions import Regions

SIZE = (20, 10)
NUMBERS = st.one_of(st.integers(-8, 30).map(float), st.floats(-8, 30))
ROWS = st.one_of(
    st.tuples(st.integers(0, 2).map(float)),
    st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.tuples(*[NUMBERS] * 8),
)


def overlap(one, other, size=SIZE):
    return raster_overlaps(Regions.of([one]), Regions.of([other]), size)[0]


@pytest.mark.parametrize(
    ('one', 'other', 'expected'),
    [
        ((2, 2, 4, 4), (2, 2, 4, 4), 1),
        ((2, 2, 4, 4), (4, 2, 4, 4), 8 / 24),
        ((2.5, 2, 4, 4), (3.5, 2, 4, 4), 8 / 24),  # half to even: 2 and 4
        ((2, 2, 4, 4), (8, 8, 2, 2), 0),
        ((-2, 0, 4, 4), (0, 0, 4, 4), 8 / 16),  # only the image counts
        ((30, 30, 4, 4), (31, 31, 4, 4), 0),  # both outside
        ((18, 0, 2, 4), (18, 0, 9, 4), 1),
        ((0,), (0,), 1),
        ((0,), (2,), 1),
        ((1,), (2, 2, 4, 4), 0),
        ((2, 2, 4, 4), (0,), 0),
        ((5, 5, 1, 1), (5, 5, 1, 1), 1),  # a single pixel round both
        ((5, 5, 1, 3), (5, 5, 1, 3), 1),
        ((5, 5, 1, 3), (5, 4, 1, 3), 1),  # a single column, although they differ
        ((-2, 2, 3, 4), (-1, 2, 2, 4), 0),  # a single column within the image, although they agree there
        ((3, 3, 0, 0), (3, 3, 0, 0), 1),
        ((3, 3, 0, 0), (2, 2, 4, 4), 0),
        ((2, 2, -3, 4), (2, 2, 4, 4), 0),
        ((2, 2, 4, 4), (2, 2, 5, 2, 5, 5, 2, 5), 1),  # corners are pixels that belong to it
        ((0, 0, 7, 0, 7, 7), (0, 0, 0, 7, 7, 7), 8 / 64),  # two halves share the diagonal
    ],
)
def test_counted_by_hand(one, other, expected):
    assert overlap(one, other) == expected
    assert overlap(other, one) == expected


def test_edges_that_cross():
    # rows through corners are filled from end to end, as the toolkit's scan lines do
    rows = fill_polygon(np.array([[0, 0], [4, 4], [4, 0], [0, 4]]), 5, 5)
    assert [''.join('.#'[int(pixel)] for pixel in row) for row in rows] == [
        '#####',
        '##.##',
        '#####',
        '##.##',
        '#####',
    ]


@given(st.lists(st.tuples(ROWS, ROWS), min_size=1, max_size=5))
def test_frames_are_independent_and_symmetric(pairs):
    one, other = (Regions.of(rows) for rows in zip(*pairs, strict=True))
    overlaps = raster_overlaps(one, other, SIZE)
    assert ((overlaps >= 0) & (overlaps <= 1)).all()
    np.testing.assert_array_equal(overlaps, raster_overlaps(other, one, SIZE))
    np.testing.assert_array_equal(overlaps, [overlap(*pair) for pair in pairs])


@given(st.tuples(NUMBERS, NUMBERS, st.integers(1, 20), st.integers(1, 20)), ROWS)
def test_a_box_is_the_polygon_of_its_outer_pixels(box, other):
    left, top = np.round(np.float32(box[:2]))
    right, bottom = left + box[2] - 1, top + box[3] - 1
    corners = (left, top, right, top, right, bottom, left, bottom)
    assert overlap(box, other) == overlap(corners, other)


def test_huge_numbers():
    assert overlap((-1e30, -1e30, 1e30, 1e30), (2, 2, 4, 4)) == 0


@pytest.mark.parametrize(
    ('rows', 'size', 'message'),
    [
        ([(1,)], SIZE, 'car: expected 2 regions, one for each frame, got 1'),
        ([(1,), (1, 1, 5, 5)], None, 'car: the size of the images is unknown'),
    ],
)
def test_refused(rows, size, message):
    with pytest.raises(DataError, match=message):
        frame_overlaps('car', Regions.of(rows), Regions.of([(1, 1, 5, 5)] * 2), size)

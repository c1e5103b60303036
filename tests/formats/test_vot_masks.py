"""Masks of VOT as boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.formats.vot_masks import with_boxes


@pytest.mark.parametrize(
    'line, expected',
    [
        ('m10,20,4,3,0,12', '10,20,4,3'),
        ('m10,20,4,3,5,2,5', '11,21,2,1'),
        ('m10,20,4,3,5,2', '11,21,2,1'),
        ('m0,0,4,3,12', 'nan,nan,nan,nan'),
        ('m0,0,4,3,3,2,7', '0,0,4,2'),  # the end of a row and the start of the next
        ('1,2,3,4', '1,2,3,4'),
    ],
)
def test_masks(line: str, expected: str) -> None:
    assert with_boxes(f'1,1,1,1\n{line}\n', 'f').splitlines() == ['1,1,1,1', expected]


@given(st.lists(st.booleans(), min_size=20, max_size=20).filter(any), st.integers(0, 9), st.integers(0, 9))
def test_a_box_is_tight(pixels: list[bool], x: int, y: int) -> None:
    mask = np.array(pixels).reshape(4, 5)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask.ravel()]).astype(int)))
    runs = np.diff(np.concatenate([[0], edges, [20]]))
    rows, columns = np.nonzero(mask)
    box = (x + columns.min(), y + rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert with_boxes(f'm{x},{y},5,4,{",".join(map(str, runs))}', 'f') == ','.join(map(str, box))


@pytest.mark.parametrize('line', ['m', 'm1,2,3', 'm0,0,2,2,1,4', 'm0,0,2,2,-1,2', 'm0,0,-2,2', 'm1,2,x,4'])
def test_broken_masks_name_the_line(line: str) -> None:
    with pytest.raises(DataError, match=r'f, line 2: expected mx,y,w,h,runs'):
        with_boxes(f'1,1,1,1\n{line}', 'f')

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.cli.boxes import parse_box
from mmgtrack.errors import InputError

NUMBERS = st.floats(-1e6, 1e6)
SIZES = st.floats(1e-3, 1e6)


@given(NUMBERS, NUMBERS, SIZES, SIZES)
def test_reads_what_is_written(x: float, y: float, width: float, height: float) -> None:
    assert parse_box(f'{x!r},{y!r}, {width!r} ,{height!r}') == (x, y, x + width, y + height)


@given(st.text(st.sampled_from('0123456789.,-+e naif_x')) | st.text())
def test_gives_a_box_or_a_typed_error_in_one_line(text: str) -> None:
    try:
        x1, y1, x2, y2 = parse_box(text)
    except InputError as error:
        assert str(error).startswith('--box expects X,Y,W,H')
        assert len(str(error).splitlines()) == 1
    else:
        assert all(map(math.isfinite, (x1, y1, x2, y2)))
        assert x2 >= x1 and y2 >= y1


@pytest.mark.parametrize(
    'text, reason',
    [
        ('', "got '': 1 value"),
        ('1,2,3', 'got .*: 3 values'),
        ('1,2,3,4,5', '5 values'),
        ('1 2 3 4', '1 value'),
        ('1,2,three,4', "could not convert string to float: 'three'"),
        ('1,2,,4', "could not convert string to float: ''"),
        ('nan,2,3,4', 'not all are finite'),
        ('1,2,inf,4', 'not all are finite'),
        ('1e308,2,1e308,4', 'not all are finite'),
        ('1,2,0,4', 'W = 0, H = 4'),
        ('1,2,3,-4', 'W = 3, H = -4'),
    ],
)
def test_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=f'^--box expects X,Y,W,H: four numbers in pixels.*{reason}'):
        parse_box(text)

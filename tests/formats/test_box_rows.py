"""Rows of numbers: every separator and number format in circulation, and errors with their line."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import count_columns, parse_number, parse_rows

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    'text',
    [
        '1,2,3,4\n5,6,7,8.5\n',
        '1,2,3,4\n5,6,7,8.5',
        '1\t2\t3\t4\n5\t6\t7\t8.5\n',
        '1 2 3 4\n5 6 7 8.5\n',
        '1;2;3;4\n5;6;7;8.5\n',
        '1,2\t3 4\n5;6, 7 ,8.5\n',
        '  1   2  3 4  \n5\t\t6 \t 7   8.5\n',
        '1,2,3,4\n5 6 7 8.5\n',
        '1,2,3,4\r\n5,6,7,8.5\r\n',
        '1,2,3,4\r5,6,7,8.5\r',
        '\ufeff1,2,3,4\n5,6,7,8.5\n',
        '1.,2.0,+3,4e0\n5E+0,60e-1,.7e1,8.5\n',
        '1,2,3,4\n5,6,7,8.5\n\n \n\t\n',
        '1,2,3,4,\n5,6,7,8.5,\n',
        '1,2,3,4 , \r\n5,6,7,8.5,\r\n',
        '1;2;3;4;\n5;6;7;8.5;\n',
        '1\t2\t3\t4\t\n5\t6\t7\t8.5\t\n',
        '1 2 3 4,\n5,6 7,8.5;\n',
    ],
)
def test_two_rows(text: str) -> None:
    assert parse_rows(text, 'f').tolist() == [[1, 2, 3, 4], [5, 6, 7, 8.5]]


@pytest.mark.parametrize('row', ['nan,nan,NaN,NAN', 'nan nan nan nan', 'nan,nan\tnan nan', '-nan,+nan,0,nan'])
def test_rows_of_nan(row: str) -> None:
    rows = parse_rows(f'1,2,3,4\n{row}\n', 'f')
    assert rows.dtype == np.float64 and np.isnan(rows[1, :2]).all() and rows[0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'f is empty: expected rows of 4 numbers x,y,w,h'),
        ('\n \n', 'f is empty'),
        ('1,2,3,4\n1,2,3\n', "f, line 2: expected 4 numbers x,y,w,h, got '1,2,3'"),
        ('1,2,3,4\n1,2,3,4,5\n', "f, line 2: expected 4 numbers x,y,w,h, got '1,2,3,4,5'"),
        ('1,2,3\n1,2,3\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,2,3'"),
        ('1,2,3,4\n\n5,6,7,8\n', "f, line 2: expected 4 numbers x,y,w,h, got ''"),
        ('\n1,2,3,4\n', "f, line 1: expected 4 numbers x,y,w,h, got ''"),
        ('1 2 3 4\n\n5 6 7 8\n', "f, line 2: expected 4 numbers x,y,w,h, got ''"),
        ('1,,2,3\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,,2,3'"),
        ('1,,2,3,4\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,,2,3,4'"),
        ('1, ,3,4\n', "f, line 1: expected 4 numbers x,y,w,h, got '1, ,3,4'"),
        ('1,2,3,4,,\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,2,3,4,,'"),
        ('1,2,3,\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,2,3,'"),
        ('1,,2,3,\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,,2,3,'"),
        (',\n', "f, line 1: expected 4 numbers x,y,w,h, got ','"),
        (',1,2,3,4\n', "f, line 1: expected 4 numbers x,y,w,h, got ',1,2,3,4'"),
        ('1,2,3,4\n1,2,x,4\n', "f, line 2: expected 4 numbers x,y,w,h, got '1,2,x,4'"),
        ('x,y,w,h\n1,2,3,4\n', "f, line 1: expected 4 numbers x,y,w,h, got 'x,y,w,h'"),
        ('1,2,3,inf\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,2,3,inf'"),
        ('1,2,3,4\n1,2,3,-Infinity\n', "f, line 2: expected 4 numbers x,y,w,h, got '1,2,3,-Infinity'"),
        ('1,2,3,1e999\n', "f, line 1: expected 4 numbers x,y,w,h, got an infinite one in '1,2,3,1e999'"),
        ('1,2,3,1_0\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,2,3,1_0'"),
        ('1,2,3,0x10\n', "f, line 1: expected 4 numbers x,y,w,h, got '1,2,3,0x10'"),
        ('#1,2,3,4\n', "f, line 1: expected 4 numbers x,y,w,h, got '#1,2,3,4'"),
        (f'{"9" * 80}\n', f"f, line 1: expected 4 numbers x,y,w,h, got '{'9' * 57}...'"),
    ],
)
def test_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=f'^{re.escape(message)}'):
        parse_rows(text, 'f')


def test_other_numbers_of_columns() -> None:
    assert parse_rows('0.25\n0.5\n', 'f', columns=1).tolist() == [[0.25], [0.5]]
    assert parse_rows('1,2,3\n', 'f', columns=3).shape == (1, 3)
    with pytest.raises(DataError, match='f, line 9: expected 1 number, got'):
        parse_rows('1\n1 2\n', 'f', columns=1, first_line=8)


def test_one_number() -> None:
    assert [parse_number(word) for word in (' 1', '-.5e1 ', '1.')] == [1, -5, 1] and np.isnan(
        parse_number('NaN')
    )
    for word in ('', '1_0', 'inf', '1e999', '0x1', '1 2', '\u0661', 'one'):
        with pytest.raises(ValueError, match='where a number belongs'):
            parse_number(word)


@pytest.mark.parametrize(
    'text, columns', [('', 0), (' \n', 0), ('1\n', 1), ('1, 2\t3\n4\n', 3), ('1,2,\n', 2)]
)
def test_count_columns(text: str, columns: int) -> None:
    assert count_columns(text) == columns


@given(
    st.lists(st.tuples(FINITE, FINITE, FINITE, FINITE), min_size=1, max_size=5),
    st.lists(st.sampled_from([',', ';', ' ', '\t', ' , ', '\t;', '   ']), min_size=15, max_size=15),
    st.sampled_from(['\n', '\r\n']),
)
def test_any_mixture_of_separators(rows: list, separators: list[str], end: str) -> None:
    marks = iter(separators)
    lines = [f'{a!r}{next(marks)}{b!r}{next(marks)}{c!r}{next(marks)}{d!r}' for a, b, c, d in rows]
    np.testing.assert_array_equal(parse_rows(end.join(lines), 'f'), rows)


@given(st.one_of(st.text(), st.text('0123456789.,;+-eEnaNAif \t\r\n_xX')))
@example('1,2,3,4\n1,2\x0b3,4')
@example('1,2,3,4\x00')
@example('\ud800,2,3,4')
@example('\u0661 2 3 4')
def test_any_text_is_rows_or_a_data_error(text: str) -> None:
    try:
        rows = parse_rows(text, 'f')
    except DataError:
        return
    assert rows.dtype == np.float64 and rows.ndim == 2 and rows.shape[1] == 4 and len(rows)
    assert not np.isinf(rows).any()

import struct

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.formats.vot_regions import SHAPE, Regions, parse_binary_regions, parse_regions

NAN = float('nan')
ROWS = [(1,), (10, 20.5, 30, 40), (0,), (1, 1, 9, 1, 9, 8), (2,)]


def binary(rows=ROWS, version=1):
    data = struct.pack('<hI', version, len(rows))
    for row in rows:
        if len(row) == 1:
            data += struct.pack('<BI', 0, int(row[0]))
        elif len(row) == 4:
            data += struct.pack('<B4f', 1, *row)
        else:
            data += struct.pack(f'<BH{len(row)}f', 2, len(row) // 2, *row)
    return data


def text(rows=ROWS):
    return ''.join(','.join(map(str, row)) + '\n' for row in rows)


@pytest.mark.parametrize(
    'regions', [parse_regions(text(), 'a.txt'), parse_binary_regions(binary(), 'a.bin'), Regions.of(ROWS)]
)
def test_all_forms_say_the_same(regions):
    np.testing.assert_array_equal(regions.codes, [1, SHAPE, 0, SHAPE, 2])
    np.testing.assert_array_equal(regions.boxes, [[NAN] * 4, [10, 20.5, 30, 40], *[[NAN] * 4] * 3])
    assert list(regions.polygons) == [3]
    np.testing.assert_array_equal(regions.polygons[3], [[1, 1], [9, 1], [9, 8]])


@pytest.mark.parametrize('line', ['nan,nan,nan,nan', '1,2,nan,4', '1,2,3,4,5,nan'])
def test_a_nan_means_unknown(line):
    regions = parse_regions(line, 'a.txt')
    assert regions.codes.tolist() == [0]
    assert not regions.polygons


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'a.txt is empty'),
        ('1\n1,2,3\n', 'a.txt, line 2: expected a code 0, 1 or 2, a box'),
        ('1\n1 2 3 4\n', "a.txt, line 2: .* got '1 2 3 4'"),
        ('1\n\n1,2,3,4\n', 'a.txt, line 2: '),
        ('1\n1,2,3,1_0\n', "a.txt, line 2: .* got '1,2,3,1_0'"),
        ('1\n1,2,3,inf\n', 'a.txt, line 2: .*inf'),
        ('3\n', "a.txt, line 1: .* got '3'"),
        ('nan\n', "a.txt, line 1: .* got 'nan'"),
        ('0.5\n', 'a.txt, line 1: '),
        ('1,2,3,4,5\n', 'a.txt, line 1: '),
        ('1\nm5,5,2,2,0,4\n', 'a.txt, line 2: masks are not evaluated: write boxes'),
    ],
)
def test_faulty_text(content, message):
    with pytest.raises(DataError, match=message):
        parse_regions(content, 'a.txt')


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'a.bin is no binary trajectory of version 1; use text'),
        (binary(version=2), 'a.bin is no binary trajectory of version 1'),
        (binary()[:-1], 'a.bin ends within region 5 of 5'),
        (binary()[:10], 'a.bin ends within region 1 of 5'),
        (binary() + b'x', 'a.bin has 1 bytes after its 5 regions'),
        (struct.pack('<hIB', 1, 1, 3), 'a.bin, region 1: masks are not evaluated'),
        (struct.pack('<hIB', 1, 1, 4), 'a.bin, region 1: expected kind 0'),
        (struct.pack('<hIBI', 1, 1, 0, 7), "a.bin, region 1: .* got '7'"),
    ],
)
def test_faulty_binary(data, message):
    with pytest.raises(DataError, match=message):
        parse_binary_regions(data, 'a.bin')


@pytest.mark.parametrize(
    ('row', 'empty'),
    [
        ((0,), True),
        ((5, 5, 1, 1), False),
        ((5, 5, 0, 3), True),
        ((5, 5, 3, -1), True),
        ((0, 0, 4, 0, 4, 4), False),
        ((0, 2, 4, 2, 9, 2), True),
    ],
)
def test_empty(row, empty):
    assert Regions.of([row]).empty.tolist() == [empty]


def test_take_reverses():
    regions = Regions.of(ROWS).take(np.arange(3, -1, -1))
    assert regions.codes.tolist() == [SHAPE, 0, SHAPE, 1]
    assert list(regions.polygons) == [0]
    assert len(regions) == 4

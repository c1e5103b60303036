"""The rows that ``mmgtrack track`` writes."""

import re

import pytest

from mmgtrack.errors import DataError
from mmgtrack.formats.track_csv import HEADER, parse_track_csv


@pytest.mark.parametrize(
    'text, message',
    [
        (f'{HEADER},more\n', f"f, line 1: expected {HEADER}, got '{HEADER},more'"),
        (f'{HEADER}\n', 'f is empty'),
        (f'{HEADER}\n0,1,2,3,4,1,1\n1,1,2,3,4,1\n', 'f, line 3: expected 7 numbers'),
        (f'{HEADER}\n0,1,2,3,4,1,1\n2,1,2,3,4,1,1\n', 'f: frame 0 is followed by 2, not by the next one'),
        (f'{HEADER}\n0.5,1,2,3,4,1,1\n', 'f, line 2: expected a whole frame number from 0'),
        (f'{HEADER}\n0,1,2,3,4,1,1\n1e300,1,2,3,4,1,1\n', 'f, line 3: expected a whole frame number from 0'),
    ],
)
def test_broken_own_rows(text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        parse_track_csv(text, 'f')

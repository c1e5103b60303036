"""Frame numbers: whole, and small enough to be one."""

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.formats.frame_numbers import LAST_FRAME, frame_number, frame_numbers

NONE = ('-1', '1.5', 'nan', '1e300', '9999999999999999999', str(LAST_FRAME + 1))


@pytest.mark.parametrize(
    ('word', 'number'), [('0', 0), (' 7 ', 7), ('3e1', 30), ('5.0', 5), ('10000000', LAST_FRAME)]
)
def test_a_field(word: str, number: int) -> None:
    assert frame_number(word) == number


@pytest.mark.parametrize('word', [*NONE, '', 'x', 'inf', '1_0', '9' * 5000])
def test_a_field_that_is_none(word: str) -> None:
    with pytest.raises(ValueError, match=r'where a .*number'):
        frame_number(word)


def test_the_first_one() -> None:
    with pytest.raises(ValueError, match="'0' where a whole frame number from 1 to 10000000 belongs"):
        frame_number('0', first=1)
    with pytest.raises(
        DataError, match=r'^f, line 2: expected a whole frame number from 1 to 10000000, got 0$'
    ):
        frame_numbers(np.array([1.0, 0]), 'f', first=1)


@pytest.mark.parametrize('word', NONE)
def test_a_column(word: str) -> None:
    assert frame_numbers(np.array([0.0, LAST_FRAME]), 'f').tolist() == [0, LAST_FRAME]
    with (
        np.errstate(all='raise'),
        pytest.raises(DataError, match=r'^f, line 6: expected a whole frame number'),
    ):
        frame_numbers(np.array([3.0, float(word)]), 'f', first_line=5)

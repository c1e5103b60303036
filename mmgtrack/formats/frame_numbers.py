"""Frame numbers as files write them: whole, and small enough to be one."""

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import parse_number

LAST_FRAME = 10_000_000
"""Ours: almost four days at 30 frames a second. What is larger is a slip, for which no memory is asked."""


def frame_number(word: str, first: int = 0) -> int:
    """Of one field. Raises ValueError for what is not a whole number from ``first`` to LAST_FRAME."""
    number = parse_number(word)
    if not _sound(np.array(number), first):
        raise ValueError(f'{word.strip()!r} where {_expected(first)} belongs')
    return int(number)


def frame_numbers(column: np.ndarray, where: str, first: int = 0, first_line: int = 1) -> np.ndarray:
    """(n,) int64 of (n,) float64, one for each line. Raises DataError with the line for what is none."""
    sound = _sound(column, first)
    if not sound.all():
        row = int(np.argmin(sound))
        raise DataError(f'{where}, line {first_line + row}: expected {_expected(first)}, got {column[row]:g}')
    return column.astype(np.int64)


def _sound(numbers: np.ndarray, first: int) -> np.ndarray:
    return (numbers >= first) & (numbers <= LAST_FRAME) & (numbers == np.floor(numbers))


def _expected(first: int) -> str:
    return f'a whole frame number from {first} to {LAST_FRAME}'

"""Rows of numbers from text: what nearly every result and annotation file consists of."""

import math
import re

import numpy as np

from mmgtrack.errors import DataError

_NUMBER = r'[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[nN][aA][nN])'
_PLAIN_NUMBER = re.compile(_NUMBER)
# at most one comma or semicolon between two numbers: `1,,2` is a field without a number
_SEPARATOR = re.compile(r'\s*[,;]\s*|\s+')


def parse_rows(text: str, where: str, columns: int = 4, first_line: int = 1) -> np.ndarray:
    """Read rows of numbers to (F, columns) float64; nan where the text says nan.

    Numbers are separated by a comma, a semicolon, tabs or blanks, in any mixture; a separator may also end a
    row, as some programs write it; empty lines may only stand at the end. ``where`` is what messages call the
    file, ``first_line`` the number that the text's first line has there. Raises DataError with file and line
    for words, infinite numbers, another count of numbers, empty fields and lines, and a file without any row.
    """
    lines = text.removeprefix('\ufeff').rstrip().splitlines()
    if not lines:
        raise DataError(f'{where} is empty: expected rows of {_numbers(columns)}')
    rows = _quick_rows(lines)
    if rows is None or rows.shape != (len(lines), columns) or np.isinf(rows).any():
        numbered = enumerate(lines, first_line)
        rows = np.array([_row(line, f'{where}, line {number}', columns) for number, line in numbered])
    return rows


def count_columns(text: str) -> int:
    """How many fields the first line has."""
    first = next(iter(text.removeprefix('\ufeff').splitlines()), '')
    return len(_fields(first))


def parse_number(word: str) -> float:
    """Of one field: a decimal number or nan. Raises ValueError for words and infinite numbers."""
    word = word.strip()
    if not _PLAIN_NUMBER.fullmatch(word) or math.isinf(number := float(word)):
        raise ValueError(f'{_shortened(word)} where a number belongs')
    return number


def _quick_rows(lines: list[str]) -> np.ndarray | None:
    """By numpy's C parser, where one separator is used throughout; None where it finds a fault."""
    separator = next((mark for mark in ',;' if mark in lines[0]), None)
    if separator and lines[0].rstrip().endswith(separator):
        lines = [_without_last_separator(line.rstrip()) for line in lines]
        if not any(lines):  # numpy would warn
            return None
    try:
        return np.loadtxt(lines, delimiter=separator, comments=None, ndmin=2)
    except ValueError:
        return None


def _row(line: str, where: str, columns: int) -> list[float]:
    """The exact and slow way: says which line is wrong, or reads a mixture of separators."""
    fields = _fields(line)
    if len(fields) != columns or not all(map(_PLAIN_NUMBER.fullmatch, fields)):
        raise DataError(f'{where}: expected {_numbers(columns)}, got {_shortened(line)}')
    row = [float(field) for field in fields]
    if np.isinf(row).any():
        raise DataError(f'{where}: expected {_numbers(columns)}, got an infinite one in {_shortened(line)}')
    return row


def _fields(line: str) -> list[str]:
    line = _without_last_separator(line.strip())
    return _SEPARATOR.split(line) if line else []


def _without_last_separator(line: str) -> str:
    return line[:-1].rstrip() if line.endswith((',', ';')) else line


def _numbers(columns: int) -> str:
    return {1: '1 number', 4: '4 numbers x,y,w,h'}.get(columns, f'{columns} numbers')


def _shortened(line: str) -> str:
    text = line.strip()
    return repr(text if len(text) <= 60 else text[:57] + '...')

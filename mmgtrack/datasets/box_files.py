"""Text files of single-object tracking benchmarks: one box, or one flag, a line."""

import re
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError

_SEPARATORS = re.compile(r'[,;\s]+')


def read_boxes(path: Path) -> np.ndarray:
    """Read ``x,y,w,h`` lines to (F, 4) float32 xyxy pixels, x2 = x + w; nan rows where there is no box.

    Numbers are separated by commas, tabs, blanks or semicolons. A line with a nan, or with a size that
    is not positive (LaSOT and GOT-10k write zeros when the target is out of view), is a row without box.
    Raises DataError with file and line.
    """
    rows = [_box_row(path, number, line) for number, line in _lines(path)]
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    empty = np.isnan(boxes).any(1) | ~(boxes[:, 2:] > 0).all(1)
    boxes[:, 2:] += boxes[:, :2]
    boxes[empty] = np.nan
    return boxes.astype(np.float32)


def read_flags(path: Path) -> np.ndarray:
    """Read 0/1 flags to (F,) bool, one a line or all in one line (LaSOT's full_occlusion.txt)."""
    flags: list[bool] = []
    for number, line in _lines(path):
        for word in _words(line):
            if word not in ('0', '1'):
                raise DataError(f'{path}, line {number}: expected 0 or 1, got {word!r}')
            flags.append(word == '1')
    return np.array(flags, dtype=bool)


def read_numbers(path: Path) -> np.ndarray:
    """Read numbers to (F,) float64, one a line or all in one line (GOT-10k's cover.label)."""
    numbers: list[float] = []
    for line_number, line in _lines(path):
        try:
            numbers += [float(word) for word in _words(line)]
        except ValueError as error:
            raise DataError(f'{path}, line {line_number}: expected numbers, got {line.strip()!r}') from error
    return np.array(numbers, dtype=np.float64)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines from 1, without the empty ones at the end of the file."""
    try:
        text = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f'cannot read the annotation file {path}: {error}') from error
    return list(enumerate(text.rstrip().splitlines(), start=1))


def _words(line: str) -> list[str]:
    return [word for word in _SEPARATORS.split(line.strip()) if word]


def _box_row(path: Path, number: int, line: str) -> list[float]:
    words = _words(line)
    try:
        row = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f'{path}, line {number}: expected numbers, got {line.strip()!r}') from error
    if len(row) != 4:
        raise DataError(
            f'{path}, line {number}: expected 4 numbers x,y,w,h, got {len(row)} in {line.strip()!r}'
        )
    if np.isinf(row).any():
        raise DataError(f'{path}, line {number}: infinite number in {line.strip()!r}')
    return row

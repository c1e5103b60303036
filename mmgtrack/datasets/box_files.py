"""Text files of single-object tracking benchmarks: one box, or one flag, a line."""

import re
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import parse_rows
from mmgtrack.formats.disk import read_text

_SEPARATORS = re.compile(r'[,;\s]+')


def read_boxes(path: Path) -> np.ndarray:
    """Read ``x,y,w,h`` lines to (F, 4) float32 xyxy pixels, x2 = x + w; nan rows where there is no box.

    Numbers are separated by commas, tabs, blanks or semicolons. Raises DataError with file and line, also for
    a file without any row.
    """
    return corners_of(parse_rows(read_text(path), str(path)))


def corners_of(boxes_xywh: np.ndarray) -> np.ndarray:
    """(F, 4) float32 xyxy of (F, 4) float64 rows, x2 = x + w.

    A row with a nan, or with a size that is not positive (LaSOT and GOT-10k write zeros when the target is
    out of view), is without a box: nan.
    """
    boxes = boxes_xywh.copy()
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
    return list(enumerate(read_text(path).rstrip().splitlines(), start=1))


def _words(line: str) -> list[str]:
    return [word for word in _SEPARATORS.split(line.strip()) if word]

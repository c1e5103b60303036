"""Masks of VOT's short-term challenges since 2020, as the boxes around them."""

import numpy as np

from mmgtrack.errors import DataError


def with_boxes(text: str, where: str) -> str:
    """The text of a region file with every mask replaced by the tight box x,y,w,h around it.

    A mask is ``m`` and x,y,w,h of the rectangle that it fills, then lengths of runs, row by row, in turn
    outside and inside. One without a pixel becomes nan. Raises DataError with the line for others.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith('m'):
            try:
                lines[number - 1] = _box(line)
            except ValueError as error:
                raise DataError(f'{where}, line {number}: expected mx,y,w,h,runs..., got {error}') from error
    return '\n'.join(lines)


def _box(line: str) -> str:
    """Raises ValueError."""
    x, y, w, h, *runs = map(int, line.removeprefix('m').split(','))
    ends = np.cumsum(runs)
    if min(w, h, *runs, 0) < 0 or (len(ends) and ends[-1] > w * h):
        raise ValueError(f'runs that do not fit {w}x{h}')
    inside = np.zeros(w * h, dtype=bool)
    for start, end in zip(ends[::2], ends[1::2], strict=False):  # a last run outside has no partner
        inside[start:end] = True
    rows, columns = np.nonzero(inside.reshape(h, w))
    if not len(rows):
        return 'nan,nan,nan,nan'
    width, height = int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    return f'{x + columns.min()},{y + rows.min()},{width},{height}'

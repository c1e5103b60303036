"""Masks of VOT's short-term challenges since 2020, as the boxes around them."""

from itertools import accumulate

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
    ends = list(accumulate(runs))
    if min(w, h, *runs, 0) < 0 or (ends and ends[-1] > w * h):
        raise ValueError(f'runs that do not fit {w}x{h}')
    # a last run outside has no partner
    inside = [(start, end - 1) for start, end in zip(ends[::2], ends[1::2], strict=False) if end > start]
    if not inside:
        return 'nan,nan,nan,nan'
    top, bottom = inside[0][0] // w, inside[-1][1] // w
    wraps = any(start // w != last // w for start, last in inside)  # then it has both ends of a row
    left = 0 if wraps else min(start % w for start, _ in inside)
    right = w - 1 if wraps else max(last % w for _, last in inside)
    return f'{x + left},{y + top},{right - left + 1},{bottom - top + 1}'

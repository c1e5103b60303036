"""Boxes as they are typed."""

import math
from collections.abc import Sequence

from mmgtrack.errors import InputError


def parse_box(text: str) -> tuple[float, float, float, float]:
    """``'X,Y,W,H'`` in pixels to (x1, y1, x2, y2).

    Raises InputError unless there are exactly four finite numbers with W and H above 0.
    """
    expected = f'--box expects X,Y,W,H: four numbers in pixels with W and H above 0, got {text!r}'
    parts = text.split(',')
    if len(parts) != 4:
        raise InputError(f'{expected}: {len(parts)} value{"" if len(parts) == 1 else "s"}')
    try:
        x, y, width, height = (float(part) for part in parts)
    except ValueError as error:
        raise InputError(f'{expected}: {error}') from error
    corners = (x, y, x + width, y + height)
    if not all(map(math.isfinite, corners)):
        raise InputError(f'{expected}: not all are finite')
    if width <= 0 or height <= 0:
        raise InputError(f'{expected}: W = {width:g}, H = {height:g}')
    return corners


def check_overlap(words: Sequence[str], size: tuple[int, int]) -> None:
    """Refuse a box, as it is typed, that lies outside a frame of size (height, width)."""
    height, width = size
    for text in words:
        x1, y1, x2, y2 = parse_box(text)
        if min(x2, width) <= max(x1, 0) or min(y2, height) <= max(y1, 0):
            raise InputError(f'--box {text}: the target must overlap the frame of {width}x{height} pixels')

"""Boxes as they are typed."""

import math

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

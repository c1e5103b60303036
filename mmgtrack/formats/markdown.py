"""Tables of shares in Markdown."""

from collections.abc import Sequence

import numpy as np

Bounded = tuple[float, float, float]
"""A number, and its bounds of 95 %."""
BAR = r'\|'
"""A | that does not end its cell."""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; a | in a cell stays part of it."""
    return [_row(header), f'|{"---|" * len(header)}', *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cell.replace("|", BAR) for cell in cells)} |'


def bounded_percent(number: Bounded, sign: str = '') -> str:
    """``12.3 [10.1, 14.2]`` of shares, '-' for what is no number; sign: '+' shows it of numbers above 0."""
    value, low, high = (f'{100 * part:{sign}.1f}' if np.isfinite(part) else '-' for part in number)
    return '-' if value == '-' else f'{value} [{low}, {high}]'

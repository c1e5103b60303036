"""Tables on stdout: aligned columns that can be copied, and cut by other programs."""

import math
from collections.abc import Sequence


def percent(value: float | None, is_absolute: bool = False) -> str:
    """A share in percent with two decimals, a number that is no share as it is, '-' for none."""
    if value is None or not math.isfinite(value):
        return '-'
    return f'{value:.2f}' if is_absolute else f'{100 * value:.2f}'


def count_of(number: int, what: str) -> str:
    """1 sequence, 2 sequences."""
    return f'{number} {what}' if number == 1 else f'{number} {what}s'


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a header: words to the left, numbers to the right, two blanks between."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numeric = [all(_is_number(cell) for cell in column) for column in zip(*rows, strict=True)]
    for line in lines:
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        print('  '.join(cells).rstrip())


def _is_number(cell: str) -> bool:
    return cell == '-' or cell.lstrip('+-').replace('.', '', 1).isdigit()

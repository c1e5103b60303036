"""Pictures with several pairs of axes, by matplotlib where it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmgtrack.errors import InputError, MissingDependencyError
from mmgtrack.files import replacing
from mmgtrack.visualization.draw import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = ('.png', '.svg', '.pdf')
_PANEL_INCHES = (4.4, 3.6)
_LEGEND_INCHES = 1.8


@contextmanager
def drawing(path: Path, title: str, panels: int) -> Iterator[list['Axes']]:
    """Axes to draw on, side by side; the file is written when the block ends well.

    Raises InputError for another kind of file, MissingDependencyError without matplotlib, OutputError where
    the file cannot be written.
    """
    check_suffix(path)
    try:
        from matplotlib.figure import Figure  # without pyplot: no window, no global state
    except ImportError as error:
        raise MissingDependencyError('drawing needs matplotlib: pip install matplotlib') from error
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * panels, height), layout='constrained')
    figure.suptitle(title)
    yield list(figure.subplots(1, panels, squeeze=False)[0])
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix.lower()[1:], dpi=150)


def legend_beside(axes: 'Axes') -> None:
    """One legend for all panels, to the right of them, by what is drawn in one of them."""
    from matplotlib.figure import Figure

    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + _LEGEND_INCHES, height)
    figure.legend(*axes.get_legend_handles_labels(), loc='outside right upper', fontsize='x-small')


def check_suffix(path: Path) -> None:
    """Raises InputError where ``drawing`` could not write this kind of file."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f'a picture ends in {", ".join(SUFFIXES)}, got {path.name}')


def colour_of(index: int) -> tuple[float, float, float]:
    """Red, green and blue in [0, 1] of the palette, which starts again at its end."""
    blue, green, red = PALETTE[index % len(PALETTE)]
    return red / 255, green / 255, blue / 255

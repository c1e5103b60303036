"""Means over a setting that is tried at several values, with their bounds, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmgtrack.visualization.figures import colour_of, drawing

Points = Sequence[tuple[float, float, float]]
"""(mean, low, high) at each value of the setting."""


def plot_bands(
    values: Sequence[float], lines: Mapping[str, Points], labels: tuple[str, str], title: str, path: Path
) -> None:
    """Draw a line for each name, its bounds as a band, both axes logarithmic, into a .png, .svg or .pdf file.

    values: of the setting, above 0; labels: what they are, and what the lines show. Points that are not
    finite are left out. Raises InputError for another kind of file, MissingDependencyError without
    matplotlib, OutputError where the file cannot be written.
    """
    with drawing(path, title, 1) as (axes,):
        for index, (name, points) in enumerate(lines.items()):
            mean, low, high = np.where(np.isfinite(points), points, np.nan).T
            axes.plot(values, mean, marker='o', color=colour_of(index), label=name)
            axes.fill_between(values, low, high, color=colour_of(index), alpha=0.2)
        axes.set(xlabel=labels[0], ylabel=labels[1], xscale='log', yscale='log')
        axes.grid(alpha=0.3, which='both')
        axes.legend(fontsize='small')

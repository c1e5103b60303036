"""Shares against the size of the target, with their bounds, as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmgtrack.visualization.bands import Points
from mmgtrack.visualization.figures import colour_of, drawing


@dataclass(frozen=True)
class SizePanel:
    """One pair of axes.

    lines: by the name of the tracker, sizes in pixels and (value, low, high) shares at each; chance: sizes
    and shares of a random answer, where there is one. What is not finite is left out.
    """

    title: str
    lines: Mapping[str, tuple[Sequence[float], Points]]
    chance: tuple[Sequence[float], Sequence[float]] | None = None


def plot_by_size(panels: Sequence[SizePanel], title: str, path: Path) -> None:
    """Draw a line for every tracker in each panel, its bounds as a band, into a .png, .svg or .pdf file.

    A tracker has one colour in all panels. Raises InputError for another kind of file,
    MissingDependencyError without matplotlib, OutputError where the file cannot be written.
    """
    with drawing(path, title, len(panels)) as figure:
        for axes, panel in zip(figure, panels, strict=True):
            for index, (name, (sizes, points)) in enumerate(panel.lines.items()):
                found = np.array(points, dtype=float).reshape(-1, 3)
                places, found = _finite(sizes, found)
                value, low, high = 100 * found.T
                axes.plot(places, value, marker='o', markersize=4, color=colour_of(index), label=name)
                axes.fill_between(places, low, high, color=colour_of(index), alpha=0.2)
            if panel.chance is not None:
                places, chance = _finite(panel.chance[0], np.array(panel.chance[1]))
                axes.plot(places, 100 * chance, 'k--', linewidth=1, label='a random point')
            axes.set(title=panel.title, xlabel='size of the target, px', ylabel='%', ylim=(0, 100))
            axes.set_xscale('log', base=2)
            axes.xaxis.set_major_formatter('{x:g}')
            axes.grid(alpha=0.3)
            axes.legend(fontsize='x-small')


def _finite(sizes: Sequence[float], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without those of no size, so that a line goes on behind an empty bin."""
    known = np.isfinite(sizes)
    return np.array(sizes)[known], values[known]

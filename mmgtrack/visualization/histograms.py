"""Histograms of several sets of numbers on top of each other, as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmgtrack.visualization.figures import colour_of, drawing, legend_beside


@dataclass(frozen=True, eq=False)
class HistogramPanel:
    """One pair of axes.

    edges: (B + 1,) above 0 and rising, of the bins; shares: (B,) in them, by the name of the set. marks:
    limits between classes, drawn as lines, and names: of the classes, one more than limits.
    """

    x_label: str
    edges: Sequence[float]
    shares: Mapping[str, np.ndarray]
    marks: Sequence[float]
    names: Sequence[str]


def plot_histograms(panels: Sequence[HistogramPanel], title: str, path: Path) -> None:
    """Draw every set as a line of steps over a logarithmic axis into a .png, .svg or .pdf file.

    A set has one colour in all panels. Raises InputError for another kind of file, MissingDependencyError
    without matplotlib, OutputError where the file cannot be written.
    """
    with drawing(path, title, len(panels)) as figure:
        for axes, panel in zip(figure, panels, strict=True):
            for index, (name, shares) in enumerate(panel.shares.items()):
                axes.stairs(100 * shares, panel.edges, color=colour_of(index), label=name, linewidth=1.5)
            for mark in panel.marks:
                axes.axvline(mark, color='0.5', linestyle='--', linewidth=0.8)
            first, last = panel.edges[0], panel.edges[-1]
            axes.set_xscale('log', base=2)
            axes.xaxis.set_major_formatter(lambda size, _: f'{size:g}' if size >= 1 else f'1/{1 / size:g}')
            axes.set(xlabel=panel.x_label, ylabel='targets a bin, %', xlim=(first, last))
            for name, place in _places(panel):
                # above the axes, where no line is
                axes.text(
                    place, 1.01, name, ha='center', size='x-small', transform=axes.get_xaxis_transform()
                )
            axes.grid(alpha=0.3)
            axes.set_ylim(bottom=0)
        legend_beside(figure[0])


def _places(panel: HistogramPanel) -> list[tuple[str, float]]:
    """Each class that is in view, and the middle of what is seen of it."""
    limits = np.clip([panel.edges[0], *panel.marks, panel.edges[-1]], panel.edges[0], panel.edges[-1])
    middles = np.sqrt(limits[:-1] * limits[1:])
    seen = limits[1:] > limits[:-1]
    return [(n, float(m)) for n, m, there in zip(panel.names, middles, seen, strict=True) if there]

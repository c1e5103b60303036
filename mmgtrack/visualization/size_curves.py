"""Shares against the size of the target, with their bounds, as a picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmgtrack.evaluation.size_study import MEASURES, SizeSummary
from mmgtrack.visualization.bands import Points
from mmgtrack.visualization.figures import colour_of, drawing, legend_beside

SPREAD = 0.4
"""Octaves that the points of one size take together."""


@dataclass(frozen=True)
class SizePanel:
    """One pair of axes.

    lines: by the name of the tracker, sizes in pixels and (value, low, high) shares at each; chance: sizes
    and shares of a random answer, where there is one. What is not finite is a gap.
    """

    title: str
    lines: Mapping[str, tuple[Sequence[float], Points]]
    chance: tuple[Sequence[float], Sequence[float]] | None = None


def panels_of(
    lines: Callable[[str], Mapping[str, tuple[Sequence[float], Points]]], first: SizeSummary
) -> list[SizePanel]:
    """Hit rate with the chance level, and AUC.

    lines: of a panel, by measure; first: numbers of any tracker.
    """
    chance = [line.size for line in first.lines], [line.chance for line in first.lines]
    return [
        SizePanel(MEASURES['hit'], lines('hit'), chance),
        SizePanel(MEASURES['auc'], lines('auc')),
    ]


def plot_by_size(panels: Sequence[SizePanel], title: str, path: Path) -> None:
    """Draw a line for every tracker in each panel, with bars for its bounds, into a .png, .svg or .pdf file.

    A tracker has one colour in all panels, and its points are a little aside of another's of the same size. A
    line ends at a bin without a value. Raises InputError for another kind of file, MissingDependencyError
    without matplotlib, OutputError where the file cannot be written.
    """
    with drawing(path, title, len(panels)) as figure:
        for axes, panel in zip(figure, panels, strict=True):
            for index, (name, (sizes, points)) in enumerate(panel.lines.items()):
                aside = 2 ** (SPREAD * (index - (len(panel.lines) - 1) / 2) / len(panel.lines))
                value, low, high = 100 * np.array(points, dtype=float).reshape(-1, 3).T
                reach = np.nan_to_num(np.maximum([value - low, high - value], 0))
                axes.errorbar(
                    np.array(sizes, dtype=float) * aside,
                    value,
                    reach,
                    color=colour_of(index),
                    label=name,
                    marker='o',
                    markersize=3,
                    linewidth=1,
                    elinewidth=1,
                    capsize=1.5,
                )
            if panel.chance is not None:
                axes.plot(
                    panel.chance[0],
                    100 * np.array(panel.chance[1]),
                    'k--',
                    linewidth=1,
                    label='a random point',
                )
            axes.set(title=panel.title, xlabel='size of the target, px', ylabel='%')
            axes.set_xscale('log', base=2)
            axes.xaxis.set_major_formatter('{x:g}')
            axes.grid(alpha=0.3)
        legend_beside(figure[0])

"""Numbers of several trackers side by side, with their bounds, as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from mmgtrack.visualization.figures import colour_of, drawing

LABEL_WIDTH = 22  # letters of a name in a line below its bar


@dataclass(frozen=True)
class BarPanel:
    """One pair of axes; values: (value, low, high) by the name of the tracker."""

    title: str
    y_label: str
    values: Mapping[str, tuple[float, float, float]]


def plot_bars(panels: Sequence[BarPanel], title: str, path: Path) -> None:
    """Draw a bar for every tracker in each panel, its bounds as a line, into a .png, .svg or .pdf file.

    A tracker has one colour in all panels. Raises InputError for another kind of file,
    MissingDependencyError without matplotlib, OutputError where the file cannot be written.
    """
    with drawing(path, title, len(panels)) as figure:
        for axes, panel in zip(figure, panels, strict=True):
            names = list(panel.values)
            heights = [value for value, _, _ in panel.values.values()]
            reach = [
                [value - low for value, low, _ in panel.values.values()],
                [high - value for value, _, high in panel.values.values()],
            ]
            colours = [colour_of(index) for index in range(len(names))]
            labels = [fill(name, LABEL_WIDTH) for name in names]
            axes.bar(labels, heights, yerr=reach, color=colours, capsize=4)
            axes.set(title=panel.title, ylabel=panel.y_label)
            axes.tick_params('x', rotation=50, labelsize='small')
            axes.grid(axis='y', alpha=0.3)

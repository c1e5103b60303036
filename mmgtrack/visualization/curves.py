"""Curves of evaluations as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgtrack.errors import InputError
from mmgtrack.evaluation.evaluate import Evaluation
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.visualization.draw import PALETTE
from mmgtrack.visualization.figures import colour_of, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = ('-', '--', ':')  # one more each time the colours are used up


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    curve: name in ``Scores.curves`` of what is drawn upwards; over: (first, last) value to the right, evenly
    spaced, or the name of another curve; score: whose value stands in the legend.
    """

    curve: str
    over: tuple[float, float] | str
    x_label: str
    y_label: str
    score: str


_ONE_PASS = (
    Panel('success', (0, 1), 'IoU above', 'share of frames', 'success'),
    Panel('precision', (0, 50), 'centre error within, in pixels', 'share of frames', 'precision'),
    Panel(
        'norm_precision',
        (0, 0.5),
        'centre error within, in sizes',
        'share of frames',
        'norm_precision',
    ),
    Panel('success', (0, 1), 'IoU above', 'share of frames', 'ao'),
    Panel('lsm', (0.5, 1), 'share of frames tracked', 'longest stretch', 'lsm_0.95'),
)
_CONFIDENCE = (Panel('precision', 'recall', 'recall', 'precision', 'f'),)
_LENGTHS = (Panel('eao', (0, -1), 'frames', 'expected average overlap', 'eao'),)
_IDENTITIES = tuple(
    Panel(name, (0.05, 0.95), 'IoU', f'{name} there', name) for name in ('hota', 'deta', 'assa')
)


def plot_curves(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Draw the curves of one protocol, all trackers in each panel, into a .png, .svg or .pdf file.

    Raises InputError for another kind of file or a protocol without curves, MissingDependencyError without
    matplotlib, OutputError where the file cannot be written.
    """
    protocol = evaluations[0].protocol
    panels = panels_of(evaluations[0].scores)
    if not panels:
        raise InputError(f'{protocol.name} has no curve to draw')
    title = f'{protocol.name}, {len(evaluations[0].parts)} sequences'
    with drawing(path, title, len(panels)) as figure:
        for axes, panel in zip(figure, panels, strict=True):
            _draw(axes, panel, evaluations)


def panels_of(scores: Scores) -> tuple[Panel, ...]:
    """The panels that these scores have curves for."""
    if 'recall' in scores.curves:
        return _CONFIDENCE
    known = (*_ONE_PASS, *_LENGTHS, *_IDENTITIES)
    return tuple(panel for panel in known if panel.curve in scores.curves and panel.score in scores.values)


def _draw(axes: 'Axes', panel: Panel, evaluations: Sequence[Evaluation]) -> None:
    for index, evaluation in enumerate(evaluations):
        scores = evaluation.scores
        options: dict[str, Any] = {
            'color': colour_of(index),
            'linestyle': _STYLES[index // len(PALETTE) % len(_STYLES)],
            'label': f'{evaluation.tracker} [{_percent(scores.values[panel.score])}]',
        }
        axes.plot(_x_values(panel, scores), scores.curves[panel.curve], **options)
    axes.set(title=f'[{panel.score}]', xlabel=panel.x_label, ylabel=panel.y_label, ylim=(0, 1))
    if isinstance(panel.over, str):  # a share over a share
        axes.set(xlim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small')


def _percent(value: float) -> str:
    return f'{100 * value:.2f}' if np.isfinite(value) else '-'


def _x_values(panel: Panel, scores: Scores) -> np.ndarray:
    if isinstance(panel.over, str):
        return scores.curves[panel.over]
    count = len(scores.curves[panel.curve])
    first, last = panel.over
    return np.linspace(first, count - 1 if last < 0 else last, count)

"""Shares against sizes as a picture."""

from pathlib import Path

import cv2
import pytest

from mmgtrack.errors import InputError
from mmgtrack.visualization.size_curves import SizePanel, plot_by_size

NAN = float('nan')


def test_panels_with_and_without_chance(tmp_path: Path) -> None:
    lines = {
        'one': ([5.0, 10.0, NAN], [(0.2, 0.1, 0.3), (0.5, 0.4, 0.6), (NAN, NAN, NAN)]),
        'other': ([5.0], [(0.9, NAN, NAN)]),
    }
    panels = [SizePanel('hit rate', lines, ([5.0, 10.0], [0.01, 0.04])), SizePanel('AUC', lines)]
    plot_by_size(panels, 'two panels', tmp_path / 'plot.png')
    picture = cv2.imread(str(tmp_path / 'plot.png'))
    assert picture.shape[1] > 1200 and len(set(map(tuple, picture.reshape(-1, 3).tolist()))) > 50
    plot_by_size(panels[1:], 'one panel', tmp_path / 'plot.svg')
    assert (tmp_path / 'plot.svg').read_bytes().startswith(b'<?xml')
    with pytest.raises(InputError, match='picture ends in'):
        plot_by_size(panels, 'none', tmp_path / 'plot.txt')

"""Lines with bounds: ink of each, and points that are no numbers."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.errors import InputError
from mmgtrack.visualization.bands import plot_bands
from mmgtrack.visualization.draw import PALETTE

LINES = {
    'first': [(1.0, 0.8, 1.2), (0.5, 0.4, 0.7), (np.inf, np.inf, np.inf)],
    'second': [(2.0, 1.8, 2.2), (3.0, 2.4, 3.7), (4.0, 3.0, 5.0)],
}


def test_every_line_has_its_colour_and_band(tmp_path: Path) -> None:
    plot_bands((0.01, 0.1, 1.0), LINES, ('rate', 'loss'), 'two heads', tmp_path / 'bands.png')
    picture = cv2.imread(str(tmp_path / 'bands.png')).reshape(-1, 3).astype(int)
    for colour in PALETTE[:2]:
        pale = 0.8 * 255 + 0.2 * np.array(colour)
        assert (np.abs(picture - colour).max(1) <= 2).sum() > 300
        assert (np.abs(picture - pale).max(1) <= 3).sum() > 1000


def test_another_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'\.png, \.svg, \.pdf'):
        plot_bands((0.1,), {'a': [(1.0, 1.0, 1.0)]}, ('x', 'y'), 'title', tmp_path / 'bands.gif')

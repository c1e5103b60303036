"""OTB: folders of two targets, separators, names in any case."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.otb import OTB

from .trees import ROWS, write_tree

FILES = {
    'Jogging/groundtruth_rect.1.txt': '1\t2\t3\t4\n5\t6\t7\t8\n',
    'Jogging/groundtruth_rect.2.txt': '9 9 9 9\n',
    'Human4/groundtruth_rect.1.txt': '\n',
    'Human4/groundtruth_rect.2.txt': ROWS,
    'Walking/groundtruth_rect.txt': '1,2\t3 4\n5, 6,7\t 8\n',
}


@pytest.mark.parametrize('zipped', [False, True])
def test_targets_and_separators(zipped: bool, tmp_path: Path) -> None:
    annotations = OTB(write_tree(tmp_path, FILES, zipped))
    assert annotations.names == ('Human4-2', 'Jogging-1', 'Jogging-2', 'Walking')
    for name in ('Jogging-1', 'Walking'):
        np.testing.assert_array_equal(annotations.read(name).boxes, [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert len(annotations.read('Human4-2').boxes) == 3


def test_any_case(tmp_path: Path) -> None:
    annotations = OTB(write_tree(tmp_path, FILES))
    assert annotations.read('jogging-2').name == 'Jogging-2'
    with pytest.raises(DataError, match='did you mean Jogging-'):
        annotations.read('jogging-3')


def test_nan_is_kept(tmp_path: Path) -> None:
    boxes = OTB(write_tree(tmp_path, {'A/groundtruth_rect.txt': 'NaN,2,3,4\n'})).read('A').boxes
    np.testing.assert_array_equal(boxes, [[np.nan, 2, 3, 4]])

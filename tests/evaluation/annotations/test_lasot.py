"""LaSOT in the layout of the dataset and in that of the evaluation toolkit."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.lasot import LaSOT

from .trees import ROWS, write_tree

DATASET = {
    'cat/cat-2/groundtruth.txt': ROWS,
    'cat/cat-2/full_occlusion.txt': '0,1,0',
    'cat/cat-2/out_of_view.txt': '0,0,1\n',
    'cat/cat-2/img/00000001.jpg': '',
    'cat/cat-10/groundtruth.txt': ROWS,
    'testing_set.txt': 'cat-2\ncat-10\n',
}
TOOLKIT = {
    'annos/cat-10.txt': ROWS,
    'annos/cat-2.txt': ROWS,
    'annos/absent/cat-2.txt': '0\n1\n1\n',
    'sequence_evaluation_config/testing_set.txt': 'cat-2\ncat-10\n',
}


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize('files', [DATASET, TOOLKIT])
def test_layouts(files: dict[str, str], zipped: bool, tmp_path: Path) -> None:
    annotations = LaSOT(write_tree(tmp_path, files, zipped))
    assert annotations.names == ('cat-2', 'cat-10')
    truth = annotations.read('cat-2')
    assert truth.boxes.shape == (3, 4)
    np.testing.assert_array_equal(truth.absent, [False, True, True])


@pytest.mark.parametrize('files, below', [(DATASET, 'cat'), (TOOLKIT, 'annos')])
def test_the_folder_below(files: dict[str, str], below: str, tmp_path: Path) -> None:
    annotations = LaSOT(write_tree(tmp_path, files) / below)
    assert annotations.names == ('cat-2', 'cat-10')
    np.testing.assert_array_equal(annotations.read('cat-2').absent, [False, True, True])


@pytest.mark.parametrize('files', [DATASET, TOOLKIT])
def test_missing_flags(files: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'cannot read .*cat-10(/full_occlusion)?\.txt: No such file'):
        LaSOT(write_tree(tmp_path, files)).read('cat-10')


@pytest.mark.parametrize(
    'files, name', [(DATASET, 'cat/cat-2/out_of_view.txt'), (TOOLKIT, 'annos/absent/cat-2.txt')]
)
def test_flags_that_do_not_agree(files: dict[str, str], name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f'{name} has 2 values for 3 frames'):
        LaSOT(write_tree(tmp_path, {**files, name: '0\n1\n'})).read('cat-2')


def test_text_files_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='holds no annotations of LaSOT'):
        LaSOT(write_tree(tmp_path, {'a.txt': ROWS}))

"""GOT-10k: list, boxes, labels and the size of the images."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.got10k import GOT10k

from .trees import ROWS, write_tree

META = '[METAINFO]\nobject_class: thing\nresolution: (320, 240)'
FILES = {
    f'val/{name}/{file}': text
    for name in ('V_2', 'V_1', 'V_3')
    for file, text in {
        'groundtruth.txt': ROWS,
        'absence.label': '0\n1\n0\n',
        'cover.label': '8\n0\n3\n',
        'meta_info.ini': META,
    }.items()
}


@pytest.mark.parametrize('zipped', [False, True])
def test_labels(zipped: bool, tmp_path: Path) -> None:
    annotations = GOT10k(write_tree(tmp_path, {**FILES, 'val/list.txt': 'V_2\nV_1'}, zipped))
    assert annotations.names == ('V_2', 'V_1')
    truth = annotations.read('V_1')
    assert truth.boxes.shape == (3, 4)
    np.testing.assert_array_equal(truth.absent, [False, True, False])
    np.testing.assert_array_equal(truth.cover, [8, 0, 3])
    assert truth.image_size == (320, 240)


def test_a_sequence_that_is_listed_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'val/list\.txt, line 3: V_1 stands in line 1 already'):
        GOT10k(write_tree(tmp_path, {**FILES, 'val/list.txt': 'V_1\nV_2\nV_1\n'}))


def test_the_folder_of_the_split_without_list(tmp_path: Path) -> None:
    assert GOT10k(write_tree(tmp_path, FILES) / 'val').names == ('V_1', 'V_2', 'V_3')


def test_a_listed_sequence_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='lists V_9, which has no groundtruth'):
        GOT10k(write_tree(tmp_path, {**FILES, 'val/list.txt': 'V_1\nV_9\n'}))


@pytest.mark.parametrize(
    'file, text, message',
    [
        ('cover.label', '8\n8\n', 'cover.label has 2 values for 3 frames'),
        ('meta_info.ini', 'nothing', 'no line "resolution'),
        ('meta_info.ini', f'resolution: ({"9" * 5000}, 240)', 'no line "resolution'),
        ('cover.label', '8\n\n8\n', 'cover.label, line 2'),
        ('absence.label', '0\n0\nx\n', 'absence.label, line 3'),
    ],
)
def test_broken_files(file: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        GOT10k(write_tree(tmp_path, {**FILES, f'val/V_1/{file}': text})).read('V_1')

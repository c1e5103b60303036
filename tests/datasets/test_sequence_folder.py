"""Reading sequence folders: numbers, absence, several targets, composites, and every error."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmgtrack.datasets import SequenceFolder, read_frame
from mmgtrack.errors import DataError

WriteTree = Callable[..., Path]


@pytest.mark.parametrize(
    'text',
    [
        '1,2,3,4\n5,6,7,8\n',
        '1\t2\t3\t4\r\n5\t6\t7\t8\r\n',
        '1 2  3 4\n 5 6 7 8 \n\n\n',
        '1, 2, 3, 4\n5; 6; 7; 8',
        '\ufeff1.0,2.0,3.0,4.0\n5e0,6.0,7.0,8.0',
    ],
    ids=['comma', 'tab-crlf', 'blanks-end-lines', 'mixed', 'bom-floats'],
)
def test_separators(tmp_path: Path, write_tree: WriteTree, text: str) -> None:
    write_tree(tmp_path / 'a', 2, groundtruth=text)
    sequence = SequenceFolder(str(tmp_path))[0]
    assert sequence.boxes.dtype == np.float32
    np.testing.assert_array_equal(sequence.boxes[:, 0], [[1, 2, 4, 6], [5, 6, 12, 14]])
    assert sequence.present.all()
    assert [Path(path).name for path in sequence.frame_paths] == ['000001.jpg', '000002.jpg']


@pytest.mark.parametrize('row', ['nan,nan,nan,nan', 'NaN NaN NaN NaN', '0,0,0,0', '5,5,-1,3'])
@pytest.mark.parametrize('nan_means, labelled', [('absent', True), ('unknown', False)])
def test_row_without_box(
    tmp_path: Path, write_tree: WriteTree, row: str, nan_means: str, labelled: bool
) -> None:
    write_tree(tmp_path / 'a', 2, groundtruth=f'1,2,3,4\n{row}\n')
    sequence = SequenceFolder(str(tmp_path), nan_means=nan_means)[0]
    assert np.isnan(sequence.boxes[1]).all()
    assert sequence.present[:, 0].tolist() == [True, False]
    assert sequence.labelled[:, 0].tolist() == [True, labelled]


def test_absent_file_overrules_boxes_and_makes_absence_known(tmp_path: Path, write_tree: WriteTree) -> None:
    write_tree(tmp_path / 'a', 3, groundtruth='1,2,3,4\n1,2,3,4\nnan,nan,nan,nan', absent='0\n1\n0')
    sequence = SequenceFolder(str(tmp_path), nan_means='unknown')[0]
    assert np.isnan(sequence.boxes[1]).all()
    assert sequence.present[:, 0].tolist() == [True, False, False]
    assert sequence.labelled[:, 0].tolist() == [True, True, False]


def test_flags_in_one_line(tmp_path: Path, write_tree: WriteTree) -> None:
    write_tree(tmp_path / 'a', 2, groundtruth='1,2,3,4\n1,2,3,4', absent='0,1')
    assert SequenceFolder(str(tmp_path))[0].present[:, 0].tolist() == [True, False]


def test_several_targets_in_number_order(tmp_path: Path, write_tree: WriteTree) -> None:
    files = {f'groundtruth_{k}': f'{k},0,5,5\nnan,nan,nan,nan' for k in (1, 2, 10)}
    write_tree(tmp_path / 'a', 2, **files, absent_2='0\n1')
    sequence = SequenceFolder(str(tmp_path), nan_means='unknown')[0]
    assert sequence.num_targets == 3
    assert sequence.boxes.shape == (2, 3, 4)
    assert sequence.boxes[0, :, 0].tolist() == [1, 2, 10]
    assert sequence.labelled[1].tolist() == [False, True, False]


def test_frames_without_leading_zeros_are_in_time_order(tmp_path: Path, write_tree: WriteTree) -> None:
    folder = write_tree(tmp_path / 'a', 0, groundtruth='1,1,2,2\n' * 3)
    for name in ('10.jpg', '2.JPG', '1.png'):
        (folder / 'img' / name).touch()
    (folder / 'img' / 'thumbs.db').touch()
    names = [Path(path).name for path in SequenceFolder(str(tmp_path))[0].frame_paths]
    assert names == ['1.png', '2.JPG', '10.jpg']


def test_composite_lists_frames_of_other_sequences(demo_root: Path) -> None:
    reader = SequenceFolder(
        str(demo_root / 'sequences/val/composites'), frame_root=str(demo_root / 'sequences/val')
    )
    sequence = reader[0]
    assert (len(reader), sequence.name, len(sequence)) == (1, 'cut', 2)
    assert sequence.frame_paths[1] == str(demo_root / 'sequences/val/clip1/img/000001.png')
    assert sequence.present[:, 0].tolist() == [True, False]
    assert read_frame(sequence.frame_paths[0]).shape == (96, 128, 3)


def test_include_and_exclude(demo_root: Path) -> None:
    root = str(demo_root / 'sequences/val')
    assert SequenceFolder(root, exclude=['composites']).names == ['clip0', 'clip1', 'clip2']
    assert SequenceFolder(root, include=['clip2', 'clip0']).names == ['clip0', 'clip2']
    with pytest.raises(DataError, match='no sequence named clip9'):
        SequenceFolder(root, include=['clip9'])


def test_opening_reads_no_annotation_and_the_cache_is_bounded(tmp_path: Path, write_tree: WriteTree) -> None:
    for name in 'abc':
        write_tree(tmp_path / name, 1, groundtruth='1,1,2,2' if name != 'c' else 'rubbish')
    reader = SequenceFolder(str(tmp_path), cache_size=1)
    first = reader[0]
    assert reader[0] is first
    assert reader[1].name == 'b'
    assert reader[0] is not first
    with pytest.raises(DataError, match='line 1'):
        reader[2]
    with pytest.raises(IndexError):
        reader[3]


@pytest.mark.parametrize(
    'files, message',
    [
        ({'groundtruth': '1,2,3,4'}, r'groundtruth\.txt has 1 rows for 2 frames'),
        ({'groundtruth': '1,2,3,4\n1,2,3'}, r'groundtruth\.txt, line 2: expected 4 numbers'),
        ({'groundtruth': '1,2,3,4\n\n1,2,3,4'}, r"line 2: expected 4 numbers x,y,w,h, got ''"),
        ({'groundtruth': '1,2,3,4\n1,2,x,4'}, r'line 2: expected 4 numbers x,y,w,h, got .1,2,x,4.'),
        ({'groundtruth': '1,2,3,4\n1,2,inf,4'}, r'line 2: expected 4 numbers x,y,w,h, got .1,2,inf,4.'),
        ({}, r'no groundtruth\.txt'),
        ({'groundtruth': '1', 'groundtruth_1': '1'}, r'both groundtruth\.txt and groundtruth_1'),
        (
            {'groundtruth': '1,2,3,4\n' * 2, 'absent': '0\n2'},
            r'absent\.txt, line 2: expected 0 or 1',
        ),
        ({'groundtruth': '1,2,3,4\n' * 2, 'absent': '0'}, r'absent\.txt has 1 rows for 2 frames'),
        (
            {'groundtruth': '1,2,3,4\n' * 2, 'frames': 'a/img/000001.jpg\nb.jpg'},
            r'frames\.txt, line 2: the frame .*b\.jpg does not exist',
        ),
    ],
)
def test_errors_name_file_and_line(
    tmp_path: Path, write_tree: WriteTree, files: dict[str, str], message: str
) -> None:
    write_tree(tmp_path / 'a', 2, **files)
    with pytest.raises(DataError, match=message):
        SequenceFolder(str(tmp_path))[0]


def test_missing_things(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='is no folder'):
        SequenceFolder(str(tmp_path / 'nowhere'))
    with pytest.raises(DataError, match='no sequence folder to read'):
        SequenceFolder(str(tmp_path))
    (tmp_path / 'a').mkdir()
    with pytest.raises(DataError, match=r'neither img/ nor frames\.txt'):
        SequenceFolder(str(tmp_path))[0]
    (tmp_path / 'a' / 'img').mkdir()
    with pytest.raises(DataError, match='holds no image'):
        SequenceFolder(str(tmp_path))[0]
    (tmp_path / 'a' / 'img' / '1.jpg').write_bytes(b'not a picture')
    with pytest.raises(DataError, match=r'cannot read the image .*1\.jpg'):
        read_frame(str(tmp_path / 'a' / 'img' / '1.jpg'))


def test_reads_a_folder_without_write_permission(tmp_path: Path, write_tree: WriteTree) -> None:
    folder = write_tree(tmp_path / 'a', 1, groundtruth='1,2,3,4')
    before = sorted(tmp_path.rglob('*'))
    for path in (folder / 'img', folder, tmp_path):
        path.chmod(0o555)
    try:
        assert SequenceFolder(str(tmp_path))[0].boxes[0, 0].tolist() == [1, 2, 4, 6]
    finally:
        for path in (tmp_path, folder, folder / 'img'):
            path.chmod(0o755)
    assert sorted(tmp_path.rglob('*')) == before

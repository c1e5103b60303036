import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.vot import VotAnnotations

SIZE = 'width=64\nheight=48\n'
NO_LENGTHS = ('0', '-3', '3.5', '1e300', '9999999999999999999', '9' * 5000, 'nan', '')
BOXES = '1,2,3,4\nnan,nan,nan,nan\n5,6,7,8\n'


def make(root, **files):
    """A workspace with the sequence ``car``; names of files with ``_`` for the dot."""
    folder = root / 'sequences' / 'car'
    folder.mkdir(parents=True)
    (root / 'sequences' / 'list.txt').write_text('car\n')
    for name, content in {'sequence': SIZE, 'groundtruth_txt': BOXES, **files}.items():
        if content is not None:
            (folder / name.replace('_', '.', 1)).write_text(content)
    return folder


def read(root):
    return VotAnnotations(root).read('car')


def test_workspace(tmp_path):
    make(tmp_path, anchor_value='1\n0\n-1\n', occlusion_tag='0\n1\n', fast_label='1\n')
    truth = read(tmp_path)
    assert truth.name == 'car'
    assert truth.image_size == (64, 48)
    assert truth.regions.codes.tolist() == [-1, 0, -1]
    np.testing.assert_array_equal(truth.regions.boxes[2], [5, 6, 7, 8])
    assert truth.anchors.tolist() == [1, 0, -1]
    assert {tag: mask.tolist() for tag, mask in truth.tags.items()} == {
        'occlusion': [False, True, False],
        'fast': [True, False, False],
    }


def test_root_may_be_the_folder_of_the_sequences(tmp_path):
    make(tmp_path)
    assert VotAnnotations(tmp_path / 'sequences').names == ('car',)


def test_order_is_that_of_the_list(tmp_path):
    make(tmp_path)
    (tmp_path / 'sequences' / 'list.txt').write_text('zebra\r\ncar\n\n')
    assert VotAnnotations(tmp_path).names == ('zebra', 'car')


def test_a_sequence_that_is_listed_twice(tmp_path):
    make(tmp_path)
    (tmp_path / 'sequences' / 'list.txt').write_text('car\nbus\n\ncar\n')
    with pytest.raises(DataError, match=r'list\.txt, line 4: car stands in line 1 already'):
        VotAnnotations(tmp_path).names  # noqa: B018


def test_in_an_archive(tmp_path):
    folder = make(tmp_path, anchor_value='1\n0\n-1\n', occlusion_tag='0\n1\n')
    (folder / 'color').mkdir()
    (folder / 'color' / '00000001.jpg').touch()  # never looked at
    archive = shutil.make_archive(str(tmp_path / 'workspace'), 'zip', tmp_path, 'sequences')
    found, wanted = VotAnnotations(Path(archive)).read('car'), read(tmp_path)
    np.testing.assert_array_equal(found.regions.boxes, wanted.regions.boxes)
    assert found.anchors.tolist() == [1, 0, -1] and found.image_size == (64, 48)
    assert list(found.tags) == ['occlusion']


def test_old_layout_with_polygons_and_images(tmp_path):
    folder = tmp_path / 'car'
    folder.mkdir()
    (tmp_path / 'list.txt').write_text('car')
    (folder / 'groundtruth.txt').write_text('0,0,9,0,9,9,0,9\n')
    cv2.imwrite(str(folder / '00000001.jpg'), np.zeros((24, 32, 3), np.uint8))
    truth = read(tmp_path)
    assert truth.image_size == (32, 24)
    assert truth.regions.polygons[0].shape == (4, 2)
    assert truth.anchors is None
    assert not truth.tags


@pytest.mark.parametrize(
    ('channel', 'image'),
    [
        ('', 'color/00000001.jpg'),
        ('channels.color=rgb/%08d.png', 'rgb/00000001.png'),
        ('channels.color=c/', 'c/00000001.jpg'),
    ],
)
def test_size_from_the_first_image(tmp_path, channel, image):
    folder = make(tmp_path, sequence=channel)
    assert read(tmp_path).image_size is None
    (folder / image).parent.mkdir()
    cv2.imwrite(str(folder / image), np.zeros((24, 32, 3), np.uint8))
    assert read(tmp_path).image_size == (32, 24)


def test_frames_beyond_the_file_are_unknown(tmp_path):
    make(tmp_path, sequence=f'{SIZE}length=5\n', anchor_value='1\n')
    truth = read(tmp_path)
    assert truth.regions.codes.tolist() == [-1, 0, -1, 0, 0]
    assert np.isnan(truth.regions.boxes[3:]).all()
    assert truth.anchors.tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({'groundtruth_txt': None}, 'cannot read .*groundtruth.txt'),
        ({'groundtruth_txt': '1,2,3,4\n1,2,3\n'}, 'groundtruth.txt, line 2: expected'),
        ({'groundtruth_txt': 'm1,2,3\n'}, 'groundtruth.txt, line 1: masks'),
        ({'sequence': 'length=2\n'}, 'groundtruth.txt has 3 lines, expected at most'),
        (
            {'sequence': 'width=wide\nheight=48\n'},
            "expected a positive number as width, at most 10000000, got 'wide'",
        ),
        ({'anchor_value': '1\n0\n0\n-1\n'}, 'anchor.value has 4 lines, expected at most the 3'),
        *(({'sequence': f'length={n}\n'}, 'expected a positive number as length') for n in NO_LENGTHS),
        ({'anchor_value': '1\n1_0\n'}, "anchor.value, line 2: expected a number, got '1_0'"),
        ({'anchor_value': '1\nnan\n'}, "anchor.value, line 2: expected a number, got 'nan'"),
        ({'anchor_value': '1\nx\n'}, "anchor.value, line 2: expected a number, got 'x'"),
        ({'occlusion_tag': '1\n\n1\n'}, "occlusion.tag, line 2: expected a number, got ''"),
    ],
)
def test_faults(tmp_path, files, message):
    make(tmp_path, **files)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_several_objects(tmp_path):
    folder = make(tmp_path)
    (folder / 'groundtruth_2.txt').write_text(BOXES)
    with pytest.raises(DataError, match=r'several objects \(groundtruth_2.txt\)'):
        read(tmp_path)


def test_no_sequences(tmp_path):
    with pytest.raises(DataError, match='holds no list'):
        VotAnnotations(tmp_path)


def test_empty_list(tmp_path):
    (tmp_path / 'list.txt').write_text('\n')
    with pytest.raises(DataError, match='is empty'):
        VotAnnotations(tmp_path).names  # noqa: B018


def test_unknown_sequence(tmp_path):
    make(tmp_path)
    with pytest.raises(DataError, match='has no sequence bus'):
        VotAnnotations(tmp_path).read('bus')

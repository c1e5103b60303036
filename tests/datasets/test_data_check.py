"""Looking through data sets: what is there, missing or broken, for videos, films and still images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmgtrack.datasets import CocoImages, CocoInstances, SequenceFolder, reader_config
from mmgtrack.datasets.data_check import SequenceCheck, check_sequences
from mmgtrack.registry import DATASETS


def write_lasot(root: Path, name: str, rows: list[str], images: int | None = None) -> Path:
    """A sequence with frames of 80x60 pixels; returns its folder."""
    folder = root / name.rpartition('-')[0] / name
    (folder / 'img').mkdir(parents=True)
    for number in range(1, (len(rows) if images is None else images) + 1):
        cv2.imwrite(str(folder / 'img' / f'{number:08d}.jpg'), np.full((60, 80, 3), 9 * number, np.uint8))
    (folder / 'groundtruth.txt').write_text(''.join(f'{row}\n' for row in rows))
    for file in ('full_occlusion.txt', 'out_of_view.txt'):
        (folder / file).write_text(','.join('0' * len(rows)))
    return folder


def check(root: Path, decode: bool = False) -> list[SequenceCheck]:
    reader = DATASETS.build({**reader_config('lasot', root), 'sequences': 'all'})
    return list(check_sequences(reader, decode=decode))


def test_a_sound_sequence(tmp_path: Path) -> None:
    folder = write_lasot(tmp_path, 'cup-1', ['1,2,30,40', '-5,-5,6,6', '1,2,3,4', '0,0,0,0'])
    (folder / 'full_occlusion.txt').write_text('0,0,1,0')
    assert check(tmp_path, decode=True) == [SequenceCheck('cup-1', 4, 1, 2, 2, 0)]


@pytest.mark.parametrize('decode', [False, True])
@pytest.mark.parametrize(
    'rows, images, problem',
    [
        (['1,2,3,4'] * 3, 2, 'img should have 3 frames, but 00000003.jpg is missing'),
        (['1,2,3,4'] * 2, 4, 'groundtruth.txt (2): 00000003.jpg, 00000004.jpg'),
        (['1,2,3,4', 'nan,nan,nan,nan'], 2, 'has nan in line 2: these frames are read as without a box'),
        (['1,2,3,4', '80,2,3,4', '1,-9,3,9'], 3, 'outside the image (2): 80,2,3,4 in 00000002.jpg'),
        ([], 2, 'groundtruth.txt is empty'),
        (['1,2,3,4', '1,2,3'], 2, 'groundtruth.txt, line 2: expected 4 numbers'),
    ],
)
def test_rows_and_frames(tmp_path: Path, rows: list[str], images: int, problem: str, decode: bool) -> None:
    write_lasot(tmp_path, 'cup-1', rows, images)
    write_lasot(tmp_path, 'cup-2', ['1,2,3,4'])
    broken, sound = check(tmp_path, decode)
    assert len(broken.problems) == 1 and problem in broken.problems[0]
    assert sound.problems == () and sound.frames == 1


@pytest.mark.parametrize(
    'damage, decode, problem',
    [
        (lambda f: (f / 'img/00000002.jpg').unlink(), False, 'missing frames (1 of 3): 00000002.jpg'),
        (lambda f: (f / 'out_of_view.txt').unlink(), False, 'out_of_view.txt: No such file'),
        (lambda f: (f / 'out_of_view.txt').write_text('0'), False, 'has 1 values for 3 frames'),
        (lambda f: (f / 'img/00000001.jpg').write_text('x'), False, 'unreadable frames (1): cannot read'),
        (lambda f: (f / 'img/00000002.jpg').write_text('x'), True, 'unreadable frames (1): cannot read'),
        (lambda f: cut_off(f / 'img/00000003.jpg'), True, 'is cut off after'),
    ],
)
def test_damaged_files(tmp_path: Path, damage: Any, decode: bool, problem: str) -> None:
    damage(write_lasot(tmp_path, 'cup-1', ['1,2,3,4'] * 3))
    (found,) = check(tmp_path, decode)
    assert len(found.problems) == 1 and problem in found.problems[0]


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-60])


def test_images_behind_the_damaged_one_are_not_decoded_by_default(tmp_path: Path) -> None:
    folder = write_lasot(tmp_path, 'cup-1', ['1,2,3,4'] * 3)
    (folder / 'img/00000002.jpg').write_text('x')
    assert check(tmp_path)[0].problems == ()


def test_several_problems_are_all_told(tmp_path: Path) -> None:
    folder = write_lasot(tmp_path, 'cup-1', ['1,2,3,4', 'nan,1,1,1', '99,2,3,4'], 4)
    (folder / 'img/00000002.jpg').unlink()
    assert len(check(tmp_path)[0].problems) == 4


def test_known_quirks_are_no_problems(tmp_path: Path) -> None:
    write_lasot(tmp_path, 'monkey-17', ['1,2,3,4'], 3)
    assert check(tmp_path)[0].problems == ()
    (tmp_path / 'Diving/img').mkdir(parents=True)
    (tmp_path / 'Diving/groundtruth_rect.txt').write_text('1,2,3,4\n')
    for number in (1, 216):
        cv2.imwrite(str(tmp_path / f'Diving/img/{number:04d}.jpg'), np.zeros((60, 80, 3), np.uint8))
    reader = DATASETS.build({**reader_config('otb2015', tmp_path), 'sequences': ['Diving']})
    assert next(check_sequences(reader)).problems == ()  # listed until 215
    (tmp_path / 'Diving/img/0002.jpg').touch()
    assert 'groundtruth_rect.txt (1): 0002.jpg' in next(check_sequences(reader)).problems[0]


def test_several_targets_and_chosen_sequences(tmp_path: Path, write_tree: Callable[..., Path]) -> None:
    rows = {'groundtruth_1': '1,1,5,5\n1,1,5,5', 'groundtruth_2': 'nan,nan,nan,nan\n40,1,5,5'}
    for name in 'ab':
        write_tree(tmp_path / name, 2, **rows)
    (found,) = check_sequences(SequenceFolder(str(tmp_path)), ['b'])
    assert (found.name, found.targets, found.present, found.absent) == ('b', 2, 3, 1)
    assert found.problems == ('boxes of target 2 outside the image (1): 40,1,5,5 in 000002.jpg',)


def test_still_images(tmp_path: Path, write_coco: Callable[..., Path]) -> None:
    root = write_coco(tmp_path, np.array([[5, 5, 25, 30]]), num_images=3)
    content = json.loads((root / 'annotations.json').read_text())
    content['images'].append({'id': 9, 'file_name': 'img/9.png', 'width': 80, 'height': 60})
    for image, box in ((1, [1, 2, 0, 4]), (9, [90, 2, 3, 4])):
        content['annotations'].append({'id': 100 + image, 'image_id': image, 'bbox': box})
    (root / 'annotations.json').write_text(json.dumps(content))
    (root / 'img/3.png').unlink()
    problems = {found.name: found.problems for found in check_sequences(CocoImages(str(root)))}
    assert problems == {
        'img/1.png': ('annotation 101: the box [1, 2, 0, 4] has no area',),
        'img/2.png': (),
        'img/3.png': ('missing frames (1 of 1): 3.png',),
        'img/9.png': ('annotation 109: the box [90, 2, 3, 4] lies outside the image of 80x60',),
    }
    assert next(check_sequences(CocoInstances(str(root)))).name == 'img/1.png#1'

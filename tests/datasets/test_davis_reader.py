"""DAVIS: boxes around masks of numbers and of black and white, several objects, absences."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmgtrack.datasets import DAVIS
from mmgtrack.datasets.davis import _boxes_of
from mmgtrack.errors import DataError, InputError

Painted = Mapping[int, tuple[int, int, int, int]]
"""Columns and rows from, to (both included) by value."""


def write_mask(file: Path, painted: Painted, mode: str = 'P') -> None:
    pixels = np.zeros((40, 60), np.uint8)
    for value, (x1, y1, x2, y2) in painted.items():
        pixels[y1 : y2 + 1, x1 : x2 + 1] = value
    image = Image.fromarray(pixels)
    if mode == 'P':
        image.putpalette([channel for value in range(256) for channel in (value, 255 - value, 7)])
    file.parent.mkdir(parents=True, exist_ok=True)
    (image if mode == 'P' else image.convert(mode)).save(file)


def write_davis(root: Path, name: str, masks: list[Painted], mode: str = 'P', year: int = 2017) -> Path:
    for number, painted in enumerate(masks):
        write_mask(root / f'Annotations/480p/{name}/{number:05d}.png', painted, mode)
        image = root / f'JPEGImages/480p/{name}/{number:05d}.jpg'
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    listing = root / f'ImageSets/{year}/val.txt'
    listing.parent.mkdir(parents=True, exist_ok=True)
    with listing.open('a') as file:
        file.write(f'{name}\n')
    return root


def test_objects_are_targets_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    masks: list[Painted] = [{2: (5, 6, 9, 10), 255: (0, 0, 2, 2)}, {1: (0, 0, 59, 39), 2: (7, 7, 7, 7)}, {}]
    reader = DAVIS(str(write_davis(tmp_path, 'bear', masks)))
    sequence = reader[0]
    assert reader.names == ['bear'] and len(sequence) == reader.num_frames(0) == 3
    assert sequence.frame_paths[2] == f'{tmp_path}/JPEGImages/480p/bear/00002.jpg'
    assert sequence.present.tolist() == [[False, True], [True, True], [False, False]]
    assert sequence.labelled.all()
    assert sequence.boxes[1].tolist() == [[0, 0, 60, 40], [7, 7, 8, 8]]
    assert sequence.boxes[0, 1].tolist() == [5, 6, 10, 11]


@pytest.mark.parametrize('mode, value', [('L', 255), ('RGB', 255), ('1', 255), ('L', 1), ('P', 1)])
def test_masks_of_other_kinds(tmp_path: Path, mode: str, value: int) -> None:
    write_davis(tmp_path, 'bear', [{value: (5, 6, 9, 10)}], mode)
    assert DAVIS(str(tmp_path))[0].boxes.tolist() == [[[5, 6, 10, 11]]]


def test_in_2016_all_objects_are_one(tmp_path: Path) -> None:
    write_davis(tmp_path, 'bear', [{1: (5, 6, 9, 10), 2: (20, 20, 30, 25)}], year=2016)
    assert DAVIS(str(tmp_path), year=2016)[0].boxes.tolist() == [[[5, 6, 31, 26]]]


def test_lists_of_2016_name_the_images(tmp_path: Path) -> None:
    write_davis(tmp_path, 'bear', [{1: (5, 6, 9, 10)}], year=2016)
    lines = ''.join(
        f'/JPEGImages/480p/bear/{k:05d}.jpg /Annotations/480p/bear/{k:05d}.png\n' for k in range(2)
    )
    (tmp_path / 'ImageSets/2016/val.txt').write_text(lines)
    assert DAVIS(str(tmp_path), year=2016).names == ['bear']


def test_frames_without_a_mask_are_unlabelled(tmp_path: Path) -> None:
    write_davis(tmp_path, 'bear', [{1: (5, 6, 9, 10)}, {1: (5, 6, 9, 10)}])
    (tmp_path / 'Annotations/480p/bear/00001.png').unlink()
    sequence = DAVIS(str(tmp_path))[0]
    assert sequence.labelled[:, 0].tolist() == sequence.present[:, 0].tolist() == [True, False]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 7)), min_size=1, max_size=12))
def test_boxes_are_tight(points: list[tuple[int, int]]) -> None:
    objects = np.zeros((8, 12), np.uint8)
    for x, y in points:
        objects[y, x] = 3
    ((number, (x1, y1, x2, y2)),) = _boxes_of(objects).items()
    xs, ys = zip(*points, strict=True)
    assert (number, x1, y1, x2 - x1, y2 - y1) == (
        3,
        min(xs),
        min(ys),
        max(xs) - min(xs) + 1,
        max(ys) - min(ys) + 1,
    )


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'cannot read .*ImageSets/2017/val\.txt'):
        DAVIS(str(tmp_path))
    with pytest.raises(InputError, match='2016 or 2017, got 2018'):
        DAVIS(str(tmp_path), year=2018)  # type: ignore[arg-type]
    write_davis(tmp_path, 'bear', [{}])
    with pytest.raises(DataError, match='bear: the masks are empty'):
        DAVIS(str(tmp_path))[0]
    mask = tmp_path / 'Annotations/480p/bear/00000.png'
    mask.write_bytes(b'no picture')
    with pytest.raises(DataError, match=r'cannot read the mask .*00000\.png'):
        DAVIS(str(tmp_path))[0]
    mask.unlink()
    with pytest.raises(DataError, match='bear holds no mask of the 1 frames'):
        DAVIS(str(tmp_path))[0]
    with pytest.raises(DataError, match="no sequence 'beer'; did you mean bear"):
        DAVIS(str(tmp_path), sequences=['beer'])
    (tmp_path / 'JPEGImages/480p/bear/00000.jpg').unlink()
    with pytest.raises(DataError, match='bear holds no image'):
        DAVIS(str(tmp_path))[0]

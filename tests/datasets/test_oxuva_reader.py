"""OxUvA: a label a second, boxes as shares of the image, tracks that share a video."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmgtrack.datasets import OxUvA
from mmgtrack.errors import DataError, InputError

TASKS = 'vid0001,obj0000,30,90,0.25,0.5,0.1,0.3\nvid0001,obj0001,0,60,0.0,1.0,0.0,1.0\n'
HEAD = '0,person,false,false'
LABELS = (
    f'vid0001,obj0000,{HEAD},30,present,0.25,0.5,0.1,0.3\n'
    f'vid0001,obj0000,{HEAD},60,absent,-1,-1,-1,-1\n'
    f'vid0001,obj0000,{HEAD},90,present,0.5,0.75,0.1,0.3\n'
    f'vid0001,obj0000,{HEAD},120,present,0.5,0.75,0.1,0.3\n'
    f'vid0001,obj0001,{HEAD},0,present,0,1,0,1\n'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ('dev', 'test'):
        images = tmp_path / 'images' / split / 'vid0001'
        images.mkdir(parents=True)
        for number in range(130):
            (images / f'{number:06d}.jpeg').touch()
        cv2.imwrite(str(images / 'first.jpg'), np.zeros((100, 200, 3), np.uint8))
        for first in (0, 30):
            (images / f'{first:06d}.jpeg').write_bytes((images / 'first.jpg').read_bytes())
    for name, text in {'tasks/dev': TASKS, 'tasks/test': TASKS, 'annotations/dev': LABELS}.items():
        (tmp_path / f'{name}.csv').parent.mkdir(exist_ok=True)
        (tmp_path / f'{name}.csv').write_text(text)
    return tmp_path


def test_one_frame_a_second_is_labelled_from_the_first_to_the_last(root: Path) -> None:
    reader = OxUvA(str(root))
    assert reader.names == ['vid0001_obj0000', 'vid0001_obj0001']
    sequence = reader[0]
    assert len(sequence) == reader.num_frames(0) == 61
    assert sequence.frame_paths[0] == f'{root}/images/dev/vid0001/000030.jpeg'
    assert sequence.frame_paths[-1].endswith('000090.jpeg')
    assert np.flatnonzero(sequence.labelled).tolist() == [0, 30, 60]
    assert np.flatnonzero(sequence.present).tolist() == [0, 60]
    np.testing.assert_allclose(sequence.boxes[[0, 60], 0], [[50, 10, 100, 30], [100, 10, 150, 30]], rtol=1e-6)
    assert np.isnan(sequence.boxes[1:60]).all()


def test_tracks_of_a_video_share_it(root: Path) -> None:
    reader = OxUvA(str(root))
    assert reader[0].video == 'vid0001' and reader[0].shares_video(reader[1])
    assert OxUvA(str(root), sequences=['vid0001_obj0001']).names == ['vid0001_obj0001']


def test_test_set_has_the_first_box_only(root: Path) -> None:
    sequence = OxUvA(str(root), split='test')[0]
    assert sequence.frame_paths[0] == f'{root}/images/test/vid0001/000030.jpeg'
    assert sequence.boxes[0, 0].tolist() == [50, 10, 100, 30]
    assert sequence.labelled[:, 0].tolist() == sequence.present[:, 0].tolist() == [True] + [False] * 60


def test_without_tasks_a_track_goes_from_its_first_to_its_last_label(root: Path) -> None:
    (root / 'tasks/dev.csv').unlink()
    sequence = OxUvA(str(root))[0]
    assert len(sequence) == 91 and np.flatnonzero(sequence.labelled).tolist() == [0, 30, 60, 90]


@pytest.mark.parametrize(
    'path, text, options, message',
    [
        ('tasks/dev.csv', 'vid0001,obj0000,30,90,0.25,0.5,0.1\n', {}, r'dev\.csv, line 1: expected video,'),
        ('tasks/dev.csv', TASKS.replace('30,90', '30,20'), {}, 'vid0001_obj0000 ends before it begins'),
        ('tasks/dev.csv', TASKS.replace('30,90', '30,900'), {}, r'000900\.jpeg is missing'),
        ('tasks/dev.csv', TASKS.replace('vid0001', 'vid0002'), {}, 'vid0002 should have the frames 30 to 90'),
        ('annotations/dev.csv', LABELS + LABELS, {}, 'line 6: .* frame 30 of vid0001,obj0000 a second time'),
        ('annotations/dev.csv', '', {}, r'dev\.csv is empty'),
        ('x', '', {'sequences': ['vid0001_obj000']}, 'did you mean vid0001_obj000'),
    ],
)
def test_errors(root: Path, path: str, text: str, options: Any, message: str) -> None:
    (root / path).write_text(text)
    with pytest.raises(DataError, match=message):
        OxUvA(str(root), **options)[0]


def test_unknown_split(root: Path) -> None:
    with pytest.raises(InputError, match="'dev' or 'test', got 'val'"):
        OxUvA(str(root), split='val')  # type: ignore[arg-type]

"""Video files with boxes: frames in any order are those of decoding from the beginning."""

import multiprocessing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from mmgtrack.datasets import VideoBoxes, read_frame
from mmgtrack.datasets.film import Film, count_film_frames, film_path, split_film_path
from mmgtrack.errors import DataError, InputError
from mmgtrack.registry import DATASETS

FRAMES = 90
CSV = 'frame,x,y,w,h,score,present\n'


def write_film(file: Path, frames: int = FRAMES, uneven: bool = False, suffix_options: Any = None) -> Path:
    """H.264 with key frames far apart and frames that refer to later ones; a bar counts the frames."""
    options = suffix_options or {'g': '40', 'bf': '3', 'preset': 'ultrafast', 'tune': 'animation'}
    with av.open(str(file), 'w') as container:
        stream = container.add_stream('libx264', rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, 'yuv420p'
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            image = np.full((64, 96, 3), 30, np.uint8)
            image[:, : 1 + number % 90] = 220
            image[:8, 8 * (number % 12) :] = 90
            frame = av.VideoFrame.from_ndarray(image, format='bgr24')
            frame.pts = number * 40 + (number * number % 31 if uneven else 0)
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def decoded(file: Path) -> list[np.ndarray]:
    """All frames from the beginning."""
    capture, images = cv2.VideoCapture(str(file)), []
    while True:
        ok, image = capture.read()
        if not ok:
            return images
        images.append(image)


@pytest.mark.parametrize('uneven', [False, True], ids=['even', 'uneven'])
@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.avi'])
def test_frames_in_any_order_are_those_of_decoding_in_order(
    tmp_path: Path, suffix: str, uneven: bool
) -> None:
    file = write_film(tmp_path / f'a{suffix}', uneven=uneven)
    images = decoded(file)
    assert len(images) == count_film_frames(str(file)) == FRAMES
    order = np.random.default_rng(0).integers(0, FRAMES, 40).tolist()
    for number in [FRAMES - 1, 0, 0, 41, 40, 39, 80, *order]:
        np.testing.assert_array_equal(read_frame(film_path(str(file), number)), images[number], str(number))


def test_reading_in_order_never_measures_the_film(tmp_path: Path) -> None:
    film = Film(str(write_film(tmp_path / 'a.mp4')))
    for number, image in enumerate(decoded(tmp_path / 'a.mp4')):
        np.testing.assert_array_equal(film.frame(number), image)
    assert film._times is None
    with pytest.raises(DataError, match=f'has no frame {FRAMES}: it ends after {FRAMES}'):
        film.frame(FRAMES)
    film.frame(3)
    assert film._times is not None and len(film._times) == FRAMES


def test_a_film_that_is_replaced_is_opened_anew(tmp_path: Path) -> None:
    file = write_film(tmp_path / 'a.mp4', frames=3)
    before = read_frame(f'{file}#2')
    write_film(tmp_path / 'b.mp4', frames=60)
    (tmp_path / 'b.mp4').replace(file)
    assert read_frame(f'{file}#50').shape == before.shape


def _read_some(path: str, numbers: list[int]) -> list[int]:
    return [int(read_frame(f'{path}#{number}').sum()) for number in numbers]


def test_a_forked_process_opens_its_own(tmp_path: Path) -> None:
    file = write_film(tmp_path / 'a.mp4')
    expected = [int(image.sum()) for image in decoded(file)]
    for number in range(5):  # more than stay open: none of the parent's may be closed by a child
        copy = tmp_path / f'{number}.mp4'
        copy.write_bytes(file.read_bytes())
        read_frame(f'{copy}#20')
    with multiprocessing.get_context('fork').Pool(2) as pool:
        parts = [
            pool.apply_async(_read_some, (str(file), list(range(start, FRAMES, 3)))) for start in range(3)
        ]
        mine = _read_some(str(file), list(range(21, 60)))
        found = [part.get(timeout=300) for part in parts]
    assert mine == expected[21:60]
    assert found == [expected[start::3] for start in range(3)]


@pytest.mark.parametrize(
    'path, expected',
    [
        ('a/b.mp4#17', ('a/b.mp4', 17)),
        ('a#b.MKV#0', ('a#b.MKV', 0)),
        ('a/b.mp4', None),
        ('a#17', None),
        ('img#3.jpg', None),
        ('a.mp4#-1', None),
        ('a.mp4#x', None),
    ],
)
def test_paths_of_frames(path: str, expected: tuple[str, int] | None) -> None:
    assert split_film_path(path) == expected


@pytest.mark.parametrize(
    'name, text, present, labelled',
    [
        ('a.txt', '1,2,30,40\n', [0], [0]),
        ('a.txt', '1,2,30,40\n' * 2 + 'nan,nan,nan,nan\n' * 2 + '1,2,30,40\n', [0, 1, 4], [0, 1, 2, 3, 4]),
        ('a.csv', f'{CSV}2,1,2,30,40,0.9,1\n3,1,2,30,40,0.1,0\n4,1,2,30,40,0.9,1\n', [2, 4], [2, 3, 4]),
    ],
    ids=['first-box', 'all', 'track'],
)
def test_boxes_beside_the_film(
    tmp_path: Path, name: str, text: str, present: list[int], labelled: list[int]
) -> None:
    write_film(tmp_path / 'a.mp4', frames=5)
    (tmp_path / name).write_text(text)
    reader = VideoBoxes(str(tmp_path))
    sequence = reader[0]
    assert reader.names == ['a'] and len(sequence) == reader.num_frames(0) == 5
    assert sequence.frame_paths[4] == f'{tmp_path}/a.mp4#4' and read_frame(sequence.frame_paths[4]).shape == (
        64,
        96,
        3,
    )
    assert np.flatnonzero(sequence.present).tolist() == present
    assert np.flatnonzero(sequence.labelled).tolist() == labelled
    assert sequence.boxes[present[0], 0].tolist() == [1, 2, 31, 42]


def test_a_single_film_with_a_box_or_a_file(tmp_path: Path) -> None:
    file = write_film(tmp_path / 'a.mp4', frames=3)
    sequence = VideoBoxes(str(file), boxes=[1, 2, 30, 40])[0]
    assert sequence.boxes[0, 0].tolist() == [1, 2, 31, 42] and sequence.labelled.sum() == 1
    (tmp_path / 'mine.txt').write_text('5,6,7,8\n' * 3)
    assert VideoBoxes(str(file), boxes=str(tmp_path / 'mine.txt'))[0].present.all()


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='holds no video'):
        VideoBoxes(str(tmp_path))
    file = write_film(tmp_path / 'a.mp4', frames=3)
    with pytest.raises(DataError, match=r'a\.mp4 has no boxes: expected .*a\.txt or \.csv'):
        VideoBoxes(str(tmp_path))[0]
    (tmp_path / 'a.txt').write_text('1,2,3,4\n1,2,3,4\n')
    with pytest.raises(DataError, match=r'a\.txt ends with frame 1, but .*a\.mp4 has the frames 0 to 2'):
        VideoBoxes(str(tmp_path))[0]
    for box in ([1, 2, 3], [1, 2, 0, 4], [1, 2, 3, float('nan')]):
        with pytest.raises(InputError, match='x, y, w, h with a positive size'):
            VideoBoxes(str(file), boxes=box)[0]
    with pytest.raises(InputError, match='boxes are for a single video'):
        VideoBoxes(str(tmp_path), boxes=[1, 2, 3, 4])
    (tmp_path / 'b.mp4').write_bytes(b'no film')
    with pytest.raises(DataError, match=r'cannot open the video .*b\.mp4'):
        VideoBoxes(str(tmp_path))[1]
    with pytest.raises(DataError, match=r'cannot open the video .*gone\.mp4: No such file'):
        read_frame(f'{tmp_path}/gone.mp4#0')
    (tmp_path / 'b.avi').touch()
    with pytest.raises(DataError, match=r'both b\.avi and b\.mp4'):
        VideoBoxes(str(tmp_path))


def test_training_on_a_film(tmp_path: Path) -> None:
    write_film(tmp_path / 'a.mp4', frames=30)
    (tmp_path / 'a.txt').write_text('1,2,30,40\n' * 30)
    pipeline = [{'type': 'mmgtrack.LoadFrame'}]
    dataset = DATASETS.build(
        {
            'type': 'mmgtrack.ClipDataset',
            'sources': [{'type': 'mmgtrack.VideoBoxes', 'root': str(tmp_path)}],
            'num_samples': 4,
            'pipelines': {'query': pipeline, 'search': pipeline},
        }
    )
    images = decoded(tmp_path / 'a.mp4')
    for index in range(4):
        sample = dataset[index]
        for role, path in sample['data_samples'].source.items():
            image = sample['inputs'][role].numpy().transpose(1, 2, 0)
            np.testing.assert_array_equal(image, images[int(path.rpartition('#')[2])])
            assert sample['data_samples'].instances[role].bboxes.tolist() == [[1, 2, 31, 42]]

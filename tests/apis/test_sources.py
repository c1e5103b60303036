"""Files, folders, globs and iterators."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmgtrack.apis import Frame, SourceWarning, open_source
from mmgtrack.errors import InputError, SourceError

from .numbered import number_of, numbered_image

WriteClip = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Frames 1.png to 12.png of numbers 1 to 12, with things beside them that are no frames."""
    path = tmp_path / 'frames'
    path.mkdir()
    for number in range(1, 13):
        cv2.imwrite(str(path / f'{number}.png'), numbered_image(number))
    (path / 'groundtruth.txt').write_text('1,2,3,4')
    (path / '._1.png').write_bytes(b'made by a file manager')
    return path


def read(source: object, start: int = 0) -> list[tuple[int, int]]:
    return [(f.index, number_of(f.image)) for f in open_source(source).frames(start)]


@pytest.mark.parametrize('name', ['clip.mp4', 'clip_0001.mp4', 'clip.mkv', 'clip.avi'])
def test_video_file(write_clip: WriteClip, name: str) -> None:
    source = open_source(write_clip(name))
    assert (source.num_frames, source.is_estimate, source.fps, source.is_live) == (30, True, 25, False)
    frames = list(source)
    assert [(f.index, number_of(f.image)) for f in frames] == [(i, i) for i in range(30)]
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(30) / 25, atol=1e-3)
    assert read(source, 28) == [(28, 28), (29, 29)]  # a file can be read again


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX permissions')
def test_a_video_that_may_not_be_read(write_clip: WriteClip, no_root: None) -> None:
    path = write_clip()
    path.chmod(0)
    with pytest.raises(SourceError, match=r'clip\.mp4: no permission to read it'):
        open_source(path)


def test_start_past_the_end(write_clip: WriteClip, folder: Path) -> None:
    with pytest.raises(
        SourceError, match=r'start frame 30 is past the end, the source has 30 frames \(0 to 29\)'
    ):
        read(write_clip(), 30)
    with pytest.raises(SourceError, match='start frame 12 is past the end, the source has 12 frames'):
        read(folder, 12)
    with pytest.raises(SourceError, match='start frame 2 is past the end, the source has 1 frame '):
        read(iter([numbered_image(0)]), 2)


@pytest.mark.parametrize('start', [-1, 1.5, True, '3'])
def test_start_must_be_a_number(folder: Path, start: object) -> None:
    with pytest.raises(InputError, match='start frame must be a whole number >= 0'):
        list(open_source(folder).frames(start))  # type: ignore[arg-type]


def test_truncated_video_delivers_what_there_is_and_says_so(write_clip: WriteClip) -> None:
    path = write_clip()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.warns(SourceWarning, match='the file ends early: its header announces 30 frames'):
        numbers = read(path)
    assert 10 <= len(numbers) < 28
    # the last frame may be patched up by the decoder
    assert numbers[:-1] == [(i, i) for i in range(len(numbers) - 1)]


def test_video_cut_before_its_first_picture(write_clip: WriteClip) -> None:
    path = write_clip()
    content = path.read_bytes()
    path.write_bytes(content[: content.find(b'mdat') + 8])
    with pytest.raises(SourceError, match='no frame could be read'):
        read(path)


@pytest.mark.parametrize(
    'content, message',
    [(b'', 'the file is empty'), (b'just some text\n' * 100, 'not a video'), (b'\0' * 5000, 'not a video')],
)
def test_no_video(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / 'clip_01.mp4'
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f'clip_01.mp4: .*{message}'):
        open_source(path)


def test_video_whose_index_is_cut_off(write_clip: WriteClip) -> None:
    path = write_clip(faststart=False)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(SourceError, match='not a video, or damaged'):
        open_source(path)


def test_folder_in_natural_order(folder: Path) -> None:
    expected = [(i, i + 1) for i in range(12)]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert read(folder) == expected
        assert read(str(folder), 10) == expected[10:]
        assert read(f'{folder}/*.png') == expected
        assert read(f'{folder}/1[0-2].png', 1) == [(1, 11), (2, 12)]
        assert read(folder / '7.png') == [(0, 7)]


def test_gap_in_a_folder_is_warned_about(folder: Path) -> None:
    (folder / '5.png').unlink()
    with pytest.warns(SourceWarning, match='missing between 4.png and 6.png'):
        numbers = read(folder)
    assert [number for _, number in numbers] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]


def test_every_fifth_frame_is_no_gap(tmp_path: Path) -> None:
    for number in (5, 10, 15, 20):
        cv2.imwrite(str(tmp_path / f'img_{number:05d}.jpg'), numbered_image(number))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert len(read(tmp_path)) == 4


@pytest.mark.parametrize(
    'content, message', [(None, 'cannot read the frame'), (b'?', 'not a readable image')]
)
def test_frame_that_vanishes_or_is_damaged(folder: Path, content: bytes | None, message: str) -> None:
    frames = iter(open_source(folder))
    next(frames)
    (folder / '2.png').unlink()
    if content:
        (folder / '2.png').write_bytes(content)
    with pytest.raises(SourceError, match=f'2.png: {message}'):
        next(frames)


def test_size_may_change_midway(folder: Path) -> None:
    cv2.imwrite(str(folder / '6.png'), numbered_image(6, (20, 90)))
    assert [f.image.shape for f in open_source(folder)][4:7] == [(48, 64, 3), (20, 90, 3), (48, 64, 3)]


@pytest.mark.parametrize(
    'source, error, message',
    [
        ('missing.mp4', SourceError, 'missing.mp4: no such file or folder'),
        ('', SourceError, 'not a path'),
        ('missing/*.jpg', SourceError, 'no file matches'),
        ('x' * 5000, SourceError, 'no such file'),
        (98, SourceError, 'camera 98: cannot be opened'),
        ('98', SourceError, 'camera 98: cannot be opened'),
        (-1, InputError, 'camera number must be >= 0'),
        ('http://127.0.0.1:9/clip.mp4', SourceError, 'http://127.0.0.1:9/clip.mp4: cannot be opened'),
        (None, InputError, 'got NoneType'),
        (True, InputError, 'got bool'),
    ],
)
def test_what_cannot_be_opened(source: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_source(source)


def test_empty_folder_and_glob_of_videos(tmp_path: Path, write_clip: WriteClip) -> None:
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SourceError, match='empty: no image in it'):
        open_source(tmp_path / 'empty')
    write_clip('a.mp4')
    assert len(read(f'{tmp_path}/*.mp4')) == 30  # one video is meant
    write_clip('b.mp4')
    with pytest.raises(SourceError, match='matches 2 files and no image'):
        open_source(f'{tmp_path}/*.mp4')


def test_iterator_of_arrays_may_reuse_its_buffer() -> None:
    def camera() -> object:
        buffer = np.empty((48, 64, 3), np.uint8)
        for number in range(5):
            buffer[:] = numbered_image(number)
            yield buffer

    frames = list(open_source(camera()))
    assert [(f.index, number_of(f.image)) for f in frames] == [(i, i) for i in range(5)]


def test_iterator_of_frames_tensors_and_grey() -> None:
    grey, tensor = np.zeros((4, 5), np.uint8), torch.zeros(4, 5, 3, dtype=torch.uint8)
    frames = list(open_source([Frame(7, grey, 1.5), tensor, grey]))
    assert [f.index for f in frames] == [7, 1, 2]
    assert frames[1].image is tensor
    assert frames[2].image.shape == (4, 5, 3)


def test_iterator_names_the_frame_that_does_not_fit() -> None:
    with pytest.raises(InputError, match=r'frame 1: a frame must be .*got shape \(2, 5\)|frame 1: .*dtype'):
        list(open_source([numbered_image(0), np.zeros((2, 5), np.int32)]))


def test_empty_iterator() -> None:
    with pytest.raises(SourceError, match='no frame could be read'):
        list(open_source([]))

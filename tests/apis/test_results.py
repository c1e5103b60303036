"""Rows and video on disk."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from mmgtrack.apis import Frame, TrackCsv, TrackVideo, VideoWriter
from mmgtrack.apis.results import letterbox
from mmgtrack.errors import OutputError
from mmgtrack.structures import Tracks

from .numbered import number_of, numbered_image


def tracks(*boxes: list[float], score: float = 0.5) -> Tracks:
    scores = torch.full((1, len(boxes)), score)
    return Tracks(torch.tensor([boxes]), scores, scores >= 0.5)


def decode(path: Path) -> tuple[object, list[av.VideoFrame]]:
    with av.open(str(path)) as container:
        return container.streams.video[0], list(container.decode(video=0))


def test_csv_is_complete_after_every_row(tmp_path: Path) -> None:
    path = tmp_path / 'track_2.csv'
    sink = TrackCsv(path, target=1)
    sink.put(Frame(3, numbered_image(0)), tracks([0, 0, 1, 1], [10.5, -2.25, 30.5, 7.75], score=1))
    expected = 'frame,x,y,w,h,score,present\n3,10.500,-2.250,20.000,10.000,1.0000,1\n'
    assert path.read_text() == expected  # before it is closed
    sink.put(Frame(5, numbered_image(0)), tracks([0, 0, 1, 1], [1 / 3, 0, 2, 1], score=0.12344))
    sink.close()
    sink.close()
    assert path.read_bytes().decode() == expected + '5,0.333,0.000,1.667,1.000,0.1234,0\n'


def test_rows_survive_a_kill(tmp_path: Path) -> None:
    code = f"""
import os, signal, torch
from pathlib import Path
from mmgtrack.apis import Frame, TrackCsv
from mmgtrack.structures import Tracks
sink = TrackCsv(Path({str(tmp_path / 'track_1.csv')!r}), 0)
one = torch.ones(1, 1)
for index in range(50):
    sink.put(Frame(index, None), Tracks(torch.ones(1, 1, 4), one, one > 0))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == -9
    assert len((tmp_path / 'track_1.csv').read_text().splitlines()) == 51


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_csv_on_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / 'track_1.csv'
    path.symlink_to('/dev/full')
    with pytest.raises(OutputError, match=r'track_1\.csv: cannot be written: No space left on device'):
        TrackCsv(path, 0)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='No such file or directory'):
        TrackCsv(tmp_path / 'none' / 'track_1.csv', 0)
    with pytest.raises(OutputError, match='No such file or directory'):
        VideoWriter(tmp_path / 'none' / 'tracked.mp4')


def test_video_plays_in_browsers(tmp_path: Path) -> None:
    path = tmp_path / 'tracked.mp4'
    with VideoWriter(path, fps=29.97002997) as writer:
        for number in range(12):
            writer.write(numbered_image(number, (49, 63)))  # odd sides
        assert not path.exists()
    content = path.read_bytes()
    assert 0 < content.find(b'moov') < content.find(b'mdat')
    stream, frames = decode(path)
    assert stream.codec_context.colorspace == 6  # the matrix is told, not left to be guessed
    assert (stream.codec.name, stream.pix_fmt) == ('h264', 'yuv420p')
    assert (stream.width, stream.height, stream.frames) == (64, 50, 12)
    assert stream.average_rate == Fraction(30000, 1001)
    assert [number_of(f.to_ndarray(format='bgr24')) for f in frames] == list(range(12))
    assert os.listdir(tmp_path) == ['tracked.mp4']


def test_colours_survive(tmp_path: Path) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, :32], image[:, 32:64], image[:, 64:] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    with VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(image)
    back = decode(tmp_path / 'a.mp4')[1][0].to_ndarray(format='bgr24').astype(int)
    for x in (16, 48, 80):
        assert np.abs(back[32, x] - image[32, x]).max() <= 6


@pytest.mark.parametrize(
    'fps, expected', [(None, 25), (0, 25), (float('nan'), 25), (90000, 25), (12.5, 12.5)]
)
def test_frame_rate(tmp_path: Path, fps: float | None, expected: float) -> None:
    with VideoWriter(tmp_path / 'a.mp4', fps) as writer:
        for number in range(4):
            writer.write(numbered_image(number))
    stream, frames = decode(tmp_path / 'a.mp4')
    assert float(stream.average_rate) == expected
    np.testing.assert_allclose([f.time for f in frames], np.arange(4) / expected)


def test_dropped_frames_keep_the_speed_of_the_world(tmp_path: Path) -> None:
    sink = TrackVideo(tmp_path / 'a.mp4', 10)
    for index in (7, 8, 12, 20):
        sink.put(Frame(index, numbered_image(1)), tracks([1, 1, 9, 9]))
    sink.close()
    np.testing.assert_allclose([f.time for f in decode(tmp_path / 'a.mp4')[1]], [0, 0.1, 0.5, 1.3])


def test_size_changes_midway(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / 'a.mp4') as writer:
        for size in ((48, 64), (96, 64), (24, 64), (1, 1)):
            writer.write(np.full((*size, 3), 200, np.uint8))
    frames = [f.to_ndarray(format='bgr24') for f in decode(tmp_path / 'a.mp4')[1]]
    assert [f.shape for f in frames] == [(48, 64, 3)] * 4
    tall = frames[1][24, :, 0] > 100
    assert not tall[:14].any() and tall[18:46].all() and not tall[50:].any()


@pytest.mark.parametrize(
    'shape, size, inner',
    [
        ((4, 6), (4, 6), (slice(0, 4), slice(0, 6))),
        ((3, 5), (4, 6), (slice(0, 4), slice(0, 6))),  # padded, not scaled
        ((8, 6), (4, 6), (slice(0, 4), slice(1, 5))),  # 4 x 3 rounded, black at both sides
        ((2, 6), (6, 6), (slice(2, 4), slice(0, 6))),
    ],
)
def test_letterbox(shape: tuple[int, int], size: tuple[int, int], inner: tuple[slice, slice]) -> None:
    fitted = letterbox(np.full((*shape, 3), 9, np.uint8), size)
    assert fitted.shape == (*size, 3)
    outside = np.ones(size, bool)
    outside[inner] = False
    assert not fitted[outside].any()
    assert fitted[size[0] // 2, size[1] // 2].tolist() == [9, 9, 9]


def test_no_frame_no_file(tmp_path: Path) -> None:
    VideoWriter(tmp_path / 'a.mp4').close()
    assert os.listdir(tmp_path) == []


def test_video_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import resource, sys
import numpy as np
from pathlib import Path
from mmgtrack.apis import VideoWriter
from mmgtrack.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
rng = np.random.default_rng(0)
writer = VideoWriter(Path({str(tmp_path / 'a.mp4')!r}))
try:
    for _ in range(100):
        writer.write(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8))
    writer.close()
except OutputError as error:
    sys.exit('a.mp4: cannot be written' not in str(error))
sys.exit(3)
"""
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
    assert os.listdir(tmp_path) == []

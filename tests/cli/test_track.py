"""`mmgtrack track` with the included model, in processes of its own where signals matter."""

import csv
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import av
import pytest

from mmgtrack.apis import Tracker, stream_tracks
from mmgtrack.cli.main import main
from mmgtrack.errors import InputError

MODEL = 'globaltrack_mobilenetv2_lite'
BOX = ['--box', '10,40,32,32']
HEADER = ['frame', 'x', 'y', 'w', 'h', 'score', 'present']


def rows(path: Path) -> list[list[str]]:
    with open(path, newline='') as file:
        return list(csv.reader(file))


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_files_and_summary(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'out'
    words = ['track', str(clip), *BOX, '--box=-5,60,40,40', '--start-frame', '30', '--model', MODEL]
    assert main([*words, '--out', str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ['track_1.csv', 'track_2.csv', 'tracked.mp4']
    for name, box in (('track_1.csv', (10, 40, 32, 32)), ('track_2.csv', (-5, 60, 40, 40))):
        table = rows(out / name)
        assert table[0] == HEADER
        assert [int(row[0]) for row in table[1:]] == list(range(30, 40))
        assert tuple(map(float, table[1])) == (30, *box, 1, 1)
    assert count_frames(out / 'tracked.mp4') == 10
    text = capsys.readouterr().out.splitlines()
    assert text[:3] == [str(out / name) for name in ('track_1.csv', 'track_2.csv', 'tracked.mp4')]
    assert text[3].startswith('tracked 10 frames, present in ')


def test_no_video_quiet_and_same_bytes_again(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ['track', str(clip), *BOX, '--start-frame', '30', '--no-video', '--quiet', '--model', MODEL]
    for name in ('a', 'b'):
        assert main([*words, '--out', str(tmp_path / name)]) == 0
    assert capfd.readouterr().out == ''
    assert [p.name for p in (tmp_path / 'a').iterdir()] == ['track_1.csv']
    assert (tmp_path / 'a' / 'track_1.csv').read_bytes() == (tmp_path / 'b' / 'track_1.csv').read_bytes()


def test_the_source_is_not_overwritten(clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / 'tracked.mp4'
    source.write_bytes(clip.read_bytes())
    assert main(['track', str(source), *BOX, '--out', str(tmp_path)]) == 2
    assert 'would replace the source' in capfd.readouterr().err
    assert source.read_bytes() == clip.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ['tracked.mp4']


@pytest.mark.parametrize(
    'words, message',
    [
        (['--model', 'globaltrack_mobilenet_lite'], 'globaltrack_mobilenet'),
        (['--checkpoint', 'none.pth'], 'none.pth'),
        (['--device', 'gpu'], 'gpu'),
    ],
)
def test_wrong_model_creates_nothing(
    words: list[str], message: str, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(['track', str(clip), *BOX, '--out', str(tmp_path / 'out'), *words]) == 2
    error = capfd.readouterr().err.splitlines()
    assert len(error) == 1
    assert error[0].startswith('mmgtrack: error: ') and message in error[0]
    assert not (tmp_path / 'out').exists()


def test_truncated_video_is_tracked_as_far_as_it_goes(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(clip.read_bytes()[: clip.stat().st_size * 3 // 4])
    words = ['track', str(broken), *BOX, '--model', MODEL, '--quiet']
    assert main([*words, '--out', str(tmp_path / 'out')]) == 0
    number = len(rows(tmp_path / 'out' / 'track_1.csv')) - 1
    assert 0 < number < 40
    assert count_frames(tmp_path / 'out' / 'tracked.mp4') == number
    assert 'mmgtrack: warning: ' in capfd.readouterr().err


def test_damaged_frame_midway_keeps_what_was_tracked(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / 'frames'
    folder.mkdir()
    with av.open(str(clip)) as container:
        for number, frame in zip(range(6), container.decode(video=0), strict=False):
            frame.to_image().save(folder / f'{number}.png')
    (folder / '4.png').write_bytes(b'damaged')
    assert main(['track', str(folder), *BOX, '--model', MODEL, '--out', str(tmp_path / 'out')]) == 2
    assert [row[0] for row in rows(tmp_path / 'out' / 'track_1.csv')[1:]] == ['0', '1', '2', '3']
    assert count_frames(tmp_path / 'out' / 'tracked.mp4') == 4
    assert '4.png: not a readable image' in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX signals')
def test_ctrl_c_finishes_the_files(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'frames'  # long enough to be interrupted: the same picture many times
    folder.mkdir()
    with av.open(str(clip)) as container:
        next(container.decode(video=0)).to_image().save(tmp_path / 'picture.png')
    for number in range(5000):
        (folder / f'{number:05d}.png').symlink_to(tmp_path / 'picture.png')
    out = tmp_path / 'out'
    words = [sys.executable, '-m', 'mmgtrack', 'track', str(folder), *BOX, '--box', '50,50,20,20']
    process = subprocess.Popen(
        [*words, '--model', MODEL, '--out', str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while not (out / 'track_2.csv').exists() or len(rows(out / 'track_2.csv')) < 6:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    text, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert 'Traceback' not in errors
    number = len(rows(out / 'track_1.csv')) - 1
    assert 5 <= number < 5000
    assert len(rows(out / 'track_2.csv')) - 1 == number
    assert count_frames(out / 'tracked.mp4') == number
    assert sorted(p.name for p in out.iterdir()) == ['track_1.csv', 'track_2.csv', 'tracked.mp4']
    assert text.splitlines()[-1].startswith(f'interrupted after {number} frames')


def test_stream_is_what_the_tracker_says(clip: Path) -> None:
    tracker = Tracker(MODEL)
    stream = list(stream_tracks(tracker, clip, [[10, 40, 42, 72]], start_frame=28))
    assert [frame.index for frame, _ in stream] == list(range(28, 40))
    assert stream[0][1].boxes.tolist() == [[[10, 40, 42, 72]]]
    assert stream[0][1].scores.tolist() == [[1]]
    images = [frame.image for frame, _ in stream]
    tracks, _ = tracker.track(images[1:], tracker.encode(images[0], [[10, 40, 42, 72]]))
    for number, (_, track) in enumerate(stream[1:]):
        assert (track.boxes - tracks.boxes[number]).abs().max() < 0.01
        assert (track.scores - tracks.scores[number]).abs().max() < 1e-4


def test_leaving_a_stream_early_ends_its_thread(clip: Path) -> None:
    for frame, _ in stream_tracks(Tracker(MODEL), clip, [[10, 40, 42, 72]]):
        assert frame.index == 0
        break
    assert 'mmgtrack-reader' not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    'boxes', [[10, 40, 42, 72], 'box', [[1, 2, 3]], [[5, 5, 5, 9]], [[200, 1, 220, 9]], []]
)
def test_stream_refuses_boxes_that_are_none(clip: Path, boxes: object) -> None:
    with pytest.raises(InputError, match='boxes must'):
        next(stream_tracks(Tracker(MODEL), clip, boxes))


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX terminals')
def test_a_terminal_gets_a_bar_with_fps_and_eta(clip: Path, tmp_path: Path) -> None:
    import pty

    screen, terminal = pty.openpty()
    words = [sys.executable, '-m', 'mmgtrack', 'track', str(clip), *BOX, '--out', str(tmp_path / 'out')]
    environment = {**os.environ, 'TERM': 'xterm', 'COLUMNS': '100'}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=terminal, env=environment)
    os.close(terminal)
    shown = b''
    with suppress(OSError):  # what a terminal says when the last writer has left
        while block := os.read(screen, 4096):
            shown += block
    os.close(screen)
    assert process.wait(timeout=300) == 0
    text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', shown.decode(errors='replace'))
    assert re.search(r'tracking .* 40/~?40 [\d.]+ fps 0:00:00', text), text

"""`mmgtrack label`: frames and boxes of a video as a folder to train on."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.apis import VideoWriter
from mmgtrack.apis.label import merge_tracks, write_sequence_folder
from mmgtrack.apis.results import CSV_HEADER
from mmgtrack.cli.main import main
from mmgtrack.datasets import SequenceFolder, read_frame
from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.errors import DataError, InputError, OutputError, SourceError

NUM_FRAMES = 10


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('video') / 'cup.mp4'
    with VideoWriter(path, 25) as writer:
        for frame in synthetic_clip(NUM_FRAMES, size=(64, 96)).frames:
            writer.write(frame)
    return path


def write_track(path: Path, first: int, last: int, x: float, absent: tuple[int, ...] = ()) -> Path:
    """A track whose boxes are x,8,20,24 in the frames first to last."""
    row = '{},{:.3f},8.000,20.000,24.000,0.9,{}'
    rows = [row.format(frame, x, int(frame not in absent)) for frame in range(first, last + 1)]
    path.write_text('\n'.join([CSV_HEADER, *rows, '']))
    return path


@pytest.mark.parametrize(
    'tracks, absences, left_edges',
    [
        ([(0, 4, 1)], [], [1, 1, 1, 1, 1]),
        ([(2, 4, 1)], [], [1, 1, 1]),  # frames before the start are left out
        ([(0, 4, 1), (2, 4, 5)], [], [1, 1, 5, 5, 5]),  # the second mends the first
        ([(2, 4, 5), (0, 4, 1)], [], [1, 1, 5, 5, 5]),  # in any order
        ([(0, 4, 1), (2, 3, 5)], [], [1, 1, 5, 5, None]),  # where it ends, the first does not hold again
        ([(0, 1, 1), (3, 4, 5)], [], [1, 1, None, 5, 5]),
        ([(0, 4, 1, (1, 2))], [], [1, None, None, 1, 1]),  # what the tracker does not believe
        ([(0, 4, 1)], [(1, 2), (4, 4)], [1, 'absent', 'absent', 1, 'absent']),
    ],
)
def test_tracks_make_labels(tracks: list, absences: list, left_edges: list, tmp_path: Path) -> None:
    files = [write_track(tmp_path / f'{n}.csv', *track) for n, track in enumerate(tracks)]
    labels = merge_tracks(files, absences)
    assert labels.first == min(track[0] for track in tracks)
    found = [None if np.isnan(row[0]) else row[0] for row in labels.boxes_xywh]
    assert ['absent' if gone else edge for edge, gone in zip(found, labels.absent, strict=True)] == left_edges
    assert labels.num_open == left_edges.count(None)


def test_the_folder_is_read_as_it_was_meant(video: Path, tmp_path: Path) -> None:
    track = write_track(tmp_path / 'track_1.csv', 2, 8, 4.125, absent=(5,))
    (tmp_path / 'data/cup.part').mkdir(parents=True)  # somebody else's
    write_sequence_folder(video, [track], tmp_path / 'data/cup', absences=[(7, 8)])
    (tmp_path / 'data/cup.part').rmdir()
    (sequence,) = SequenceFolder(str(tmp_path / 'data'), nan_means='unknown')
    assert [Path(path).name for path in sequence.frame_paths] == [f'{n:06d}.jpg' for n in range(2, 9)]
    assert sequence.present[:, 0].tolist() == [True, True, True, False, True, False, False]
    assert sequence.labelled[:, 0].tolist() == [True, True, True, False, True, True, True]
    assert sequence.boxes[0, 0].tolist() == [4.125, 8, 24.125, 32]
    drawn = synthetic_clip(NUM_FRAMES, size=(64, 96)).frames[8]
    assert np.abs(read_frame(sequence.frame_paths[6]).astype(int) - drawn).mean() < 8  # H.264, then JPEG
    assert sorted(path.name for path in tmp_path.iterdir()) == ['data', 'track_1.csv']


@pytest.mark.parametrize(
    'last, absences, kind, message',
    [
        (NUM_FRAMES, [], DataError, 'cup.mp4 ends after frame 9, the tracks speak of frame 10'),
        (4, [(3, 5)], InputError, 'an absence is FIRST-LAST among the frames 0-4, got 3-5'),
        (4, [(3, 2)], InputError, 'got 3-2'),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    last: int, absences: list, kind: type, message: str, video: Path, tmp_path: Path
) -> None:
    track = write_track(tmp_path / 'track_1.csv', 0, last, 1)
    with pytest.raises(kind, match=message):
        write_sequence_folder(video, [track], tmp_path / 'cup', absences)
    assert [path.name for path in tmp_path.iterdir()] == ['track_1.csv']


def test_other_refusals(video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    track = write_track(tmp_path / 'track_1.csv', 0, 4, 1)
    with pytest.raises(DataError, match='two of the tracks begin at frame 0'):
        merge_tracks([track, track])
    with pytest.raises(SourceError, match=r'none\.mp4'):
        write_sequence_folder(tmp_path / 'none.mp4', [track], tmp_path / 'cup')
    with pytest.raises(OutputError, match='is there already'):
        write_sequence_folder(video, [track], tmp_path)
    assert main(['label', str(video), str(track), '--out', str(tmp_path / 'cup'), '--absent', '3']) == 2
    assert '--absent expects FIRST-LAST' in capfd.readouterr().err


def test_a_place_that_cannot_be(video: Path, tmp_path: Path) -> None:
    track = write_track(tmp_path / 'track_1.csv', 0, 4, 1)
    with pytest.raises(OutputError, match=r'cannot write .*cup: Not a directory'):
        write_sequence_folder(video, [track], track / 'cup')

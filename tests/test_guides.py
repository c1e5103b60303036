"""Guides, followed from an empty folder: files and commands are taken from the pages themselves."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from mmgtrack.apis import VideoWriter
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip
from mmgtrack.evaluation import iou
from tests.pages import DOCS, commands_of, run, write_files


def write_video(clip: SyntheticClip, path: Path) -> None:
    with VideoWriter(path, 25) as writer:
        for frame in clip.frames:
            writer.write(frame)


def moved_to(clip: SyntheticClip, corner: tuple[int, int]) -> SyntheticClip:
    """The clip with grey borders so that its first box begins at that corner."""
    left, top = (int(c - b) for c, b in zip(corner, clip.boxes[0, 0, :2], strict=True))
    frames = np.pad(clip.frames, ((0, 0), (top, 0), (left, 0), (0, 0)), constant_values=128)
    return SyntheticClip(frames, clip.boxes + np.float32([left, top, left, top]), clip.present)


def overlaps(track: Path, boxes: np.ndarray) -> np.ndarray:
    """(F,) IoU of the rows of a track with boxes (F, 4) xyxy."""
    with track.open(newline='') as file:
        rows = np.array([[float(row[key]) for key in 'xywh'] for row in csv.DictReader(file)])
    rows[:, 2:] += rows[:, :2]
    return iou(rows, boxes.astype(float))


@pytest.fixture(scope='module')
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The empty folder."""
    return tmp_path_factory.mktemp('mine')


def test_add_a_tracker(mine: Path) -> None:
    page = DOCS / 'add_a_tracker.md'
    write_files(page, mine)
    clip = moved_to(synthetic_clip(30, size=(140, 160), target_size=(60, 40), seed=0), (100, 80))
    write_video(clip, mine / 'video.mp4')
    try_it, track = commands_of(page)
    said = run(try_it, mine).stdout.strip()
    assert re.fullmatch(r'mean IoU 0\.9\d', said) and f'# {said}' in page.read_text()
    told = run(track, mine)
    assert 'RANDOM' not in told.stderr  # it has no weights to miss
    assert overlaps(mine / 'video_tracks' / 'track_1.csv', clip.boxes[:, 0]).mean() > 0.85
    assert (mine / 'video_tracks' / 'tracked.mp4').is_file()

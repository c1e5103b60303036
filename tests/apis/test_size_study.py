"""Measuring clip by clip: points and boxes against the truth, kept between runs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmgtrack import Tracker
from mmgtrack.apis.size_study import is_inside, measure_clip, measure_source
from mmgtrack.datasets import synthetic_clip
from mmgtrack.datasets.study_clips import DrawnClips, StudyClip
from mmgtrack.errors import DataError, OutputError
from mmgtrack.evaluation.success import iou
from tests.tools.small_points import SMALL_POINTS
from tests.trackers import CONFIGS, SMALL


def small_config(folder: Path, name: str = 'point_track_mobilenetv2_lite') -> Path:
    """Of a small PointTrack or GlobalTrack."""
    config = Config.fromfile(CONFIGS / f'{name}.py')
    config.merge_from_dict(SMALL if name.startswith('global') else SMALL_POINTS)
    config.dump(folder / f'{name}.py')
    return folder / f'{name}.py'


@pytest.fixture(scope='module')
def points(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match='RANDOM'):
        return Tracker(small_config(tmp_path_factory.mktemp('points')))


def clip_of(seed: int = 0, targets: int = 2) -> StudyClip:
    """Six small frames with two targets; the first is away in the fourth, unknown in the fifth."""
    clip = synthetic_clip(6, num_targets=targets, absences={0: (3, 5)}, seed=seed)
    labelled = np.ones_like(clip.present)
    labelled[4, 0] = False
    names = tuple(f'clip#{target + 1}' for target in range(targets))
    return StudyClip(names, 'clip', clip.frames, clip.boxes, clip.present, labelled)


def test_rows_are_what_the_tracker_says_of_each_frame(points: Tracker) -> None:
    clip = clip_of()
    rows = measure_clip(points, clip)
    assert len(rows) == 5 * 2 - 1 and set(rows.targets) == set(clip.targets)
    state = points.encode(clip.frames[0], clip.boxes[0])
    tracks, _ = points.track(clip.frames[1:], state)
    found = points.model.points(list(clip.frames[1:]), state)
    own, frames = rows.targets == 'clip#2', slice(1, None)
    boxes, truth = tracks.boxes[:, 1].numpy(), clip.boxes[frames, 1]
    np.testing.assert_allclose(rows.ious[own], iou(boxes, truth), atol=1e-6)
    np.testing.assert_allclose(rows.scores[own], tracks.scores[:, 1], atol=1e-6)
    np.testing.assert_array_equal(rows.judged[own], tracks.present[:, 1])
    top = found.boxes[:, 1, 0, :2].numpy()
    np.testing.assert_array_equal(rows.hits[own], is_inside(top, truth))
    np.testing.assert_array_equal(rows.box_hits[own], is_inside((boxes[:, :2] + boxes[:, 2:]) / 2, truth))
    np.testing.assert_allclose(rows.sizes[own], (24 * 20) ** 0.5)
    np.testing.assert_allclose(rows.relative[own], (24 * 20 / (96 * 128)) ** 0.5)
    # away: it is known to be, and cannot be hit
    first = rows.targets == 'clip#1'
    assert np.isnan(rows.sizes[first]).sum() == 1 and first.sum() == 4
    assert not rows.hits[~rows.is_shown].any() and not rows.ious[~rows.is_shown].any()


def test_a_box_has_its_left_and_upper_side_only() -> None:
    box = np.array([[2.0, 3.0, 6.0, 9.0]] * 6)
    points = np.array([[2, 3], [5.9, 8.9], [6, 5], [4, 9], [1.9, 5], [np.nan, 5]])
    assert is_inside(points, box).tolist() == [True, True, False, False, False, False]
    assert not is_inside(points, np.full((6, 4), np.nan)).any()


def test_what_reaches_over_the_border_cannot_be_hit_there(points: Tracker) -> None:
    clip = clip_of(targets=1)
    boxes = clip.boxes.copy()
    boxes[5, 0] = [-10, 0, 10, 20]
    moved = StudyClip(clip.targets, 'clip', clip.frames, boxes, clip.present, clip.labelled)
    rows = measure_clip(points, moved)
    assert rows.sizes[-1] == 20 and rows.relative[-1] == pytest.approx((10 * 20 / (96 * 128)) ** 0.5)


class Few(DrawnClips):
    """Some small drawn clips, of which one cannot be tracked."""

    def __init__(self, count: int, asked: list[int]) -> None:
        super().__init__([8], range(count), objects=1)
        self.asked = asked

    def __getitem__(self, index: int) -> StudyClip:
        self.asked.append(index)
        if index == 1:
            raise DataError('nothing to\nfollow')
        return clip_of(index, 1)


def test_a_run_goes_on_behind_its_last_whole_clip(points: Tracker, tmp_path: Path) -> None:
    path, asked, steps = tmp_path / 'rows/points.jsonl', [], []
    source = Few(4, asked)
    rows, problems = measure_source(points, source, path, lambda *step: steps.append(step))
    assert asked == [0, 1, 2, 3] and steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert problems == [f'{source.names[1]}: nothing to follow'] and len(rows) == 3 * 4
    whole = path.read_text()
    # as a killed run leaves it
    path.write_text(whole[: whole.rindex('"sizes"')])
    asked.clear()
    again, _ = measure_source(points, source, path)
    assert asked == [1, 3] and path.read_text() == whole
    np.testing.assert_array_equal(again.ious, rows.ious)
    # other clips, or asked to
    asked.clear()
    measure_source(points, Few(3, asked), path)
    assert asked == [0, 1, 2]
    asked.clear()
    measure_source(points, Few(3, asked), path, overwrite=True)
    assert asked == [0, 1, 2]
    path.write_text(path.read_text() + '{"clip": 3}\n')
    with pytest.raises(DataError, match='is damaged'):
        measure_source(points, Few(3, asked), path)


def test_nothing_to_measure_is_said(points: Tracker, tmp_path: Path) -> None:
    class Bad(Few):
        def __getitem__(self, index: int) -> StudyClip:
            return super().__getitem__(1)

    with pytest.raises(DataError, match='no clip could be tracked: 8 px, seed 0: nothing'):
        measure_source(points, Bad(2, []), tmp_path / 'rows.jsonl')


def test_a_folder_that_cannot_be_written(points: Tracker, tmp_path: Path, no_root: None) -> None:
    (tmp_path / 'file').write_text('')
    for place in (tmp_path / 'file/rows.jsonl', Path('/proc/rows/rows.jsonl')):
        with pytest.raises(OutputError, match='give another --out'):
            measure_source(points, Few(1, []), place)


def test_lines_are_plain_json(points: Tracker, tmp_path: Path) -> None:
    measure_source(points, Few(1, []), tmp_path / 'rows.jsonl')
    head, line = map(json.loads, (tmp_path / 'rows.jsonl').read_text().splitlines())
    assert head['model'] == points.model.fingerprint and head['source']['kind'] == 'synthetic'
    assert line['clip'] == '8 px, seed 0' and len(line['ious']) == 4

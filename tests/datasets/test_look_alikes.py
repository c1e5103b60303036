"""Clips of a target among look-alikes: exact boxes, likeness, events, the same bytes for the same seed."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.datasets import SequenceFolder, SyntheticClip, look_alike_clip, read_frame, write_sequence
from mmgtrack.datasets.look_alike_paths import plot_scene
from mmgtrack.errors import InputError
from mmgtrack.evaluation import iou

SEEDS = range(200, 208)


@pytest.fixture(scope='module')
def clips() -> list[SyntheticClip]:
    return [look_alike_clip(seed) for seed in SEEDS]


def patch(clip: SyntheticClip, frame: int, index: int) -> np.ndarray:
    """Pixels in an object's box, at one size."""
    x1, y1, x2, y2 = clip.boxes[frame, index].astype(int)
    return cv2.resize(clip.frames[frame, y1:y2, x1:x2], (24, 24)).astype(float)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two patches, without their corners, which show the ground."""
    inner = slice(5, 19)
    return float(np.corrcoef(one[inner, inner].ravel(), other[inner, inner].ravel())[0, 1])


def test_shapes_and_ranges(clips: list[SyntheticClip]) -> None:
    for clip in clips:
        assert clip.frames.shape == (72, 240, 320, 3) and clip.frames.dtype == np.uint8
        assert clip.boxes.shape == (72, 4, 4) and clip.boxes.dtype == np.float32
        np.testing.assert_array_equal(np.isfinite(clip.boxes).all(-1), clip.present)
        np.testing.assert_array_equal(np.isfinite(clip.boxes).any(-1), clip.present)
        found = clip.boxes[clip.present]
        assert found.min() >= 0 and (found[:, 2:] <= [320, 240]).all()
        assert (found == np.rint(found)).all()
        longer = (clip.boxes[0, 0, 2:] - clip.boxes[0, 0, :2]).max()
        assert 24 <= longer <= 50


def test_seed_and_arguments_decide_every_byte() -> None:
    one, same, other = (look_alike_clip(seed, num_frames=3) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.frames, same.frames)
    np.testing.assert_array_equal(one.boxes, same.boxes)
    assert (one.frames != other.frames).mean() > 0.5
    more = look_alike_clip(1, num_look_alikes=5, num_frames=3)
    assert more.boxes.shape == (3, 6, 4)


def test_boxes_end_where_the_object_does(clips: list[SyntheticClip]) -> None:
    """Against the ground, which is what most frames show at a pixel."""
    errors = []
    for clip in clips:
        bright = clip.frames / np.median(clip.frames, axis=(1, 2, 3), keepdims=True)
        changed = (np.abs(bright - np.median(bright, axis=0)) > 0.12).any(-1)
        for frame in range(len(clip.frames)):
            for index in np.flatnonzero(clip.present[frame]):
                box = clip.boxes[frame, index]
                x1, y1, x2, y2 = (box + np.float32([-6, -6, 6, 6])).astype(int)
                others = np.delete(clip.boxes[frame], index, axis=0)
                near = (iou(box + np.float32([-9, -9, 9, 9]), others) > 0).any()
                if near or min(x1, y1) < 0 or x2 > 320 or y2 > 240:
                    continue
                rows = np.flatnonzero(changed[frame, y1:y2, x1:x2].sum(1) > 2)
                columns = np.flatnonzero(changed[frame, y1:y2, x1:x2].sum(0) > 2)
                if len(rows) and len(columns):
                    seen = [x1 + columns[0], y1 + rows[0], x1 + columns[-1] + 1, y1 + rows[-1] + 1]
                    errors.append(np.abs(seen - box))
    assert len(errors) > 400
    assert np.median(errors) <= 1 and (np.array(errors) <= 2).mean() > 0.9


def test_look_alikes_are_alike_but_not_the_same(clips: list[SyntheticClip]) -> None:
    pairs, strangers = [], []
    for clip, next_clip in zip(clips, clips[1:] + clips[:1], strict=True):
        target = patch(clip, 0, 0)
        pairs += [likeness(target, patch(clip, 0, m)) for m in np.flatnonzero(clip.present[0, 1:]) + 1]
        strangers += [likeness(target, patch(next_clip, 0, 0))]
    assert 0.5 < np.mean(pairs) < 0.97 and max(pairs) < 0.99
    assert np.mean(strangers) < 0.3


def test_an_object_resembles_itself_more_than_the_others(clips: list[SyntheticClip]) -> None:
    own = [likeness(patch(c, 0, 0), patch(c, 4, 0)) for c in clips if c.present[4, 0]]
    other = [likeness(patch(c, 0, 0), patch(c, 4, m)) for c in clips for m in (1, 2, 3) if c.present[4, m]]
    assert np.mean(own) > np.mean(other) + 0.05


def test_events(clips: list[SyntheticClip]) -> None:
    """The first frame shows all objects apart; the target is lost and comes back, and meets others."""
    returns, meetings = 0, 0
    for clip in clips:
        target = clip.present[:, 0]
        assert target[0]
        assert (np.nan_to_num(iou(clip.boxes[0, :1], clip.boxes[0, 1:])) == 0).all()
        steps = np.diff(target.astype(int))
        returns += int((steps == 1).sum())
        meetings += int((np.nan_to_num(iou(clip.boxes[:, :1], clip.boxes[:, 1:])) > 0.2).any())
        assert 0.25 < target.mean() < 0.98
    assert returns >= len(clips) and meetings >= len(clips) / 2


def test_details_make_the_difference() -> None:
    """Without details of their own, objects differ by size, pose and noise only."""

    def alike(detail: int) -> float:
        drawn = [look_alike_clip(seed, num_frames=1, detail=detail) for seed in range(8)]
        shown = [clip for clip in drawn if clip.present[0, 1]]
        return float(np.mean([likeness(patch(clip, 0, 0), patch(clip, 0, 1)) for clip in shown]))

    without, few, many = alike(0), alike(40), alike(80)
    assert without > few + 0.05 > many + 0.1


def test_paths_are_smooth_and_meet_and_leave() -> None:
    outside = 0
    for seed in range(20):
        scene = plot_scene(np.random.default_rng(seed), 72, 4, (240, 320), 36.0)
        assert scene.centres.shape == (72, 4, 2) and scene.walls.shape == (2, 4)
        assert np.linalg.norm(np.diff(scene.centres, axis=0), axis=-1).max() < 20
        gaps = np.linalg.norm(scene.centres[:, 1:] - scene.centres[:, :1], axis=-1)
        assert (gaps[0] > 1.5 * 36).all() and (gaps.min(0) < 36).all()
        target = scene.centres[:, 0]
        outside += bool(((target < -18) | (target > (338, 258))).any())
    assert outside >= 15  # in some clips an event comes too late or is bent


def test_written_clip_reads_back(tmp_path: Path) -> None:
    clip = look_alike_clip(5, num_frames=4)
    write_sequence(clip, tmp_path / 'one')
    sequence = SequenceFolder(str(tmp_path))[0]
    np.testing.assert_array_equal(sequence.boxes, clip.boxes)
    np.testing.assert_array_equal(read_frame(sequence.frame_paths[-1]), clip.frames[-1])


@pytest.mark.parametrize('frames', [1, 2, 13])
def test_short_clips(frames: int) -> None:
    clip = look_alike_clip(0, num_frames=frames)
    assert len(clip.frames) == frames and clip.present[0, 0]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_frames=0), 'need num_frames >= 1'),
        (dict(num_look_alikes=-1), 'num_look_alikes >= 0, got 72 and -1'),
        (dict(size=(90, 90), num_look_alikes=12), 'do not fit into frames'),
    ],
)
def test_refusals(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        look_alike_clip(**options)

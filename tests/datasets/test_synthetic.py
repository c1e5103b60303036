"""Synthetic clips: exact boxes, seeds, absence, look-alikes, and the way through files."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.datasets import SequenceFolder, read_frame, synthetic_clip, write_sequence
from mmgtrack.errors import InputError


def patch(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = box.astype(int)
    return frame[y1:y2, x1:x2]


def test_boxes_hold_the_same_texture_in_every_frame_and_move() -> None:
    clip = synthetic_clip(num_frames=40, seed=2)
    assert clip.frames.shape == (40, 96, 128, 3) and clip.frames.dtype == np.uint8
    assert clip.boxes.shape == (40, 1, 4) and clip.boxes.dtype == np.float32
    first = patch(clip.frames[0], clip.boxes[0, 0])
    assert first.shape == (24, 20, 3)
    for frame, box in zip(clip.frames, clip.boxes[:, 0], strict=True):
        np.testing.assert_array_equal(patch(frame, box), first)
    assert len(np.unique(clip.boxes[:, 0, 0])) > 10
    assert clip.boxes.min() >= 0 and (clip.boxes[..., 2:].max((0, 1)) <= [128, 96]).all()


def test_seed_decides_everything() -> None:
    one, same, other = (synthetic_clip(num_targets=2, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.frames, same.frames)
    np.testing.assert_array_equal(one.boxes, same.boxes)
    assert (one.boxes != other.boxes).any()


def test_absent_target_is_not_drawn() -> None:
    gone = synthetic_clip(num_frames=6, absences={0: (2, 4)}, seed=1)
    there = synthetic_clip(num_frames=6, seed=1)
    assert gone.present[:, 0].tolist() == [True, True, False, False, True, True]
    assert np.isnan(gone.boxes[2:4]).all()
    changed = (gone.frames != there.frames).any((1, 2, 3))
    assert changed.tolist() == [False, False, True, True, False, False]


def test_lookalikes_change_the_picture_but_not_the_labels() -> None:
    alone = synthetic_clip(seed=3)
    crowd = synthetic_clip(seed=3, num_lookalikes=2)
    assert alone.boxes.shape == crowd.boxes.shape
    texture = patch(crowd.frames[0], crowd.boxes[0, 0])[::-1]
    windows = np.lib.stride_tricks.sliding_window_view(crowd.frames[0], texture.shape)[:, :, 0]
    assert (windows == texture).all((2, 3, 4)).sum() >= 1


@pytest.mark.parametrize('targets', [1, 2])
def test_written_clip_reads_back_exactly(tmp_path: Path, targets: int) -> None:
    clip = synthetic_clip(5, num_targets=targets, absences={0: (1, 2)})
    write_sequence(clip, tmp_path / 'one')
    sequence = SequenceFolder(str(tmp_path))[0]
    np.testing.assert_array_equal(sequence.boxes, clip.boxes)
    np.testing.assert_array_equal(sequence.present, clip.present)
    np.testing.assert_array_equal([read_frame(path) for path in sequence.frame_paths], clip.frames)


def test_target_must_fit() -> None:
    with pytest.raises(InputError, match='does not fit'):
        synthetic_clip(size=(20, 20), target_size=(24, 10))

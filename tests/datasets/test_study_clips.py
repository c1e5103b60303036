"""Clips to measure by size with: the same for every tracker, with true boxes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmgtrack.datasets import synthetic_clip, write_sequence
from mmgtrack.datasets.study_clips import NEGATIVE_SHARE, DrawnClips, PairClips, VideoClips
from mmgtrack.errors import DataError, FrameError, InputError
from mmgtrack.evaluation.size_bins import box_sizes


def stills(write_coco: Callable[..., Path], root: Path) -> dict[str, str]:
    write_coco(root, np.array([[5, 5, 25, 30], [40, 20, 70, 50]]), num_images=4)
    return dict(type='mmgtrack.CocoImages', root=str(root))


def test_pairs_have_every_size_and_are_the_same_again(
    write_coco: Callable[..., Path], tmp_path: Path, colours: dict[int, tuple[int, int, int]]
) -> None:
    reader = stills(write_coco, tmp_path)
    pairs, again = (PairClips(reader, 60, (96, 72), seed=3) for _ in range(2))
    assert pairs.names == again.names and len(set(pairs.names)) == 60
    clips = [pairs[n] for n in range(60)]
    for number in (41, 7):  # in any order
        for one, other in zip(clips[number].frames, again[number].frames, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(clips[number].boxes, again[number].boxes)
    assert all(clip.frames[1].shape == (72, 96, 3) and clip.present[0, 0] for clip in clips)
    shown = np.array([clip.present[1, 0] for clip in clips])
    assert 0 < (~shown).mean() < 3 * NEGATIVE_SHARE
    sizes = np.concatenate([box_sizes(clip.boxes[1]) for clip in clips])[shown]
    assert sizes.min() < 6 and sizes.max() > 45
    queries = np.concatenate([box_sizes(clip.boxes[0]) for clip in clips])[shown]
    ratio = queries / sizes
    assert ratio.max() < 2.3 and ratio.min() > 0.4  # a factor of 2, and what the frame cuts off
    assert {clip.unit for clip in clips} <= {f'img/{n}.png' for n in range(1, 5)}
    other = PairClips(reader, 60, (96, 72), seed=4)[0]
    assert not np.array_equal(other.frames[1], clips[0].frames[1])


def test_videos_have_the_targets_of_their_first_frame(tmp_path: Path) -> None:
    one = synthetic_clip(5, absences={0: (2, 4)}, seed=1)
    two = synthetic_clip(4, num_targets=2, absences={0: (0, 2)}, seed=2)
    late = synthetic_clip(4, absences={0: (0, 2)}, seed=3)
    for name, clip in (('one', one), ('two', two), ('late', late)):
        write_sequence(clip, tmp_path / name)
    reader = dict(type='mmgtrack.SequenceFolder', root=str(tmp_path))
    source = VideoClips(reader, ['one', 'two', 'late'])
    first, second = source[0], source[1]
    assert first.targets == ('one',) and first.present[:, 0].tolist() == [True, True, False, False, True]
    np.testing.assert_allclose(first.boxes[:, 0], one.boxes[:, 0])
    np.testing.assert_array_equal(first.frames[4], one.frames[4])
    np.testing.assert_array_equal(first.frames[1:3][1], one.frames[2])
    assert second.targets == ('two#2',) and second.unit == 'two' and len(second.frames) == 4
    with pytest.raises(DataError, match='late has no target in its first frame'):
        source[2]
    (tmp_path / 'one/img/000003.png').write_bytes(b'')
    with pytest.raises(FrameError):
        first.frames[2]
    assert VideoClips(reader).names == ['late', 'one', 'two']
    with pytest.raises(InputError, match="no sequence 'three' among the 3"):
        VideoClips(reader, ['three'])


def test_drawn_clips_have_their_sides_and_objects() -> None:
    source = DrawnClips([6, 16], [0, 1], objects=3, look_alikes=2)
    assert source.names == ['6 px, seed 0', '6 px, seed 1', '16 px, seed 0', '16 px, seed 1']
    clip = source[3]
    assert clip.frames[0].shape == (480, 640, 3) and np.ptp(box_sizes(clip.boxes)) == 0
    assert box_sizes(clip.boxes)[0, 0] == 16 and clip.boxes.shape == (12, 3, 4)
    assert clip.targets == tuple(f'16 px, seed 1, object {n}' for n in (1, 2, 3))


@pytest.mark.parametrize('words', [([], [0]), ([6], []), ([6], [0], 0), ([6], [0], 1, -1)])
def test_clips_that_cannot_be_drawn_are_refused(words: tuple) -> None:
    with pytest.raises(InputError, match='expected sides, seeds'):
        DrawnClips(*words)


def test_no_pairs_are_refused(write_coco: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match='at least one pair'):
        PairClips(stills(write_coco, tmp_path), 0)

"""UniformClipSampler: the pairs of the official GlobalTrack code."""

from collections import Counter

import numpy as np
import pytest

from mmgtrack.datasets import UniformClipSampler
from mmgtrack.datasets.clip_sampler import ClipDraw
from tests.datasets.test_clip_sampler import clip, draws, frames


def pairs(present: np.ndarray, count: int = 300, **options: int) -> list[tuple[int, ...]]:
    found = draws([clip(present)], count=count, sampler=UniformClipSampler, **options)
    return [tuple(frames(draw)) for draw in found]


def test_different_valid_frames_in_time_order_within_the_gap() -> None:
    present = np.ones((30, 1))
    present[10:14] = 0
    found = pairs(present, max_gap=6)
    assert len(found) == 300
    assert {later - earlier for earlier, later in found} == {1, 2, 3, 4, 5, 6}
    assert not {10, 11, 12, 13} & {frame for pair in found for frame in pair}


def test_all_pairs_within_the_gap_are_equally_likely() -> None:
    counts = Counter(pairs(np.ones((5, 1)), count=2800, max_gap=2))
    assert set(counts) == {(0, 1), (1, 2), (2, 3), (3, 4), (0, 2), (1, 3), (2, 4)}
    expected = 2800 / 7
    assert sum((n - expected) ** 2 / expected for n in counts.values()) < 22.5  # chi2, 6 degrees: p 0.001


def test_frames_too_far_apart_are_taken_when_there_are_no_others() -> None:
    present = np.zeros((50, 1))
    present[[0, 40]] = 1
    assert set(pairs(present, count=20, max_gap=6)) == {(0, 40)}


@pytest.mark.parametrize('valid', [0, 1])
def test_a_video_with_too_few_valid_frames_is_passed_over(valid: int) -> None:
    present = np.zeros((9, 1))
    present[:valid] = 1
    assert pairs(present) == []


def test_still_image_serves_every_role_with_at_most_eight_targets() -> None:
    for draw in draws([clip(np.ones((1, 11)))], roles=3, count=5, sampler=UniformClipSampler):
        assert frames(draw) == [0, 0, 0]
        assert [len(frame.ids) for frame in draw.frames] == [8, 8, 8]


def test_no_other_clip_is_touched_where_none_is_wanted() -> None:
    picked = []

    def pick() -> object:
        picked.append(1)
        return clip(np.ones((4, 1)))

    for other_clips, picks in ((False, 1), (True, 11)):
        picked.clear()
        sampler = UniformClipSampler(other_clips=other_clips)
        draw = sampler.draw(pick, 2, np.random.default_rng(0))  # type: ignore[arg-type]
        assert isinstance(draw, ClipDraw) and all(frame.other_path is None for frame in draw.frames)
        assert len(picked) == picks

"""Which frames the sampler of GuidedDetector draws; what all samplers share: test_stark_samplers.py."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.datasets import ChronologicalSampler
from mmgtrack.errors import InputError
from tests.datasets.test_stark_samplers import clip, draws, frames, visible_but


def triplets(present: np.ndarray, count: int, **options: int) -> list[tuple[int, ...]]:
    return [tuple(frames(d)) for d in draws([clip(present)], ChronologicalSampler, 3, count, **options)]


def test_exemplar_support_and_query_follow_each_other_within_the_gap() -> None:
    drawn = triplets(visible_but(60, 7, 30), 3000, max_gap=10)
    assert all(exemplar < support < query <= exemplar + 10 for exemplar, support, query in drawn)
    shown = {frame for triplet in drawn for frame in triplet}
    assert shown == set(range(60)) - {7, 30}  # the hidden ones in no role
    # the last exemplar is followed by two frames
    assert max(exemplar for exemplar, _, _ in drawn) == 57


def test_all_exemplars_and_all_pairs_after_them_are_drawn_equally_often() -> None:
    drawn = triplets(np.ones((24, 1)), 4000, max_gap=4)
    exemplars = Counter(exemplar for exemplar, _, _ in drawn)
    assert set(exemplars) == set(range(22))
    assert all(count / 4000 == pytest.approx(1 / 22, abs=0.015) for count in exemplars.values())
    pairs = Counter((s - e, q - e) for e, s, q in drawn if e < 20)
    assert set(pairs) == {(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)}
    assert all(n / pairs.total() == pytest.approx(1 / 6, abs=0.03) for n in pairs.values())


def test_a_gap_longer_than_the_video_draws_from_all_that_follows() -> None:
    drawn = triplets(np.ones((20, 1)), 2000)
    assert {(0, 19), (17, 19)} <= {(exemplar, query) for exemplar, _, query in drawn}


def test_a_frame_is_shown_twice_only_where_none_has_followers_enough() -> None:
    present = np.zeros((80, 1))
    present[[0, 1, 20, 40, 60, 61, 62, 79]] = 1
    assert set(triplets(present, 200, max_gap=5)) == {(60, 61, 62)}
    present[62] = 0
    assert set(triplets(present, 200, max_gap=5)) == {(0, 1, 1), (60, 61, 61)}
    present[[1, 61]] = 0
    present[[10, 30, 50]] = 1
    alone = [0, 10, 20, 30, 40, 50, 60, 79]
    assert set(triplets(present, 300, max_gap=5)) == {(frame,) * 3 for frame in alone}


def test_same_generator_same_frames() -> None:
    present = visible_but(50, 3, 4, 5)
    assert triplets(present, 50, max_gap=9) == triplets(present, 50, max_gap=9)


@given(
    st.lists(st.booleans(), min_size=20, max_size=60),
    st.integers(1, 40),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
)
def test_every_draw_is_in_order_visible_and_within_the_gap(
    visible: list[bool], max_gap: int, roles: int, seed: int
) -> None:
    present = np.array(visible)
    if not present.any():
        present[0] = True
    drawn = ChronologicalSampler(max_gap)._frames(present, roles, np.random.default_rng(seed))
    assert len(drawn) == roles and drawn == sorted(drawn)
    assert present[drawn].all() and drawn[-1] - drawn[0] <= max_gap
    seen = np.flatnonzero(present)
    if any(((seen > f) & (seen <= f + max_gap)).sum() >= roles - 1 for f in seen):
        assert len(set(drawn)) == roles


def test_a_gap_of_no_frames_is_refused() -> None:
    with pytest.raises(InputError, match='max_gap must be >= 1, got 0'):
        ChronologicalSampler(max_gap=0)

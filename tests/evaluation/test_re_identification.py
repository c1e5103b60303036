"""Rank-1 and mAP by hand and against a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation import retrieve

NAN = float('nan')


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_by_hand() -> None:
    """Objects 0, 1, 0, 1, 0 at 0, 10, 30, 50 and 89 degrees, each in a frame of its own."""
    found = retrieve(on_circle(0, 10, 30, 50, 89), np.array([0, 1, 0, 1, 0]), np.arange(5))
    np.testing.assert_array_equal(found.ranks, [2, 3, 3, 3, 2])
    # right or wrong by distance: -+-+, --+-, --++, --+-, -+-+
    expected = [(1 / 2 + 2 / 4) / 2, 1 / 3, (1 / 3 + 2 / 4) / 2, 1 / 3, (1 / 2 + 2 / 4) / 2]
    np.testing.assert_allclose(found.precisions, expected)
    assert (found.rank_1, found.mean_ap) == (0, pytest.approx(np.mean(expected)))


@pytest.mark.parametrize(
    ('degrees', 'identities', 'frames', 'ranks', 'precisions'),
    [
        ([0, 1, 90, 91], [0, 0, 1, 1], [0, 1, 2, 3], [1, 1, 1, 1], [1, 1, 1, 1]),
        ([0, 90, 1, 91], [0, 0, 1, 1], [0, 1, 2, 3], [2, 3, 3, 2], [1 / 2, 1 / 3, 1 / 3, 1 / 2]),
        ([0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 2, 3], [3, 3, 3, 3], [1 / 3] * 4),
        ([0, 1, 5], [0, 0, 1], [0, 1, 2], [1, 1, NAN], [1, 1, NAN]),
        ([0, 1, 5], [0, 0, 1], [0, 0, 1], [NAN] * 3, [NAN] * 3),
        ([0, 1, 5], [0, 1, 0], [0, 0, 1], [1, NAN, 2], [1, NAN, 1 / 2]),
        ([7], [0], [0], [NAN], [NAN]),
        ([], [], [], [], []),
    ],
    ids=[
        'two tight groups',
        'another is always nearer',
        'all alike: the wrong ones first',
        'seen once: no query, but in the way',
        'seen in one picture only',
        'neighbours in a picture are passed over',
        'one box',
        'no box',
    ],
)
def test_cases(degrees: list, identities: list, frames: list, ranks: list, precisions: list) -> None:
    found = retrieve(on_circle(*degrees), np.array(identities, int), np.array(frames, int))
    np.testing.assert_array_equal(found.ranks, ranks)
    np.testing.assert_allclose(found.precisions, precisions)


def plain(embeddings: np.ndarray, identities: np.ndarray, frames: np.ndarray) -> tuple[list, list]:
    ranks, precisions = [], []
    for query in range(len(embeddings)):
        gallery = [other for other in range(len(embeddings)) if frames[other] != frames[query]]
        cosines = {
            g: embeddings[query]
            @ embeddings[g]
            / np.linalg.norm(embeddings[query])
            / np.linalg.norm(embeddings[g])
            for g in gallery
        }
        gallery.sort(key=lambda g: -cosines[g])
        hits = [place for place, g in enumerate(gallery, start=1) if identities[g] == identities[query]]
        ranks.append(hits[0] if hits else NAN)
        precisions.append(np.mean([(n + 1) / place for n, place in enumerate(hits)]) if hits else NAN)
    return ranks, precisions


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(1, 5), st.integers(1, 25))
def test_equals_a_plain_loop(seed: int, count: int, objects: int, pictures: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(count, 3)) * rng.uniform(0.1, 9, (count, 1))
    identities, frames = rng.integers(0, objects, count), rng.integers(0, pictures, count)
    found = retrieve(embeddings, identities, frames)
    ranks, precisions = plain(embeddings, identities, frames)
    np.testing.assert_array_equal(found.ranks, ranks)
    np.testing.assert_allclose(found.precisions, precisions)
    order = rng.permutation(count)
    again = retrieve(embeddings[order], identities[order], frames[order])
    np.testing.assert_array_equal(again.ranks, found.ranks[order])
    assert again.mean_ap == pytest.approx(found.mean_ap, nan_ok=True)


def test_some_of_the_queries_are_still_searched_among_all() -> None:
    found = retrieve(on_circle(0, 90, 1, 91), np.array([0, 0, 1, 1]), np.arange(4))
    part = found[np.array([True, True, False, False])]
    assert (part.rank_1, part.mean_ap, len(part.ranks)) == (0, pytest.approx(5 / 12), 2)


def test_embeddings_that_are_all_alike_find_nothing() -> None:
    """Products are summed in another order here and there: that must decide nothing."""
    embeddings = np.tile(np.random.default_rng(0).normal(size=333).astype(np.float32), (50, 1))
    found = retrieve(embeddings, np.arange(50) // 5, np.arange(50))
    np.testing.assert_array_equal(found.ranks, 46)  # behind the 45 others


def test_a_vector_of_zeros_is_like_nothing() -> None:
    found = retrieve(np.array([[0.0, 0], [1, 0], [2, 0]]), np.array([0, 0, 0]), np.arange(3))
    np.testing.assert_array_equal(found.ranks, [1, 1, 1])


@pytest.mark.parametrize(
    ('embeddings', 'identities', 'message'),
    [
        (np.zeros((3, 2)), np.zeros(2, int), r'got \(3, 2\), \(2,\) and \(3,\)'),
        (np.zeros(3), np.zeros(3, int), r'expected embeddings \(n, D\)'),
        (np.array([[0, NAN], [0, 1], [np.inf, 0]]), np.zeros(3, int), 'got others in 2 of 3'),
    ],
)
def test_wrong_input(embeddings: np.ndarray, identities: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        retrieve(embeddings, identities, np.arange(3))

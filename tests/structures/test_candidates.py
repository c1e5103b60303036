"""Candidates: with embeddings or without, what is cut, padded and joined stays together."""

from dataclasses import replace

import pytest
import torch

from mmgtrack.errors import InputError
from mmgtrack.structures import Candidates


def made(frames: int, count: int, dims: int | None = 3, start: int = 0) -> Candidates:
    """Of two targets; the number in every box, score and embedding is that of its frame and row."""
    numbers = (torch.arange(frames)[:, None, None] + start) * 10.0 + torch.arange(count).expand(frames, 2, -1)
    return Candidates(
        numbers[..., None].expand(-1, -1, -1, 4),
        numbers,
        torch.ones(frames, 2, count, dtype=torch.bool),
        None if dims is None else numbers[..., None].expand(-1, -1, -1, dims),
    )


@pytest.mark.parametrize('dims', [3, 0, None])
def test_parts_are_joined_with_all_that_belongs_to_a_box(dims: int | None) -> None:
    joined = Candidates.cat([made(2, 4, dims), made(1, 2, dims, start=2)])
    assert repr(joined) == 'Candidates(3 frames, 2 targets, up to 4 boxes)' and len(joined) == 3
    assert joined.valid[2, 0].tolist() == [True, True, False, False]
    assert joined.scores[2, 1].tolist() == [20, 21, 0, 0]
    assert (joined.embeddings is None) == (dims is None)
    if dims:
        assert joined.embeddings is not None
        torch.testing.assert_close(joined.embeddings, joined.scores[..., None].expand(-1, -1, -1, dims))
    torch.testing.assert_close(joined.boxes, joined.scores[..., None].expand(-1, -1, -1, 4))
    best = joined[1:].top(1)
    assert best.scores[:, 0, 0].tolist() == [10, 20]
    assert best.embeddings is None or best.embeddings.shape == (2, 2, 1, dims)
    assert joined.padded(3) is joined and joined.padded(6).valid.sum() == joined.valid.sum()


@pytest.mark.parametrize(
    'field, shape, message',
    [
        ('boxes', (2, 2, 4), r'boxes \(N, M, K, 4\), .* got \(2, 2, 4\)'),
        ('valid', (2, 2, 3), r'valid \(N, M, K\), got .* and \(2, 2, 3\)'),
        ('embeddings', (2, 2, 3, 5), r'embeddings \(N, M, K, D\), got \(2, 2, 3, 5\) for \(2, 2, 4\)'),
    ],
)
def test_shapes_that_do_not_fit(field: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(made(2, 4), **{field: torch.zeros(shape)})


def test_none_of_the_best() -> None:
    with pytest.raises(InputError, match='at least 1, got 0'):
        made(1, 2).top(0)

"""EpochSampler: numbering over epochs, ranks, resume."""

import itertools

import pytest

from mmgtrack.datasets import EpochSampler, epoch_sampler


def ranks(monkeypatch: pytest.MonkeyPatch, length: int, world: int, epoch: int) -> list[list[int]]:
    drawn = []
    for rank in range(world):
        monkeypatch.setattr(epoch_sampler, 'get_dist_info', lambda rank=rank: (rank, world))
        sampler = EpochSampler(range(length), seed=5)
        sampler.set_epoch(epoch)
        assert len(list(sampler)) == len(sampler)
        drawn.append(list(sampler))
    return drawn


@pytest.mark.parametrize('length, world', [(12, 1), (12, 2), (12, 3), (12, 4)])
def test_ranks_together_cover_every_number_once(
    monkeypatch: pytest.MonkeyPatch, length: int, world: int
) -> None:
    numbers = [ranks(monkeypatch, length, world, epoch) for epoch in range(3)]
    flat = sorted(itertools.chain.from_iterable(itertools.chain.from_iterable(numbers)))
    assert flat == list(range(3 * length))


def test_batch_of_all_ranks_is_the_batch_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ranks(monkeypatch, 8, 2, epoch=1)
    assert sorted(first[:2] + second[:2]) == ranks(monkeypatch, 8, 1, epoch=1)[0][:4]


def test_uneven_ranks_make_equally_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ranks(monkeypatch, 5, 2, epoch=1) == [[5, 7, 9], [6, 8, 5]]


def test_resumed_epoch_is_the_same() -> None:
    run, resumed = EpochSampler(range(4)), EpochSampler(range(4))
    for epoch in range(3):
        run.set_epoch(epoch)
        list(run)
    resumed.set_epoch(2)
    assert list(resumed) == list(run) == [8, 9, 10, 11]

"""Identities of targets: how they are numbered, that they stay with their object, and what a batch holds."""

from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmgtrack.datasets import ClipDataset, EpochSampler, Sequence, synthetic_clip, write_sequence
from mmgtrack.datasets.clip_sampler import FOREIGN_ID, ClipDraw
from mmgtrack.datasets.identities import number_sources
from mmgtrack.datasets.packing import pack_role, role_input
from mmgtrack.errors import InputError
from mmgtrack.registry import DATA_SAMPLERS, DATASETS

ClipConfig = Callable[..., dict[str, Any]]
LOAD = [{'type': 'mmgtrack.LoadFrame'}]
PLAIN = {'pipelines': {'query': LOAD, 'search': LOAD}}
SAMPLER = {'type': 'mmgtrack.ClipSampler', 'other_clips': False}


@pytest.fixture
def numbered(clip_config: ClipConfig) -> Callable[..., ClipDataset]:
    """The demo tree: 3 videos of one target, 3 of two, 3 images of two, ``widths`` of them numbered."""

    def dataset(widths: tuple[Any, ...], **changes: Any) -> ClipDataset:
        config = clip_config(**changes)
        for source, width in zip(config['sources'], widths, strict=True):
            source['identities'] = width
        return DATASETS.build(config)

    return dataset


def expected_identity(data: Any, role: str, target: int, widths: tuple[int, ...]) -> int:
    """From the names of source and clip: clips are sorted by name, which ends with their number from 0."""
    path = data.source[role]
    source = next(n for n, kind in enumerate(('/train/', '/clips/', '/images/')) if kind in path)
    index = int(Path(data.clip[role]).stem.removeprefix('clip')) - (source == 2)  # images count from 1
    column, width = target % FOREIGN_ID, widths[source]
    return 3 * sum(widths[:source]) + index * width + column if column < width else -1


@pytest.mark.parametrize('widths', [(1, 2, 0), (1, 1, 2), (0, 2, 0), (3, 0, 1)])
def test_numbers_follow_source_clip_and_column(numbered: Callable, widths: tuple[int, ...]) -> None:
    dataset = numbered(widths, **PLAIN)
    assert dataset.num_identities == 3 * sum(widths)
    seen = set()
    for n in range(60):
        data = dataset[n]['data_samples']
        for role, instances in data.instances.items():
            assert instances.identities.dtype == torch.int64
            expected = [expected_identity(data, role, target, widths) for target in instances.ids.tolist()]
            assert instances.identities.tolist() == expected
            seen.update(expected)
    targets = (1, 2, 2)  # a clip may have fewer than are numbered
    assert len(seen - {-1}) == 3 * sum(map(min, widths, targets))
    assert max(seen) < dataset.num_identities


def test_by_default_no_target_has_an_identity(clip_config: ClipConfig) -> None:
    dataset = DATASETS.build(clip_config())
    assert dataset.num_identities == 0
    for n in range(10):
        for instances in dataset[n]['data_samples'].instances.values():
            assert instances.identities.tolist() == [-1] * len(instances)


def test_nothing_else_of_a_sample_changes(numbered: Callable, clip_config: ClipConfig) -> None:
    plain, dataset = DATASETS.build(clip_config()), numbered((1, 2, 0))
    for n in range(20):
        was, now = plain[n], dataset[n]
        for role, image in was['inputs'].items():
            assert torch.equal(image, now['inputs'][role])
            before, after = (sample['data_samples'].instances[role] for sample in (was, now))
            assert torch.equal(before.bboxes, after.bboxes) and torch.equal(before.ids, after.ids)


def test_an_identity_stays_with_its_object(
    numbered: Callable, colours: dict[int, tuple[int, int, int]]
) -> None:
    """Through zoom, flip, mixing and redraws: in the painted images colour and column say the same."""
    geometry = [
        *LOAD,
        {'type': 'mmgtrack.RandomZoom', 'scale': (128, 96)},
        {'type': 'mmdet.RandomFlip', 'prob': 0.5},
    ]
    dataset = numbered(
        (0, 0, 2), pipelines={'query': geometry, 'search': geometry}, min_box_side=6, sampler=SAMPLER
    )
    found = set()
    for n in range(40):
        sample = dataset[n]
        if '/images/' not in sample['data_samples'].source['query']:
            continue
        for role, instances in sample['data_samples'].instances.items():
            for box, identity in zip(instances.bboxes.tolist(), instances.identities.tolist(), strict=True):
                x1, y1, x2, y2 = (round(value) for value in box)
                patch = sample['inputs'][role][:, y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].float()
                np.testing.assert_allclose(patch.mean((1, 2)), colours[identity % 2], atol=12)
                found.add(identity)
    assert found == set(range(6))


@pytest.mark.parametrize('width', [-1, 1.5, True, 'all', None])
def test_a_width_must_count(numbered: Callable, width: Any) -> None:
    with pytest.raises(InputError, match=f'identities must be how many targets .*, got {width!r}'):
        numbered((1, width, 0))


def test_ranges_follow_each_other() -> None:
    class Names(list):
        """Of as many clips as a reader has."""

    ranges = number_sources([Names('abc'), Names('de'), Names('f')], [2, 0, 5])
    assert [(r.first, r.width, r.end) for r in ranges] == [(0, 2, 6), (6, 0, 6), (6, 5, 11)]


@pytest.mark.parametrize(
    'sampler',
    [
        {'type': 'mmgtrack.ClipSampler', 'negative_prob': 1.0},
        {'type': 'mmgtrack.CausalSampler', 'negative_prob': 1.0, 'min_length': 2},
    ],
    ids=lambda sampler: sampler['type'],
)
@pytest.mark.parametrize('other', [np.array([7, -1]), None], ids=['numbered', 'not numbered'])
def test_another_clips_objects_keep_their_own_number(
    sampler: dict[str, Any], other: np.ndarray | None
) -> None:
    """What a negative shows: its ids are foreign, its identities right, or -1."""

    def clip(name: str, identities: np.ndarray | None) -> Sequence:
        boxes = np.tile(np.array([[2, 2, 9, 9], [12, 2, 19, 9]], np.float32), (9, 1, 1))
        known = np.ones((9, 2), dtype=bool)
        return Sequence(
            name, tuple(f'{name}{i}' for i in range(9)), boxes, known, known, identities=identities
        )

    own, foreign = clip('own', np.array([3, 4])), clip('foreign', other)
    for seed in range(10):
        draw = DATA_SAMPLERS.build(dict(sampler)).draw(
            chain([own], repeat(foreign)).__next__, 2, np.random.default_rng(seed)
        )
        assert isinstance(draw, ClipDraw) and draw.negative
        query, search = draw.frames
        assert query.identities is not None and query.identities.tolist() == (query.ids + 3).tolist()
        assert search.clip == 'foreign' and (search.ids >= FOREIGN_ID).all() and len(search.ids)
        columns = search.ids - FOREIGN_ID
        assert search.identities is not None
        assert search.identities.tolist() == (
            [-1] * len(columns) if other is None else other[columns].tolist()
        )


def batches(dataset: ClipDataset, world: int, monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """The first batches of an epoch, 8 samples in all processes together, as the ranks read them."""
    ranks = []
    for rank in range(world):
        monkeypatch.setattr('mmgtrack.datasets.epoch_sampler.get_dist_info', lambda rank=rank: (rank, world))
        ranks.append(list(EpochSampler(dataset)))
    size = 8 // world
    steps = range(len(ranks[0]) // size)
    return [[dataset[n] for rank in ranks for n in rank[s * size : (s + 1) * size]] for s in steps]


def test_a_batch_has_several_identities_and_each_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a metric loss lives on: query and search show the same object, the samples of a batch others."""
    for number in range(12):
        clip = synthetic_clip(4, size=(48, 64), target_size=(12, 12), num_targets=2, seed=number)
        write_sequence(clip, tmp_path / f'clip{number:02d}')
    dataset = DATASETS.build(
        dict(
            type='mmgtrack.ClipDataset',
            sources=[{'type': 'mmgtrack.SequenceFolder', 'root': str(tmp_path), 'identities': 2}],
            num_samples=24,
            sampler=SAMPLER,
            **PLAIN,
        )
    )
    for batch in batches(dataset, 1, monkeypatch):
        samples = pseudo_collate(batch)['data_samples']
        query, search = (
            torch.cat([sample.instances[role].identities for sample in samples])
            for role in ('query', 'search')
        )
        assert len(query.unique()) >= 8
        assert torch.equal(query.unique(), search.unique())


@pytest.mark.parametrize('world', [2, 4])
def test_processes_together_read_the_same_identities(
    numbered: Callable, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    dataset = numbered((1, 2, 2), num_samples=16)

    def read(number: int) -> list[list[tuple[Any, ...]]]:
        return [
            sorted(
                (
                    s['data_samples'].sample_index,
                    *(i.identities.tolist() for i in s['data_samples'].instances.values()),
                )
                for s in batch
            )
            for batch in batches(dataset, number, monkeypatch)
        ]

    assert read(world) == read(1)


def test_a_sample_of_another_pipeline_has_none(numbered: Callable) -> None:
    """Results without the key, as other packages' pipelines give them, are packed with -1."""
    dataset = numbered((1, 0, 0), sampler=SAMPLER)
    clip = dataset.identities[0].number(dataset.readers[0][0], 0)
    draw = dataset.sampler.draw(iter([clip]).__next__, 1, np.random.default_rng(0))
    assert isinstance(draw, ClipDraw)
    results = role_input(draw.frames[0], (0,)) | {'img': np.zeros((96, 128, 3), np.uint8)}
    assert pack_role(results, 1).instances(np.array([0])).identities.tolist() == [0]
    del results['identities']
    assert pack_role(results, 1).instances(np.array([0])).identities.tolist() == [-1]

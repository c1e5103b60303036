"""ClipDataset: the form of a sample, determinism, mixture, negatives, identity of targets."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

from mmgtrack.datasets import ClipDataset, synthetic_clip, write_sequence
from mmgtrack.errors import DataError, InputError
from mmgtrack.registry import DATASETS
from mmgtrack.structures import ClipSample

ClipConfig = Callable[..., dict[str, Any]]
CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/demo_data.py'


def facts(sample: dict[str, Any]) -> tuple[Any, ...]:
    """Everything a sample says, comparable with ==."""
    data = sample['data_samples']
    images = [image.numpy().tobytes() for image in sample['inputs'].values()]
    boxes = [(i.bboxes.tolist(), i.ids.tolist()) for i in data.instances.values()]
    return (data.sample_index, data.source, data.img_shape, images, boxes)


def test_form_of_a_sample(clip_config: ClipConfig) -> None:
    dataset: ClipDataset = DATASETS.build(clip_config())
    sample = dataset[3]
    assert set(sample) == {'inputs', 'data_samples'}
    data = sample['data_samples']
    assert isinstance(data, ClipSample)
    assert (len(dataset), data.sample_index) == (10, 3)
    for role in ('query', 'search'):
        image, instances = sample['inputs'][role], data.instances[role]
        assert (image.dtype, image.shape[0]) == (torch.uint8, 3)
        assert data.img_shape[role] == tuple(image.shape[1:])
        assert Path(data.source[role]).is_file()
        assert (instances.bboxes.dtype, instances.bboxes.shape[1]) == (torch.float32, 4)
        assert instances.ids.dtype == instances.labels.dtype == torch.int64
        assert not instances.labels.any()
    query = data.instances['query']
    assert len(query) > 0
    assert set(data.instances['search'].ids.tolist()) <= set(query.ids.tolist())


def test_pseudo_collate_makes_lists_by_role(clip_config: ClipConfig) -> None:
    dataset = DATASETS.build(clip_config())
    batch = pseudo_collate([dataset[n] for n in range(3)])
    assert [len(batch['inputs'][role]) for role in ('query', 'search')] == [3, 3]
    assert [sample.sample_index for sample in batch['data_samples']] == [0, 1, 2]


def test_sample_depends_on_seed_and_number_alone(clip_config: ClipConfig) -> None:
    dataset, same = DATASETS.build(clip_config()), DATASETS.build(clip_config())
    other = DATASETS.build(clip_config(seed=1))
    for n in (5, 0, 123_456):
        np.random.seed(n)
        first = facts(dataset[n])
        assert facts(same[n]) == first != facts(other[n])
    with pytest.raises(IndexError):
        dataset[-1]


def loader(config: dict[str, Any], workers: int) -> Any:
    return Runner.build_dataloader(
        {
            'dataset': config,
            'batch_size': 3,
            'num_workers': workers,
            'persistent_workers': workers > 0,
            'sampler': {'type': 'mmgtrack.EpochSampler'},
        },
        seed=7,
    )


def epochs(data: Any, numbers: range) -> list[tuple[Any, ...]]:
    read = []
    for epoch in numbers:
        data.sampler.set_epoch(epoch)
        for batch in data:
            for k, sample in enumerate(batch['data_samples']):
                inputs = {role: images[k] for role, images in batch['inputs'].items()}
                read.append(facts({'inputs': inputs, 'data_samples': sample}))
    return read


def test_same_samples_for_any_number_of_workers_and_after_a_resume(clip_config: ClipConfig) -> None:
    alone = epochs(loader(clip_config(), 0), range(2))
    assert [fact[0] for fact in alone] == list(range(20))
    assert epochs(loader(clip_config(), 2), range(2)) == alone
    assert epochs(loader(clip_config(), 0), range(1, 2)) == alone[10:]


def test_reading_leaves_the_global_generators_alone(clip_config: ClipConfig) -> None:
    dataset = DATASETS.build(clip_config())
    np.random.seed(3), torch.manual_seed(3)
    dataset[0]
    after = np.random.random(), float(torch.rand(()))
    np.random.seed(3), torch.manual_seed(3)
    assert after == (np.random.random(), float(torch.rand(())))


def test_weights_set_the_shares_of_the_sources(clip_config: ClipConfig) -> None:
    plain = [{'type': 'mmgtrack.LoadFrame'}]
    dataset = DATASETS.build(
        clip_config(
            pipelines={'query': plain, 'search': plain},
            sampler={'type': 'mmgtrack.ClipSampler', 'negative_prob': 0.0},
        )
    )
    sources = [dataset[n]['data_samples'].source['query'] for n in range(400)]
    kinds = Counter(
        next(kind for kind in ('train', 'clips', 'images') if f'/{kind}/' in path) for path in sources
    )
    assert kinds['train'] / 400 == pytest.approx(0.25, abs=0.06)
    assert kinds['clips'] / 400 == pytest.approx(0.5, abs=0.06)
    assert kinds['images'] / 400 == pytest.approx(0.25, abs=0.06)


def test_negative_pairs(clip_config: ClipConfig) -> None:
    sampler = {'type': 'mmgtrack.ClipSampler', 'negative_prob': 1.0}
    dataset = DATASETS.build(clip_config(sampler=sampler))
    for n in range(20):
        data = dataset[n]['data_samples']
        assert data.negative
        assert len(data.instances['search']) == 0 < len(data.instances['query'])
        query, search = (Path(data.source[role]) for role in ('query', 'search'))
        # still images: another file; videos: another folder
        assert query != search and (query.parents[1] != search.parents[1] or 'images' in str(query))


def test_other_clips_come_from_any_source(clip_config: ClipConfig) -> None:
    dataset = DATASETS.build(clip_config(sampler={'type': 'mmgtrack.ClipSampler', 'negative_prob': 1.0}))
    pairs = set()
    for n in range(60):
        source = dataset[n]['data_samples'].source
        pairs.add(tuple('images' in source[role] for role in ('query', 'search')))
    assert len(pairs) == 4


def test_a_source_without_a_usable_clip_is_named(clip_config: ClipConfig, tmp_path: Path) -> None:
    write_sequence(synthetic_clip(2, absences={0: (0, 2)}), tmp_path / 'empty/clip')
    config = clip_config()
    config['sources'][1] = {'type': 'mmgtrack.SequenceFolder', 'root': str(tmp_path / 'empty')}
    dataset = DATASETS.build(config)
    with pytest.raises(DataError, match=f'from SequenceFolder {tmp_path}/empty: 100x clip without a visible'):
        for n in range(20):
            dataset[n]


def mean_colour(image: torch.Tensor, box: list[float]) -> np.ndarray:
    x1, y1, x2, y2 = (round(value) for value in box)
    return image[:, y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].float().mean((1, 2)).numpy()


@pytest.mark.parametrize(
    'geometry, tolerance',
    [
        ([{'type': 'mmdet.RandomFlip', 'prob': 1.0}], 3),
        ([{'type': 'mmdet.RandomFlip', 'prob': 0.5, 'direction': 'vertical'}], 3),
        ([{'type': 'mmgtrack.RandomZoom', 'scale': (128, 96)}], 12),
        ([{'type': 'mmdet.Resize', 'scale': (200, 90), 'keep_ratio': True}], 6),
        (
            [
                {
                    'type': 'mmdet.RandomAffine',
                    'max_rotate_degree': 0.0,
                    'max_shear_degree': 0.0,
                    'scaling_ratio_range': (0.6, 1.4),
                },
                {'type': 'mmdet.RandomFlip', 'prob': 0.5},
            ],
            12,
        ),
    ],
    ids=['flip', 'vertical', 'zoom', 'resize', 'affine+flip'],
)
def test_ids_stay_with_their_object(
    clip_config: ClipConfig,
    demo_root: Path,
    colours: dict[int, tuple[int, int, int]],
    geometry: list[dict[str, Any]],
    tolerance: float,
) -> None:
    pipeline = [{'type': 'mmgtrack.LoadFrame'}, *geometry]
    images = {'type': 'mmgtrack.CocoImages', 'root': str(demo_root / 'images')}
    dataset = DATASETS.build(
        clip_config(
            sources=[images],
            sampler={'type': 'mmgtrack.ClipSampler'},
            pipelines={'query': pipeline, 'search': pipeline},
            min_box_side=6,
        )
    )
    seen: set[int] = set()
    for n in range(12):
        sample = dataset[n]
        for role, instances in sample['data_samples'].instances.items():
            for box, target in zip(instances.bboxes.tolist(), instances.ids.tolist(), strict=True):
                found = mean_colour(sample['inputs'][role], box)
                np.testing.assert_allclose(found, colours[target], atol=tolerance)
                seen.add(target)
    assert seen == {0, 1}


class TestRedraw:
    """A sample whose targets the pipeline loses."""

    class Lose:
        """Loses every box in about half of the calls, or flags it as doubtful."""

        def __init__(self, how: str) -> None:
            self.how = how

        def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
            if self.how == 'always' or np.random.random() < 0.5:
                boxes = results['gt_bboxes'].tensor
                boxes[:, 2:] = boxes[:, :2] + (0.5 if self.how == 'small' else 0)
                results['gt_ignore_flags'][:] = self.how == 'flag'
            return results

    @pytest.mark.parametrize('how', ['gone', 'small', 'flag'])
    @pytest.mark.parametrize('role', ['query', 'search'])
    def test_is_drawn_again(self, clip_config: ClipConfig, how: str, role: str) -> None:
        dataset = DATASETS.build(clip_config(sampler={'type': 'mmgtrack.ClipSampler'}))
        dataset.pipelines[role].transforms.append(self.Lose(how))
        for n in range(20):
            instances = dataset[n]['data_samples'].instances
            assert len(instances['query']) > 0 and len(instances['search']) > 0

    def test_gives_up_with_a_reason(self, clip_config: ClipConfig) -> None:
        dataset = DATASETS.build(clip_config())
        dataset.pipelines['query'].transforms.append(self.Lose('always'))
        with pytest.raises(DataError, match=r'sample 4 in 100 draws from .*px after Lose \(query\)'):
            dataset[4]


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'roles': ('template', 'search')}, 'one pipeline per role'),
        ({'num_samples': 0}, 'num_samples >= 1'),
        ({'sources': []}, 'and a source'),
    ],
)
def test_wrong_arguments(clip_config: ClipConfig, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ClipDataset(**{k: v for k, v in clip_config(**changes).items() if k != 'type'})


def test_three_roles(clip_config: ClipConfig) -> None:
    roles = ('template', 'dynamic_template', 'search')
    plain = [{'type': 'mmgtrack.LoadFrame'}]
    sample = DATASETS.build(clip_config(roles=roles, pipelines=dict.fromkeys(roles, plain)))[0]
    assert tuple(sample['inputs']) == tuple(sample['data_samples'].instances) == roles


def test_demo_config_builds_and_yields_a_batch(demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MMGTRACK_DATA', str(demo_root))
    config = Config.fromfile(CONFIG)
    assert Config.fromstring(config.pretty_text, '.py').train_dataloader == config.train_dataloader
    config.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=2)
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    assert all(max(image.shape) == 384 for image in batch['inputs']['search'])
    assert DATASETS.build(config.val_sequences).names == ['clip0', 'clip1', 'clip2']
    assert DATASETS.build(config.val_composites).names == ['cut']
    assert os.environ['MMGTRACK_DATA'] == str(demo_root)

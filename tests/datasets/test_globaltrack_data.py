"""configs/_base_/datasets/coco_got10k_lasot.py on small trees in the official layouts."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmgtrack.datasets import ClipDataset
from mmgtrack.registry import DATASETS
from tests.datasets.test_benchmarks import write_got10k, write_lasot
from tests.trackers import small_global_track

FOLDER = Path(__file__).parents[2] / 'configs/_base_/datasets'
ROWS = ['10,12,30,30', '10,12,30,5', '12,12,30,30', '0,0,0,0', '16,12,30,30']  # 2nd too flat, 4th gone


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_coco: Callable[..., Path]) -> Path:
    """Three images, and two videos each of GOT-10k and LaSOT; one of each has a single frame to use."""
    coco = write_coco(
        tmp_path / 'coco', np.array([[5, 5, 25, 30], [40, 20, 70, 50]]), image_folder='train2017'
    )
    (coco / 'annotations').mkdir()
    (coco / 'annotations.json').rename(coco / 'annotations/instances_train2017.json')
    for number, rows in ((1, ROWS), (2, ROWS[:2])):
        write_got10k(
            tmp_path / 'got10k', f'GOT-10k_Train_00000{number}', rows, absence=[0, 0, 0, 1, 0][: len(rows)]
        )
        write_lasot(
            tmp_path / 'lasot',
            f'cup-{number}',
            rows,
            occluded=','.join('0100'[:2]) if number == 2 else '1,0,0,1,0',
        )
    write_lasot(tmp_path / 'lasot', 'ant-1', ROWS[:1])
    (tmp_path / 'lasot/training_set.txt').write_text('cup-1\ncup-2\n')
    (tmp_path / 'lasot/testing_set.txt').write_text('ant-1\n')
    monkeypatch.setenv('MMGTRACK_DATA', str(tmp_path))
    return tmp_path


def clip_dataset(name: str = 'coco_got10k_lasot.py', plain: bool = True) -> ClipDataset:
    """The training data of a base config; ``plain``: frames as stored."""
    config = Config.fromfile(FOLDER / name).clip_dataloader.dataset
    if plain:
        load = [{'type': 'mmgtrack.LoadFrame'}]
        config.pipelines = dict(query=load, search=load)
    return DATASETS.build(config)


def drawn_sources(data: Path, count: int) -> list[str]:
    dataset = clip_dataset()
    assert len(dataset) == 30000
    paths = [dataset[n]['data_samples'].source['query'] for n in range(count)]
    return [Path(path).relative_to(data).parts[0] for path in paths]


def test_sources_have_the_official_shares(data: Path) -> None:
    """Half of the videos have no two frames to use, and another of the same source takes their place."""
    drawn = drawn_sources(data, 1000)
    kinds = Counter(drawn)
    for kind, share in (('coco', 0.4), ('got10k', 0.4), ('lasot', 0.2)):
        assert kinds[kind] / 1000 == pytest.approx(share, abs=0.04)  # 2.6 standard deviations
    # without those videos the same sources are drawn, sample by sample
    (data / 'got10k/train/list.txt').write_text('GOT-10k_Train_000001\n')
    (data / 'lasot/training_set.txt').write_text('cup-1\n')
    assert drawn_sources(data, 100) == drawn[:100]


def test_pairs_are_of_valid_frames_in_time_order(data: Path) -> None:
    dataset, drawn = clip_dataset(), set()
    for n in range(200):
        sample = dataset[n]['data_samples']
        query, search = (Path(sample.source[role]) for role in ('query', 'search'))
        if query.is_relative_to(data / 'coco'):
            assert query == search and len(sample.instances['search']) == 2
        else:
            drawn.add((query.parent.relative_to(data).parts[0], int(query.stem), int(search.stem)))
    # LaSOT's flag of the first frame is not looked at, GOT-10k's of the fourth comes with a box without size
    pairs = {(1, 3), (1, 5), (3, 5)}
    assert drawn == {(kind, *pair) for kind in ('got10k', 'lasot') for pair in pairs}


def test_the_first_stage_is_coco_alone(data: Path) -> None:
    dataset = clip_dataset('coco.py')
    assert [reader.names for reader in dataset.readers] == [['img/1.png', 'img/2.png', 'img/3.png']]
    assert len(dataset) == 30000


def mean_colours(sample: dict[str, Any], role: str) -> torch.Tensor:
    """(M, 3) mean colour inside each box of a role."""
    boxes = sample['data_samples'].instances[role].bboxes.round().int().tolist()
    image = sample['inputs'][role].float()
    return torch.stack([image[:, y1 + 9 : y2 - 9, x1 + 9 : x2 - 9].mean((1, 2)) for x1, y1, x2, y2 in boxes])


def test_the_official_augmentation(data: Path) -> None:
    """Size, flips apart, order of the channels in common, colours apart."""
    dataset = clip_dataset('coco.py', plain=False)
    flips, orders = Counter(), Counter()
    for n in range(40):
        sample = dataset[n]
        assert [tuple(image.shape) for image in sample['inputs'].values()] == [(3, 800, 1067)] * 2
        instances = sample['data_samples'].instances
        left = {role: bool(instances[role].bboxes[0, 0] < instances[role].bboxes[1, 0]) for role in instances}
        flips[left['query'], left['search']] += 1
        # target 0 is red and target 1 green, whatever the light: which channel is brightest?
        orders[tuple(tuple(mean_colours(sample, role).argmax(1).tolist()) for role in instances)] += 1
        assert not torch.equal(sample['inputs']['query'], sample['inputs']['search'])
    assert len(flips) == 4
    assert all(query == search for query, search in orders)
    assert len(orders) >= 4


def test_loaders_build_and_collate(data: Path) -> None:
    config = Config.fromfile(FOLDER / 'coco_got10k_lasot.py')
    assert Config.fromstring(config.pretty_text, '.py').clip_dataloader == config.clip_dataloader
    config.clip_dataloader.update(num_workers=0, persistent_workers=False)
    batch = next(iter(Runner.build_dataloader(config.clip_dataloader, seed=0)))
    assert len(batch['inputs']['query']) == len(batch['inputs']['search']) == 1
    assert DATASETS.build(config.sequence_dataloader.dataset).names == ['ant-1']


def test_the_bases_stand_beside_a_config_of_the_zoo(tmp_path: Path) -> None:
    """No name of theirs is one of mmdet's, and what they offer can take its place."""
    (tmp_path / 'tracker.py').write_text(
        f"""
_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    '{FOLDER / 'coco_got10k_lasot.py'}',
    '{FOLDER.parent / 'schedules/globaltrack_12e.py'}',
]
train_dataloader = dict(_delete_=True, **_base_.clip_dataloader)
test_dataloader = dict(_delete_=True, **_base_.sequence_dataloader)
optim_wrapper = dict(_delete_=True, **_base_.globaltrack_optim_wrapper)
"""
    )
    config = Config.fromfile(tmp_path / 'tracker.py')
    assert [source.weight for source in config.train_dataloader.dataset.sources] == [0.4, 0.4, 0.2]
    assert config.test_dataloader.dataset.type == 'mmgtrack.LaSOT'
    assert config.optim_wrapper.optimizer.lr == 0.005


def test_inclusive_boxes_lose_one_pixel_of_the_stored_frame(data: Path) -> None:
    """Official code takes the last pixel off before it resizes: as much as the image is scaled."""
    dataset = clip_dataset(plain=False)
    tracker = small_global_track(**{'model.inclusive_pixels': True})
    samples = [dataset[n]['data_samples'] for n in range(12)]
    assert all(sample.scale['search'] > 10 for sample in samples)  # small pictures, enlarged
    for sample in samples:
        for role in ('query', 'search'):
            boxes = sample.instances[role].bboxes
            shift = boxes.new_tensor([1, 0, 1, 0]) * sample.flip[role] * (sample.scale[role] - 1)
            shrunk = boxes - (tracker.role_boxes(sample, role) - shift)
            expected = boxes.new_tensor([0, 0, 1, 1]) * sample.scale[role]
            torch.testing.assert_close(shrunk, expected.expand(len(boxes), 4), atol=1e-3, rtol=0)

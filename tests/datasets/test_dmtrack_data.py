"""configs/_base_/datasets/coco_lasot.py on small trees in the official layouts."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmgtrack.datasets import ClipDataset
from mmgtrack.registry import DATASETS
from tests.datasets.test_benchmarks import write_lasot

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/coco_lasot.py'
ROWS = ['10,12,30,30', '10,12,30,5', '12,12,30,30', '0,0,0,0', '16,12,30,30']  # 2nd too flat, 4th gone


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_coco: Callable[..., Path]) -> Path:
    """Three images with two targets each, and two videos of LaSOT, one of which has a single frame to use."""
    boxes = np.array([[5, 5, 25, 30], [50, 30, 75, 55]])
    coco = write_coco(tmp_path / 'coco', boxes, image_folder='train2017')
    (coco / 'annotations').mkdir()
    (coco / 'annotations.json').rename(coco / 'annotations/instances_train2017.json')
    for number, rows in ((1, ROWS), (2, ROWS[:2])):
        write_lasot(tmp_path / 'lasot', f'cup-{number}', rows)
    (tmp_path / 'lasot/training_set.txt').write_text('cup-1\ncup-2\n')
    monkeypatch.setenv('MMGTRACK_DATA', str(tmp_path))
    return tmp_path


def clip_dataset(plain: bool) -> ClipDataset:
    """The training data of the base config; ``plain``: frames as stored."""
    config = Config.fromfile(CONFIG).clip_dataloader.dataset
    if plain:
        load = [{'type': 'mmgtrack.LoadFrame'}]
        config.pipelines = dict(query=load, search=load)
    dataset: ClipDataset = DATASETS.build(config)
    return dataset


def test_half_of_the_samples_are_of_each(data: Path) -> None:
    dataset, kinds, pairs = clip_dataset(plain=True), Counter[str](), set()
    for n in range(400):
        source = dataset[n]['data_samples'].source
        query, search = (Path(source[role]) for role in ('query', 'search'))
        kinds[query.relative_to(data).parts[0]] += 1
        if query.is_relative_to(data / 'lasot'):
            pairs.add((int(query.stem), int(search.stem)))
    assert kinds['coco'] / 400 == pytest.approx(0.5, abs=0.065)  # 2.6 standard deviations
    assert pairs == {(1, 3), (1, 5), (3, 5)}  # frames that serve, in time order


def test_the_same_targets_survive_in_both_images(data: Path) -> None:
    """Crops lose some of the two; no target is left that only one of the images shows."""
    dataset, counts, sizes = clip_dataset(plain=False), Counter[int](), set()
    for n in range(60):
        sample = dataset[n]
        query, search = (sample['data_samples'].instances[role] for role in ('query', 'search'))
        assert query.ids.tolist() == search.ids.tolist()
        if sample['data_samples'].source_name.startswith('Coco'):
            counts[len(query)] += 1
        for image in sample['inputs'].values():
            sides = sorted(image.shape[1:])
            assert sides[0] <= 800 and sides[1] <= 1333 and (sides[0] == 800 or sides[1] == 1333)
            sizes.add(tuple(image.shape[1:]))
    assert counts[1] > 3 and counts[2] > 3
    assert len(sizes) > 20  # expanded and cut to other shapes


def test_boxes_stay_on_their_targets(data: Path) -> None:
    """Expanded, cut, resized and mirrored: what is inside a box differs from the grey around it."""
    config = Config.fromfile(CONFIG).clip_dataloader.dataset
    colours = ('mmdet.PhotoMetricDistortion', 'mmgtrack.SharedDraw')
    geometry = [step for step in config.pipelines.query if step.type not in colours]
    config.update(pipelines=dict(query=geometry, search=geometry), sources=config.sources[:1])
    dataset = DATASETS.build(config)
    for n in range(20):
        sample = dataset[n]
        for role, image in sample['inputs'].items():
            for x1, y1, x2, y2 in sample['data_samples'].instances[role].bboxes.round().int().tolist():
                inside = image[:, y1:y2, x1:x2].float().std(0)
                assert (inside > 30).float().mean() > 0.85, (n, role)

"""GuidedDetector's samples: roles, sizes and boxes of its data configs on small trees, and its schedule."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner
from torch import nn

from mmgtrack.datasets import synthetic_clip, write_sequence
from mmgtrack.registry import DATASETS
from tests.datasets.test_benchmarks import write_got10k
from tests.datasets.test_stark_data import ROWS, write_coco

BASES = Path(__file__).parents[2] / 'configs/_base_'
ROLES = ['exemplar', 'support', 'query']
SIDES = {  # of the exemplar and of the other two (section 4.1; those of the demo data are ours)
    'guided_got10k.py': (222, 300),
    'guided_got10k_480.py': (192, 480),
    'guided_demo_data.py': (160, 224),
}
every_config = pytest.mark.parametrize('name', SIDES)


@pytest.fixture(scope='module', autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp('guided')
    for video, split in (('goat', 'train'), ('sheep', 'train'), ('cow', 'val')):
        write_got10k(root / 'got10k', video, ROWS, split=split)
    for name in ('sequences/train', 'clips', 'sequences/val', 'sequences/val/composites'):
        for number in (1, 2):
            clip = synthetic_clip(12, num_targets=1, absences={0: (4, 6)}, seed=number)
            write_sequence(clip, root / name / f'clip{number}')
    for name in ('images', 'images2'):
        write_coco(root / name, 'annotations.json', '.')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMGTRACK_DATA', str(root))
        yield root


@every_config
def test_a_batch_shows_one_target_in_three_roles(name: str) -> None:
    config = Config.fromfile(BASES / 'datasets' / name)
    assert Config.fromstring(config.pretty_text, '.py').train_dataloader == config.train_dataloader
    loader = config.train_dataloader
    loader.update(num_workers=0, persistent_workers=False, batch_size=6)
    batch = next(iter(Runner.build_dataloader(loader, seed=0)))
    assert list(batch['inputs']) == ROLES
    small, large = SIDES[name]
    for role, images in batch['inputs'].items():
        side = small if role == 'exemplar' else large
        assert {(tuple(image.shape), image.dtype) for image in images} == {((3, side, side), torch.uint8)}
    for sample in batch['data_samples']:
        assert len({int(sample.instances[role].ids) for role in ROLES}) == 1
        assert len(set(sample.clip.values())) == 1 and not sample.negative
        frames = [sample.frame[role] for role in ROLES]
        assert frames == sorted(frames) and (len(set(frames)) == 3 or frames == [0, 0, 0])
        assert len(set(sample.flip.values())) == 1  # the mirror is shared
        assert all(tuple(sample.masks[role].shape) == sample.img_shape[role] for role in ROLES)
    assert len(DATASETS.build(config.test_dataloader.dataset)) > 0


@every_config
def test_where_targets_lie_in_their_images(name: str) -> None:
    """In shares of the target: twice and five times its size, and how far it is beside the middle."""
    dataset = DATASETS.build(Config.fromfile(BASES / 'datasets' / name).train_dataloader.dataset)
    shares, offsets = {}, {}
    samples = [dataset[number]['data_samples'] for number in range(80)]
    for role, side in zip(ROLES, (SIDES[name][0], *SIDES[name][1:] * 2), strict=True):
        boxes = torch.cat([sample.instances[role].bboxes for sample in samples]).double().numpy()
        sizes = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1))
        shares[role] = side / sizes
        offsets[role] = (boxes[:, :2] + boxes[:, 2:] - side) / 2 / sizes[:, None]
    demo = 'demo' in name
    np.testing.assert_allclose(np.median(shares['exemplar']), 2, rtol=0.05)
    exemplar = np.abs(offsets['exemplar']).max()
    # windows begin at whole pixels, and targets are 8 pixels large at least
    assert exemplar < 0.15 if demo else exemplar < 0.07
    for role in ROLES[1:]:
        assert np.median(shares[role]) == pytest.approx(5, rel=0.1)
        spread = np.log(shares[role]).std()
        assert spread == pytest.approx((0.25 if demo else 0.15) / np.sqrt(2), rel=0.3)
        reach = np.abs(offsets[role] * 5 / shares[role][:, None]).max()  # of a fifth of the window
        assert (0.9 < reach < 1.06) if demo else (0.45 < reach < 0.56)
    assert not np.allclose(offsets['support'], offsets['query'], atol=0.1)  # each image draws its own


def test_numbers_of_the_paper() -> None:
    config = Config.fromfile(BASES / 'datasets/guided_got10k.py')
    loader, schedule = config.train_dataloader, Config.fromfile(BASES / 'schedules/guided_50k.py')
    gpus = schedule.auto_scale_lr.base_batch_size // loader.batch_size
    assert (gpus, gpus * loader.batch_size) == (4, 32)
    assert loader.dataset.num_samples * schedule.max_epochs // 32 == 50_000
    assert [(source.type, source.split) for source in loader.dataset.sources] == [
        ('mmgtrack.GOT10k', 'train')
    ]
    assert schedule.optim_wrapper.optimizer == dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4)


def test_the_rate_falls_to_its_twentieth() -> None:
    schedule = Config.fromfile(BASES / 'schedules/guided_50k.py')
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=schedule.optim_wrapper.optimizer.lr)
    (settings,) = schedule.param_scheduler
    scheduler = PARAM_SCHEDULERS.build(dict(settings, optimizer=optimizer))
    rates = []
    for _ in range(schedule.max_epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert (rates[0], rates[-1]) == pytest.approx((0.01, 0.0005), rel=1e-9)
    ratios = np.divide(rates[1:], rates[:-1])
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-12)

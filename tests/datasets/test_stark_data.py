"""STARK's samples: masks, presence, redraws, and the data configs on small trees in the official layouts."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmgtrack.datasets import ClipDataset, synthetic_clip, write_sequence
from mmgtrack.datasets.clip_sampler import FOREIGN_ID, RoleFrame
from mmgtrack.datasets.packing import RoleResult
from mmgtrack.errors import DataError
from mmgtrack.registry import DATASETS
from mmgtrack.structures import ClipSample
from tests.datasets.test_benchmarks import write_got10k, write_lasot
from tests.datasets.test_stark_readers import write_trackingnet

FOLDER = Path(__file__).parents[2] / 'configs/_base_/datasets'
OFFICIAL = [
    f'stark_{kind}{only}.py' for kind in ('causal', 'trident', 'trident_score') for only in ('', '_got10k')
]
DEMO = ['stark_demo_data.py', 'stark_demo_data_score.py']
ROWS = [f'{10 + n},12,30,25' for n in range(20)]


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The benchmarks in their layouts and the demo data; the target of cup-1 and goat is hidden at times."""
    root = tmp_path_factory.mktemp('stark')
    hidden = [int(n in (5, 6)) for n in range(20)]
    write_lasot(root / 'lasot', 'cup-1', ROWS, occluded=','.join(map(str, hidden)))
    for split in ('training', 'testing'):
        (root / 'lasot' / f'{split}_set.txt').write_text('cup-1\n')
    write_got10k(root / 'got10k', 'goat', ROWS, absence=hidden)
    write_got10k(root / 'got10k', 'sheep', ROWS)
    write_got10k(root / 'got10k', 'cow', ROWS, split='val')
    (root / 'got10k' / 'got10k_vot_train_split.txt').write_text('1\n')
    for number in range(12):
        write_trackingnet(root / 'trackingnet', f'TRAIN_{number}', f'mug_{number}', ROWS)
    write_coco(root / 'coco')
    for name in ('sequences/train', 'clips', 'sequences/val', 'sequences/val/composites'):
        for number in (1, 2):
            clip = synthetic_clip(10, num_targets=1, absences={0: (4, 6)}, seed=number)
            write_sequence(clip, root / name / f'clip{number}')
    for name in ('images', 'images2'):
        write_coco(root / name, 'annotations.json', '.')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMGTRACK_DATA', str(root))
        yield root


def write_coco(
    root: Path, annotations: str = 'annotations/instances_train2017.json', folder: str = 'train2017'
) -> None:
    images, boxes = [], []
    for number in (1, 2):
        clip = synthetic_clip(1, size=(60, 80), num_targets=2, seed=number)
        write_sequence(clip, root / folder / str(number))
        name = f'{number}/img/000001.png'
        assert (root / folder / name).is_file()
        images.append({'id': number, 'file_name': name, 'width': 80, 'height': 60})
        for x1, y1, x2, y2 in clip.boxes[0].tolist():
            boxes.append({'id': len(boxes), 'image_id': number, 'bbox': [x1, y1, x2 - x1, y2 - y1]})
    (root / annotations).parent.mkdir(exist_ok=True)
    (root / annotations).write_text(json.dumps({'images': images, 'annotations': boxes, 'categories': []}))


def dataset(name: str, **changes: Any) -> ClipDataset:
    config = Config.fromfile(FOLDER / name).train_dataloader.dataset
    built: ClipDataset = DATASETS.build({**config, **changes})
    return built


@pytest.mark.parametrize('name', OFFICIAL + DEMO)
def test_a_batch_of_every_config(data: Path, name: str) -> None:
    config = Config.fromfile(FOLDER / name)
    assert Config.fromstring(config.pretty_text, '.py').train_dataloader == config.train_dataloader
    loader = config.train_dataloader
    roles = ['template', 'search'] if 'causal' in name else ['template', 'dynamic_template', 'search']
    large, small = (224, 112) if name in DEMO else (320, 128)
    loader.update(num_workers=0, persistent_workers=False, batch_size=3)
    batch = next(iter(Runner.build_dataloader(loader, seed=0)))
    assert list(batch['inputs']) == roles
    for role, images in batch['inputs'].items():
        side = large if role == 'search' else small
        assert {(tuple(image.shape), image.dtype) for image in images} == {((3, side, side), torch.uint8)}
    for sample in batch['data_samples']:
        for role in roles:
            mask = sample.masks[role]
            assert mask.dtype == torch.bool and tuple(mask.shape) == sample.img_shape[role]
            assert not mask[::16, ::16].all()
        assert [len(sample.instances[role]) for role in roles[:-1]] == [1] * (len(roles) - 1)
    for metric in ('val', 'test'):
        assert (config[f'{metric}_dataloader'] is None) == (config[f'{metric}_evaluator'] is None)
    assert len(DATASETS.build(config.test_dataloader.dataset)) > 0


@pytest.mark.parametrize('name', OFFICIAL)
def test_numbers_of_the_official_code(data: Path, name: str) -> None:
    config = Config.fromfile(FOLDER / name)
    loader = config.train_dataloader
    assert (loader.batch_size, loader.drop_last, loader.dataset.num_samples) == (16, True, 60000)
    types = [source.type.rpartition('.')[2] for source in loader.dataset.sources]
    if 'got10k' in name:
        assert types == ['GOT10k'] and DATASETS.build(loader.dataset.sources[0]).names == ['goat', 'sheep']
        assert (config.test_dataloader.dataset.type, config.test_dataloader.dataset.split) == (
            'mmgtrack.GOT10k',
            'val',
        )
    else:
        assert types == ['LaSOT', 'GOT10k', 'CocoInstances', 'TrackingNet']
        assert DATASETS.build(loader.dataset.sources[1]).names == ['sheep']
        assert config.test_dataloader.dataset.list_file == 'testing_set.txt'
    sampler = dict(loader.dataset.sampler)
    assert sampler.pop('type') == f'mmgtrack.{"Causal" if "causal" in name else "Trident"}Sampler'
    score = {'negative_prob': 0.5} if 'score' in name else {}
    assert sampler == {'max_gap': 200, 'min_length': 20, **score}
    for role, pipeline in loader.dataset.pipelines.items():
        _, joint, crop, light, mirror, check = pipeline
        assert [(t.type, t.prob) for t in joint.transforms] == [
            ('mmgtrack.RandomGrey', 0.05),
            ('mmgtrack.RandomMirror', 0.5),
        ]
        assert joint.transforms[1].whole_pixels and 'whole_pixels' not in mirror
        jitter = (0.5, 4.5, 5, 320) if role == 'search' else (None, None, 2, 128)
        assert (crop.get('scale_jitter'), crop.get('centre_jitter'), crop.factor, crop['size']) == jitter
        assert (light.low, light.high, mirror.prob, check.stride) == (0.8, 1.2, 0.5, 16)


def test_sources_have_equal_shares(data: Path) -> None:
    built = dataset('stark_trident.py')
    assert built.weights.tolist() == [0.25] * 4
    rng = np.random.default_rng(0)
    drawn = Counter(built._source(rng) for _ in range(2000))
    assert all(count / 2000 == pytest.approx(0.25, abs=0.04) for count in drawn.values())


def shown_by(sample: ClipSample) -> tuple[bool, bool]:
    """Whether the search region is of the template's clip, and whether the label says present."""
    template, search = (Path(sample.source[role]) for role in ('template', 'search'))
    return template.parent == search.parent, len(sample.instances['search']) > 0


def test_presence_labels_of_the_score_stage(data: Path) -> None:
    built = dataset('stark_trident_score_got10k.py')
    samples = [built[n]['data_samples'] for n in range(160)]
    assert sum(len(s.instances['search']) for s in samples) / 160 == pytest.approx(0.5, abs=0.12)
    kinds = Counter((Path(s.source['template']).parent.name, *shown_by(s)) for s in samples)
    # the goat is hidden at times, the sheep never: then the goat is shown, around its own box
    assert set(kinds) == {
        ('goat', True, True),
        ('goat', True, False),
        ('sheep', True, True),
        ('sheep', False, False),
    }
    hidden = [s for s in samples if s.negative and 'goat' in s.source['template']]
    assert {Path(s.source['search']).name for s in hidden} == {'00000006.jpg', '00000007.jpg'}


def test_a_foreign_target_is_cut_around_its_own_box(data: Path) -> None:
    built = dataset('stark_demo_data_score.py')
    path, box = str(data / 'lasot/cup/cup-1/img/00000001.jpg'), np.array([[10, 12, 40, 37]], np.float32)
    own, foreign = (
        built._run('search', RoleFrame(path, box, np.array([target])), (0, 5), 1)
        for target in (0, FOREIGN_ID)
    )
    assert isinstance(own, RoleResult) and isinstance(foreign, RoleResult)
    assert torch.equal(own.image, foreign.image) and torch.equal(own.boxes, foreign.boxes)
    targets = np.array([0])
    assert (len(own.instances(targets)), len(foreign.instances(targets))) == (1, 0)


def test_dynamic_templates_may_be_hidden(data: Path) -> None:
    built = dataset('stark_trident_got10k.py')
    samples = [built[n]['data_samples'] for n in range(100)]
    hidden = [
        s
        for s in samples
        if s.source['dynamic_template'].endswith(('goat/00000006.jpg', 'goat/00000007.jpg'))
    ]
    assert len(hidden) >= 2
    assert all(len(s.instances['dynamic_template']) == 1 for s in hidden)


@pytest.mark.parametrize('name', ['stark_trident_score.py', 'stark_demo_data_score.py'])
def test_sample_depends_on_seed_and_number_alone(data: Path, name: str) -> None:
    first, second = dataset(name), dataset(name)
    for n in (7, 3, 1_000_000):
        np.random.seed(n)
        one, two = first[n], second[n]
        assert one['data_samples'].source == two['data_samples'].source
        for role, image in one['inputs'].items():
            assert torch.equal(image, two['inputs'][role])
            boxes = [s['data_samples'].instances[role].bboxes for s in (one, two)]
            assert torch.equal(*boxes)
    assert not torch.equal(first[3]['inputs']['search'], dataset(name, seed=1)[3]['inputs']['search'])


@pytest.mark.parametrize('second, combinations', [(0.0, 2), (0.5, 8)])
def test_the_joint_draw_is_shared_and_the_second_mirror_is_not(
    data: Path, second: float, combinations: int
) -> None:
    config = Config.fromfile(FOLDER / 'stark_trident.py').train_dataloader.dataset
    config.sources = [dict(type='mmgtrack.SequenceFolder', root=str(data / 'sequences/train'))]
    config.sampler.min_length = 8
    for pipeline in config.pipelines.values():
        pipeline[1].transforms[0].prob = 0.5
        pipeline[4].prob = second
    built = DATASETS.build(config)
    greys, flips = Counter(), Counter()
    for n in range(100):
        sample = built[n]
        grey = {bool((image == image[:1]).all()) for image in sample['inputs'].values()}
        assert len(grey) == 1
        greys[grey.pop()] += 1
        flips[tuple(sample['data_samples'].flip.values())] += 1
    assert greys[True] == pytest.approx(50, abs=15)
    assert len(flips) == combinations
    assert all(count / 100 == pytest.approx(1 / combinations, abs=0.15) for count in flips.values())


class GiveUp:
    """A transform that gives samples up: all, or about half of them."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        return None if np.random.random() < self.share else results


@pytest.mark.parametrize('role', ['template', 'search'])
def test_a_sample_that_is_given_up_is_drawn_anew(data: Path, role: str) -> None:
    built, plain = dataset('stark_causal_got10k.py'), dataset('stark_causal_got10k.py')
    built.pipelines[role].transforms.append(GiveUp(0.5))
    sources = [[d[n]['data_samples'].source for n in range(12)] for d in (built, plain)]
    same = [one == two for one, two in zip(*sources, strict=True)]
    assert any(same) and not all(same)
    built.pipelines[role].transforms.append(GiveUp(1.0))
    with pytest.raises(DataError, match=r'sample 0 in 100 draws from .*: 100x image given up by GiveUp'):
        built[0]


def test_masks_move_with_their_sample(clip_config: Callable[..., dict[str, Any]]) -> None:
    sample = ClipSample()
    sample.masks = {'template': torch.zeros(2, 3, dtype=torch.bool)}
    moved = sample.to('meta')
    assert moved.masks['template'].is_meta and not sample.masks['template'].is_meta
    assert list(moved.masks) == ['template'] and 'instances' not in moved
    plain = DATASETS.build(clip_config())[0]['data_samples']
    assert not hasattr(plain, 'masks') and not hasattr(plain.to('cpu'), 'masks')

"""mmtrack 1.0.0rc1 beside today's mmdet: its data and metrics with our trackers, by mmengine's Runner.

Skipped where mmtrack is not installed; .ci/environments.sh runs these tests where it is.
"""

import json
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import mmcv
import mmdet
import mmdet.models.layers
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, DATASETS, METRICS, MODELS, TRANSFORMS
from mmengine.runner import Runner

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.datasets.sequence import read_frame
from mmgtrack.errors import InputError, MissingDependencyError
from mmgtrack.structures import ClipSample
from tests.compat.lasot_tree import INDEX, write_lasot
from tests.trackers import CONFIGS, SMALL, SMALL_STARK

if find_spec('mmtrack') is None:
    pytest.skip('mmtrack is not installed in this environment', allow_module_level=True)
bridge = import_module('mmgtrack.compat.mmtrack')

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs' / 'mim_and_mmtrack.md'
LOAD = [dict(type='LoadImageFromFile'), dict(type='mmtrack.LoadTrackAnnotations', with_instance_id=False)]


@pytest.fixture(scope='module')
def lasot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lasot(tmp_path_factory.mktemp('lasot'))


def data_set(root: Path, **options: Any) -> dict[str, Any]:
    prefix = dict(img_path='.')
    return dict(
        type='mmtrack.LaSOTDataset', data_root=str(root), ann_file=INDEX, data_prefix=prefix, **options
    )


def test_what_was_lent_is_given_back() -> None:
    assert (mmcv.__version__, mmdet.__version__) == ('2.3.6', '3.5.1')
    assert not hasattr(mmdet.models.layers, 'Transformer')
    for package in set(bridge.install()) - {'mmdet.models.layers.Transformer'}:
        assert find_spec(package) is None


def test_a_second_call_changes_nothing() -> None:
    before = dict(sys.modules)
    assert bridge.install() == bridge.install()
    assert dict(sys.modules) == before


PARTS = [
    (DATASETS, 'BaseSOTDataset LaSOTDataset GOT10kDataset TrackingNetDataset OTB100Dataset UAV123Dataset'),
    (DATASETS, 'VOTDataset SOTCocoDataset SOTImageNetVIDDataset RandomSampleConcatDataset'),
    (DATA_SAMPLERS, 'QuotaSampler VideoSampler EntireVideoBatchSampler'),
    (TRANSFORMS, 'PairSampling TridentSampling DiMPSampling CropLikeSiamFC SeqCropLikeStark CropLikeDiMP'),
    (TRANSFORMS, 'SeqBboxJitter BrightnessAug GrayAug SeqShiftScaleAug SeqColorAug SeqBlurAug'),
    (TRANSFORMS, 'PackTrackInputs LoadTrackAnnotations CheckPadMaskValidity'),
    (METRICS, 'SOTMetric'),
    (MODELS, 'SOTResNet TrackDataPreprocessor'),
]


@pytest.mark.parametrize(('registry', 'names'), PARTS)
def test_parts_are_found_by_name(registry: Any, names: str) -> None:
    for name in names.split():
        assert registry.get(f'mmtrack.{name}').__module__.startswith('mmtrack.'), name


def test_what_needs_a_missing_package_says_so() -> None:
    if 'mmcls' not in bridge.install():
        pytest.fail('mmcls is installed here: this test needs an environment without it')
    with pytest.raises(
        MissingDependencyError, match=r'mmcls\.models\.classifiers\.ImageClassifier is needed'
    ):
        MODELS.build(dict(type='mmtrack.BaseReID'))


def test_pairs_of_mmtrack_become_clip_samples(lasot: Path) -> None:
    pipeline = [
        dict(type='mmtrack.PairSampling', frame_range=100, pos_prob=0.5),
        dict(type='TransformBroadcaster', transforms=[*LOAD, dict(type='mmdet.RandomFlip', prob=0.5)]),
        dict(type='mmgtrack.PackClipInputs', roles=('query', 'search')),
    ]
    data = DATASETS.build(data_set(lasot, pipeline=pipeline))
    samples: list[ClipSample] = [data[n % len(data)]['data_samples'] for n in range(60)]
    for sample in samples:
        films = {role: Path(path).parts[-3] for role, path in sample.source.items()}
        assert sample.negative == (films['query'] != films['search'])
        assert len(sample.instances['query']) == 1
        assert len(sample.instances['search']) == (0 if sample.negative else 1)
    # half are drawn as negatives, of which a third has the same video twice; 5 standard deviations
    assert sum(sample.negative for sample in samples) / 60 == pytest.approx(1 / 3, abs=0.3)
    assert {sample.flip['search'] for sample in samples} == {False, True}
    truth = np.loadtxt(lasot / 'cup' / 'cup-1' / 'groundtruth.txt', delimiter=',')
    for sample in samples:
        if 'cup-1' in sample.source['query']:
            x, y, w, h = truth[int(Path(sample.source['query']).stem) - 1]
            left = 96 - x - w if sample.flip['query'] else x
            expected = [[left, y, left + w, y + h]]
            np.testing.assert_allclose(sample.instances['query'].bboxes, expected, atol=1e-4)


LAYOUTS = [  # mmtrack's class, image files, file of boxes, its rows, whether boxes are corners
    ('LaSOTDataset', 'cup/cup-1/img/{:08d}.jpg', 'cup/cup-1/groundtruth.txt', '3,4,20,10'),
    (
        'GOT10kDataset',
        'val/GOT-10k_Val_000001/{:08d}.jpg',
        'val/GOT-10k_Val_000001/groundtruth.txt',
        '3,4,20,10',
    ),
    ('TrackingNetDataset', 'TEST/frames/a/{:d}.jpg', 'TEST/anno/a.txt', '3,4,20,10'),
    ('OTB100Dataset', 'data/Boy/img/{:04d}.jpg', 'data/Boy/groundtruth_rect.txt', '3\t4\t20\t10'),
    ('UAV123Dataset', 'data_seq/UAV123/bike1/{:06d}.jpg', 'anno/UAV123/bike1.txt', '3,4,20,10'),
    ('VOTDataset', 'data/ants1/color/{:08d}.jpg', 'data/ants1/groundtruth.txt', '3,4,23,4,23,14,3,14'),
]


@pytest.mark.parametrize(('name', 'image', 'boxes', 'row'), LAYOUTS, ids=[layout[0] for layout in LAYOUTS])
def test_test_sets_of_mmtrack_are_read(name: str, image: str, boxes: str, row: str, tmp_path: Path) -> None:
    picture = (tmp_path / image).parent
    for place in (picture, (tmp_path / boxes).parent):
        place.mkdir(parents=True, exist_ok=True)
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / image.format(number)), np.full((60, 80, 3), 9, np.uint8))
    (tmp_path / boxes).write_text(f'{row}\n{row}')
    for flags in ('full_occlusion.txt', 'out_of_view.txt'):  # LaSOT's
        (picture.parent / flags).write_text('0,0')
    (tmp_path / INDEX).write_text(f'a comment\n{picture.relative_to(tmp_path)},{boxes},1,2')
    pipeline = [*LOAD, dict(type='mmtrack.PackTrackInputs', pack_single_img=True)]
    options = data_set(tmp_path, pipeline=pipeline, test_mode=True)
    data = DATASETS.build(dict(options, type=f'mmtrack.{name}'))
    sampler = DATA_SAMPLERS.build(dict(type='mmtrack.VideoSampler', dataset=data))
    first, second = (data[index] for index in sampler)
    assert tuple(first['inputs']['img'].shape) == (1, 3, 60, 80)
    box = first['data_samples'].instances[0]['bbox']
    assert (box[:2].tolist(), box[-4:].tolist()) == (
        [3, 4],
        [3, 4, 23, 14] if len(box) == 4 else [23, 14, 3, 14],
    )
    assert second['data_samples'].frame_id == 1


def test_still_images_and_video_of_imagenet_are_mixed(tmp_path: Path) -> None:
    """The two data sets that come as json files, drawn from by weight."""
    names = [f'{number}.jpg' for number in range(4)]
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.full((60, 80, 3), 9, np.uint8))
    images = [
        dict(id=n, file_name=name, width=80, height=60, video_id=0, frame_id=n)
        for n, name in enumerate(names)
    ]
    boxes = [
        dict(id=n + 1, image_id=n, video_id=0, instance_id=7, category_id=1, bbox=[3, 4, 20, 10], area=200)
        for n in range(4)
    ]
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name='thing')])
    (tmp_path / INDEX).write_text(json.dumps({**content, 'videos': [dict(id=0, name='a')]}))
    pipeline = [
        dict(type='mmtrack.PairSampling', frame_range=2, pos_prob=1.0),
        dict(type='TransformBroadcaster', transforms=LOAD),
        dict(type='mmgtrack.PackClipInputs', roles=('template', 'search')),
    ]
    options = data_set(tmp_path, pipeline=pipeline)
    sources = [dict(options, type=f'mmtrack.{name}') for name in ('SOTCocoDataset', 'SOTImageNetVIDDataset')]
    data = DATASETS.build(
        dict(type='mmtrack.RandomSampleConcatDataset', dataset_sampling_weights=[1, 1], datasets=sources)
    )
    samples = [data[n % len(data)]['data_samples'] for n in range(20)]
    for sample in samples:
        assert sample.instances['search'].bboxes.tolist() == [[3, 4, 23, 14]] and not sample.negative
    assert len({path for sample in samples for path in sample.source.values()}) == len(names)


def text_of_page() -> str:
    (text,) = re.findall(r'```python\n(# lasot_of_mmtrack.*?)```', PAGE.read_text(), re.DOTALL)
    return str(text)


def page_config(folder: Path, lasot: Path, text: str | None = None) -> Config:
    """The config of the page, or that text, on the small tree and with a small model."""
    file = folder / 'lasot_of_mmtrack.py'
    file.write_text(text or text_of_page())
    config = Config.fromfile(file)
    config.merge_from_dict(
        {
            **SMALL,
            'model.backbone.init_cfg': None,
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.sampler.samples_per_epoch': 6,
            'train_dataloader.dataset.pipeline.1.transforms.2.scale': (96, 64),
            'test_dataloader.num_workers': 0,
            'train_cfg.max_epochs': 2,
            'default_hooks.logger.interval': 1,
            'work_dir': str(folder),
            'experiment_name': folder.name,
        }
    )
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.update(data_root=str(lasot), ann_file=INDEX)
    return config


@pytest.fixture(scope='module')
def runner(lasot: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """mmengine's Runner after two epochs on pairs of mmtrack's LaSOT."""
    runner = Runner.from_cfg(page_config(tmp_path_factory.mktemp('run'), lasot))
    runner.train()
    return runner


def test_our_model_trains_on_data_of_mmtrack(runner: Runner) -> None:
    assert runner.iter == 6
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 6 and np.isfinite(losses).all()
    first, second = (load_checkpoint_file(Path(runner.work_dir) / f'epoch_{n}.pth') for n in (1, 2))
    before, after = first['state_dict'], second['state_dict']
    for name in (
        'rpn_head.rpn_cls.weight',
        'roi_head.bbox_head.fc_reg.weight',
        'neck.fpn_convs.0.conv.weight',
    ):
        assert not torch.equal(before[name], after[name]), name


def test_our_parts_in_a_config_in_the_scope_of_mmtrack(lasot: Path, tmp_path: Path) -> None:
    """Its own names bare, as its configs have them, ours with their prefix."""
    text = text_of_page().replace("'mmtrack.", "'") + "default_scope = 'mmtrack'\n"
    assert "type='LaSOTDataset'" in text and "type='mmgtrack.PackClipInputs'" in text
    config = page_config(tmp_path, lasot, text)
    config.train_cfg.max_epochs = 1
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 3
    assert type(runner.train_dataloader.dataset).__module__.startswith('mmtrack.')
    assert 0 < runner.test()['sot/success'] < 100


def test_the_programs_of_the_page(lasot: Path, tmp_path: Path) -> None:
    page = PAGE.read_text().replace('epoch_10', 'epoch_2')
    page_config(tmp_path, lasot).dump(tmp_path / 'lasot_of_mmtrack.py')
    (words,) = re.findall(r'^python -m mmgtrack train (lasot_of_mmtrack.*)$', page, re.MULTILINE)
    (program,) = re.findall(r'```python\n(# judge\.py.*?)```', page, re.DOTALL)
    for command in ([str(ROOT / 'tools' / 'train.py'), *words.split()], ['-c', program]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert 'mmtrack 1.0.0rc1 beside mmdet 3.5.1; stood in for: ' in done.stdout
    assert re.search(r"'sot/success': np.float\w+\(\d|'sot/success': \d", done.stdout.splitlines()[-1])


def test_the_metric_of_mmtrack_judges_our_tracker(runner: Runner, lasot: Path) -> None:
    from mmtrack.evaluation.functional import eval_sot_ope

    metrics = runner.test()
    tracks, truths = [], []
    for number in (1, 2, 3):
        folder = lasot / 'cup' / f'cup-{number}'
        truth = np.loadtxt(folder / 'groundtruth.txt', delimiter=',', dtype=np.float32)
        truth[:, 2:] += truth[:, :2]
        paths = [str(path) for path in sorted((folder / 'img').iterdir())]
        first, *others = (read_frame(path) for path in paths)
        state = runner.model.eval().encode(first, truth[:1])
        boxes = runner.model.track(others, state)[0].boxes[:, 0]
        tracks.append([*truth[:1], *boxes.numpy()])
        truths.append(truth)
    expected = eval_sot_ope(tracks, truths)
    assert metrics['sot/success'] == pytest.approx(expected['success'], abs=1e-4)
    assert metrics['sot/precision'] == pytest.approx(expected['precision'], abs=1e-4)
    assert 0 < metrics['sot/success'] < 100


def test_the_loop_wants_whole_videos_frame_by_frame(runner: Runner) -> None:
    batch = next(iter(runner.test_loop.dataloader))
    loop = type(runner.test_loop)(runner, runner.test_loop.dataloader, runner.test_loop.evaluator)
    double = dict(inputs=dict(img=batch['inputs']['img'] * 2), data_samples=batch['data_samples'] * 2)
    with pytest.raises(InputError, match='one frame at a time, got 2'):
        loop.run_iter(0, double)
    late = batch['data_samples'][0].clone()
    late.set_metainfo(dict(frame_id=7))
    with pytest.raises(InputError, match='the first frame given is number 7'):
        loop.run_iter(0, dict(inputs=batch['inputs'], data_samples=[late]))


def test_stark_trains_on_crops_of_mmtrack(lasot: Path, tmp_path: Path) -> None:
    """Its own sampling and crops, with the masks of their padding."""
    config = Config.fromfile(CONFIGS / 'stark_st50_stage1.py')
    factors, sizes = [2, 2, 5], [48, 48, 112]
    pipeline = [
        dict(type='mmtrack.TridentSampling', num_template_frames=2, max_frame_range=[200], min_num_frames=8),
        dict(
            type='TransformBroadcaster',
            share_random_params=True,
            transforms=[*LOAD, dict(type='mmtrack.GrayAug', prob=0.05)],
        ),
        dict(
            type='mmtrack.SeqBboxJitter',
            center_jitter_factor=[0, 0, 4.5],
            scale_jitter_factor=[0, 0, 0.5],
            crop_size_factor=factors,
        ),
        dict(type='mmtrack.SeqCropLikeStark', crop_size_factor=factors, output_size=sizes),
        dict(type='mmtrack.CheckPadMaskValidity', stride=16),
        dict(type='mmgtrack.PackClipInputs', roles=('template', 'dynamic_template', 'search')),
    ]
    small = {key: value for key, value in SMALL_STARK.items() if 'score_head' not in key}
    config.merge_from_dict({**small, 'model.backbone.init_cfg': None, 'train_cfg.max_epochs': 1})
    config.train_dataloader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='mmtrack.QuotaSampler', samples_per_epoch=4),
        collate_fn=dict(type='pseudo_collate'),
        dataset=data_set(lasot, pipeline=pipeline),
    )
    config.custom_imports = None
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.work_dir, config.experiment_name = str(tmp_path), str(tmp_path)
    config.load_from = None
    sample = DATASETS.build(config.train_dataloader.dataset)[0]['data_samples']
    assert {role: tuple(mask.shape) for role, mask in sample.masks.items()} == {
        'template': (48, 48),
        'dynamic_template': (48, 48),
        'search': (112, 112),
    }
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 2
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').data[0]).all()

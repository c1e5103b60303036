"""Every config of this repository parses; GlobalTrack's train, test and track, and say what the next needs.

test_stark_configs.py, test_dmtrack_configs.py, test_point_track_configs.py and test_guided_configs.py have
the same for the others.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config

from mmgtrack.apis.models import build_network
from mmgtrack.datasets import ClipDataset, synthetic_clip
from mmgtrack.engine.launch import build_runner
from mmgtrack.models.global_track import GlobalTrack
from mmgtrack.registry import DATASETS, TRANSFORMS
from tests.trackers import CONFIGS, SMALL, spread_weights

NAMES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if not path.is_relative_to(CONFIGS / '_base_')
)
GLOBAL_TRACK = [name for name in NAMES if Path(name).name.startswith('globaltrack')]
ABLATIONS = {  # what differs from globaltrack_r50.py, apart from where training starts
    'search_conv': {'model.rpn_head.correlation.project_search'},
    'single_query': {'train_dataloader.dataset.sampler.max_instances'},
    'plain_rpn': {'model.rpn_head.correlation.type'},
    'plain_rcnn': {'model.roi_head.modulator.type'},
}
SMALL_R50: dict[str, Any] = {  # an eighth of its width
    'model.data_preprocessor.resize': (96, 64),
    'model.backbone.base_channels': 8,
    'model.backbone.stem_channels': 8,
    'model.neck.in_channels': [32, 64, 128, 256],
    **{key: value for key, value in SMALL.items() if value in (16, 32)},
    'model.train_cfg.rpn_proposal.max_per_img': 50,
    'model.train_cfg.rcnn.sampler.num': 16,
    'model.test_cfg.rpn.max_per_img': 16,
}
FRAMES = {  # which frames of a video serve (official code)
    'frame_filter.min_area': 20,
    'frame_filter.sides': (10, 960),
    'frame_filter.shares': (0.01, 0.75),
    'frame_filter.aspect': (0.2, 5),
    'frame_filter.min_cover': (1, 0.3),
}
INTERPOLATIONS = ('bilinear', 'bicubic', 'area', 'nearest', 'lanczos')  # the authors' linear, cubic, ...
PIPELINE = {  # `extra_partial` of the official code
    '0.type': 'mmgtrack.LoadFrame',
    '1.type': 'mmdet.PhotoMetricDistortion',
    '1.swap_channels': False,
    '2.type': 'mmgtrack.SharedDraw',
    '2.transforms.0.type': 'mmgtrack.RandomChannelOrder',
    '2.transforms.0.prob': 0.5,
    '3.type': 'RandomChoice',
    **{f'3.transforms.{n}.0.type': 'mmdet.Resize' for n in range(5)},
    **{f'3.transforms.{n}.0.scale': (1333, 800) for n in range(5)},
    **{f'3.transforms.{n}.0.keep_ratio': True for n in range(5)},
    **{f'3.transforms.{n}.0.interpolation': name for n, name in enumerate(INTERPOLATIONS)},
    '4.type': 'mmdet.RandomFlip',
    '4.prob': 0.5,
}
COLOURS = {  # the same code; what is left out of the config has these values in mmdet
    'brightness_delta': 32,
    'contrast_lower': 0.5,
    'contrast_upper': 1.5,
    'saturation_lower': 0.5,
    'saturation_upper': 1.5,
    'hue_delta': 18,
}
PAPER = {  # Huang et al., AAAI 2020, Implementation Details, and the official code
    'model.data_preprocessor.resize': (1333, 800),
    'model.roi_head.bbox_roi_extractor.roi_layer.output_size': 7,
    'model.roi_head.bbox_roi_extractor.roi_layer.sampling_ratio': 2,
    'model.rpn_head.loss_bbox.beta': 1 / 9,
    'model.roi_head.loss_bbox.beta': 1.0,
    'model.train_cfg.rpn.allowed_border': 0,
    'model.train_cfg.rpn.sampler.num': 256,
    'model.train_cfg.rpn_proposal.max_per_img': 2000,
    'model.train_cfg.rcnn.sampler.num': 512,
    'model.test_cfg.rpn.max_per_img': 1000,
    'model.test_cfg.rpn.min_bbox_size': -1,
    'model.test_cfg.rpn.nms.iou_threshold': 0.7,
    'model.test_cfg.rcnn.score_thr': 0.0,
    'model.test_cfg.rcnn.max_per_img': 1000,
    'model.test_cfg.rcnn.nms.iou_threshold': 0.5,
    'train_dataloader.batch_size': 1,
    'train_dataloader.dataset.num_samples': 30000,
    'train_dataloader.dataset.sampler.type': 'mmgtrack.UniformClipSampler',
    'train_dataloader.dataset.sampler.max_gap': 300,
    'train_dataloader.dataset.sampler.max_instances': 8,
    'train_dataloader.dataset.sources.0.type': 'mmgtrack.CocoImages',
    'train_dataloader.dataset.sources.0.min_image_side': 32,
    'train_dataloader.dataset.sources.0.min_side': 1,
    'train_dataloader.dataset.sources.0.weight': 0.4,
    'train_dataloader.dataset.sources.1.type': 'mmgtrack.GOT10k',
    'train_dataloader.dataset.sources.1.weight': 0.4,
    **{f'train_dataloader.dataset.sources.1.{key}': value for key, value in FRAMES.items()},
    'train_dataloader.dataset.sources.2.type': 'mmgtrack.LaSOT',
    'train_dataloader.dataset.sources.2.use_absence': False,
    'train_dataloader.dataset.sources.2.weight': 0.2,
    **{f'train_dataloader.dataset.sources.2.{key}': value for key, value in FRAMES.items()},
    'train_cfg.max_epochs': 12,
    'optim_wrapper.optimizer.type': 'SGD',
    'optim_wrapper.optimizer.lr': 0.005,
    'optim_wrapper.optimizer.momentum': 0.9,
    'optim_wrapper.optimizer.weight_decay': 1e-4,
    'optim_wrapper.clip_grad.max_norm': 35,
    'auto_scale_lr.base_batch_size': 4,
    'param_scheduler.0.start_factor': 1 / 3,
    'param_scheduler.0.end': 501,
    'param_scheduler.1.milestones': [8, 11],
    'param_scheduler.1.gamma': 0.1,
}

every_config = pytest.mark.parametrize('name', NAMES)


@cache
def shipped(name: str) -> Config:
    """A config as it is; not to be changed. Its data roots are whatever the environment said first."""
    return Config.fromfile(CONFIGS / name)


def rows(settings: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Every value of nested dicts and lists of them, by its dotted key."""
    for key, value in enumerate(settings) if isinstance(settings, list) else settings.items():
        if isinstance(value, dict) or (isinstance(value, list) and any(map(is_nested, value))):
            yield from rows(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


def is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list))


def resized(steps: Any) -> Any:
    """Training transforms that resize to the size of SMALL."""
    if isinstance(steps, dict):
        return {k: (96, 64) if k == 'scale' else resized(v) for k, v in steps.items()}
    return [resized(step) for step in steps] if isinstance(steps, list) else steps


def small_options(name: str) -> dict[str, Any]:
    """The config made small: two iterations, little pictures, narrow layers; otherwise as shipped."""
    loader = shipped(name).train_dataloader
    batch = min(loader.batch_size, 2)
    return {
        **(SMALL_R50 if 'r50' in name else SMALL),
        'model.backbone.init_cfg': None,
        'train_dataloader.batch_size': batch,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.num_samples': 2 * batch,
        'train_dataloader.dataset.pipelines': resized(loader.dataset.pipelines),
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'load_from': None,
    }


@pytest.mark.parametrize('name', GLOBAL_TRACK)
def test_it_trains_tests_and_tracks(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # laying out a config for the logs takes seconds, six times a run
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    options = {**small_options(name), 'experiment_name': str(tmp_path)}
    runner = build_runner(CONFIGS / name, work_dir=str(tmp_path), options=options)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert runner.iter == 2 and len(losses) == 2 and np.isfinite(losses).all()
    assert 0 <= runner.test()['success/auc'] <= 1
    clip = synthetic_clip(num_frames=3, size=(64, 96), num_targets=2, seed=3)
    tracker = runner.model.eval()
    tracks, _ = tracker.track(clip.frames[1:], tracker.encode(clip.frames[0], clip.boxes[0]))
    assert tracks.boxes.shape == (2, 2, 4) and tracks.boxes.isfinite().all()


def test_every_config_is_tried_by_some_test() -> None:
    """A new tracker's configs need a test like the one above."""
    systems = {'dmtrack', 'globaltrack', 'guided', 'point', 'stark'}
    assert {Path(name).name.split('_')[0] for name in NAMES} == systems


@every_config
def test_nothing_of_a_detectors_own_run_is_left(name: str) -> None:
    config = shipped(name)
    settings = dict(rows(config))
    assert [key for key in settings if key.endswith('_delete_')] == []
    assert '_base_.' not in str(settings)
    assert config.custom_imports.imports == ['mmgtrack']
    # names that would look as if setting them changed anything
    in_vain = {'dataset_type', 'train_pipeline', 'test_pipeline', 'sequence_dataloader', 'coco'}
    assert not in_vain & set(config)
    assert [key for key in config if key.startswith(('clip_', 'globaltrack_'))] == []
    assert config.train_dataloader.dataset.type == 'mmgtrack.ClipDataset'
    assert config.test_cfg.type == 'mmgtrack.SequenceTestLoop'
    assert config.test_evaluator == {'type': 'mmgtrack.SuccessMetric'}
    assert config.custom_hooks[0] == {'type': 'mmgtrack.SeedHook', 'seed': 0}
    assert config.randomness == {'seed': 0}


def test_the_numbers_are_the_papers() -> None:
    settings = dict(rows(shipped('globaltrack_r50.py')))
    assert {key: settings[key] for key in PAPER} == PAPER
    assert len(shipped('globaltrack_r50.py').train_dataloader.dataset.sources) == 3


@pytest.mark.parametrize('role', ['query', 'search'])
@pytest.mark.parametrize('stage', ['', '_stage1'])
def test_the_augmentation_is_the_official_one(stage: str, role: str) -> None:
    pipeline = shipped(f'globaltrack_r50{stage}.py').train_dataloader.dataset.pipelines[role]
    assert dict(rows(pipeline)) == PIPELINE
    photometric = TRANSFORMS.build(pipeline[1])
    assert {key: getattr(photometric, key) for key in COLOURS} == COLOURS


def test_sources_of_ones_own_take_the_place_of_the_shipped(tmp_path: Path) -> None:
    lines = [
        "_base_ = 'mmgtrack::globaltrack_r50.py'",
        "source = dict(type='mmgtrack.SequenceFolder', root='data/sequences/train')",
        'train_dataloader = dict(dataset=dict(sources=[source]))',
    ]
    (tmp_path / 'my_run.py').write_text('\n'.join(lines))
    dataset = Config.fromfile(tmp_path / 'my_run.py').train_dataloader.dataset
    assert dataset.sources == [{'type': 'mmgtrack.SequenceFolder', 'root': 'data/sequences/train'}]
    assert dataset.num_samples == 30000


def test_the_first_stage_sees_coco_alone() -> None:
    stages = [shipped(f'globaltrack_r50{stage}.py') for stage in ('_stage1', '')]
    (source,) = stages[0].train_dataloader.dataset.sources
    assert source == {**stages[1].train_dataloader.dataset.sources[0], 'weight': 1.0}
    assert source.type == 'mmgtrack.CocoImages'
    assert stages[0].model == stages[1].model
    assert stages[0].param_scheduler == stages[1].param_scheduler


@pytest.mark.parametrize('name', [name for name in GLOBAL_TRACK if 'r50' in name and 'stage1' not in name])
def test_the_second_stage_starts_where_the_first_ends(name: str) -> None:
    """The file that it names is the last one that the first stage writes, and holds the same layers."""
    second = shipped(name)
    _, folder, file = Path(second.load_from).parts
    first = shipped(Path(name).with_name(f'{folder}.py').as_posix())
    assert file == f'epoch_{first.train_cfg.max_epochs}.pth'
    assert first.default_hooks.checkpoint.interval == 1
    with torch.device('meta'):
        layers = [build_network(config).state_dict() for config in (first, second)]
    assert [(k, v.shape) for k, v in layers[0].items()] == [(k, v.shape) for k, v in layers[1].items()]


def test_the_first_stage_starts_from_the_authors_detector() -> None:
    folder = Path(mmdet.__file__).parent / '.mim/configs/faster_rcnn'
    models = yaml.safe_load((folder / 'metafile.yml').read_text())['Models']
    (address,) = [m['Weights'] for m in models if m['Name'] == 'faster-rcnn_r50_fpn_2x_coco']
    assert shipped('globaltrack_r50_stage1.py').load_from == address
    assert shipped('globaltrack_r50.py').load_from_fallback == address


def test_the_layers_are_the_official_ones() -> None:
    """374 entries (README of the official code's weights), of which the last layers have other shapes."""
    with torch.device('meta'):
        tracker = build_network(shipped('globaltrack_r50.py'))
    assert len(tracker.state_dict()) == 374
    # the official box head has a row of deltas for the background, 4 times 1024 + 1 numbers
    assert sum(p.numel() for p in tracker.parameters()) == 58_984_793 - 4 * 1025
    trained = sum(p.numel() for p in tracker.parameters() if p.requires_grad)
    assert trained == 58_759_449 - 4 * 1025


@pytest.mark.parametrize('stage', ['', '_stage1'])
@pytest.mark.parametrize('ablation', ABLATIONS)
def test_an_ablation_changes_one_thing(ablation: str, stage: str) -> None:
    base = dict(rows(shipped(f'globaltrack_r50{stage}.py')))
    settings = dict(rows(shipped(f'ablations/globaltrack_r50_{ablation}{stage}.py')))
    different = {key for key in {*base, *settings} if base.get(key) != settings.get(key)}
    assert different == ABLATIONS[ablation] | (set() if stage else {'load_from'})


def test_single_query_shows_one_of_several(data: Path) -> None:
    counts = {}
    for name in ('globaltrack_r50_stage1', 'ablations/globaltrack_r50_single_query_stage1'):
        dataset: ClipDataset = DATASETS.build(
            Config.fromfile(CONFIGS / f'{name}.py').train_dataloader.dataset
        )
        samples = [dataset[n]['data_samples'] for n in range(6)]
        counts[name] = [len(sample.instances['query']) for sample in samples]
    assert max(counts['globaltrack_r50_stage1']) == 3
    assert counts['ablations/globaltrack_r50_single_query_stage1'] == [1] * 6
    assert len({int(sample.instances['query'].ids) for sample in samples}) > 1  # not always the first


def small_tracker(name: str) -> GlobalTrack:
    config = Config.fromfile(CONFIGS / name)
    config.merge_from_dict(SMALL_R50)
    torch.manual_seed(0)
    tracker = build_network(config).eval()
    spread_weights(tracker)
    return tracker


@pytest.mark.parametrize(
    'name, same',
    [('globaltrack_r50.py', False), ('ablations/globaltrack_r50_plain_rpn.py', True)],
    ids=['guided', 'plain'],
)
def test_a_plain_rpn_proposes_the_same_for_every_target(name: str, same: bool) -> None:
    tracker = small_tracker(name)
    clip = synthetic_clip(num_frames=2, size=(64, 96), num_targets=2, seed=3)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    proposals = tracker.proposals(clip.frames[1:], state).boxes
    assert torch.equal(proposals[:, 0], proposals[:, 1]) == same
    scores = tracker.candidates(clip.frames[1:], state).scores
    assert not torch.equal(scores[:, 0], scores[:, 1])  # the R-CNN tells the targets apart
    assert (state.rpn_kernels.numel() == 0) == same


@pytest.mark.parametrize(
    'name, same',
    [('globaltrack_r50.py', False), ('ablations/globaltrack_r50_plain_rcnn.py', True)],
    ids=['guided', 'plain'],
)
def test_a_plain_rcnn_scores_the_same_for_every_target(name: str, same: bool) -> None:
    tracker = small_tracker(name)
    clip = synthetic_clip(num_frames=1, size=(64, 96), num_targets=2, seed=3)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    features = tracker.extract(
        tracker.data_preprocessor.batch([torch.from_numpy(clip.frames[0]).permute(2, 0, 1)])
    )
    box = torch.tensor([[20.0, 20, 44, 40]] * 2)
    logits, _ = tracker.roi_head.score(features, box, torch.zeros(2, dtype=torch.long), state.roi_kernels)
    assert torch.allclose(logits[0], logits[1], rtol=0, atol=1e-6) == same
    assert (state.roi_kernels.numel() == 0) == same

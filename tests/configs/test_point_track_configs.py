"""Every PointTrack config: its numbers; it trains, tests and tracks, on the fast path too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn

from mmgtrack.apis.models import build_network
from mmgtrack.datasets import synthetic_clip
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.options import merge_options
from mmgtrack.models.fast_path import speed_up
from mmgtrack.models.point_track import PointTrack
from mmgtrack.registry import DATASETS
from tests.configs.test_configs import CONFIGS, FRAMES, NAMES, resized, rows, shipped

POINT_TRACK = [name for name in NAMES if Path(name).name.startswith('point_track')]
MAIN = [name for name in POINT_TRACK if '/' not in name]
WIDTHS = {  # what makes a backbone small, and channels of its maps
    'ResNet': (
        {'model.backbone.base_channels': 8, 'model.backbone.stem_channels': 8},
        {256: 32, 512: 64, 1024: 128, 2048: 256},
    ),
    'mmgtrack.TruncatedMobileNetV2': (
        {'model.backbone.widen_factor': 0.25},
        {24: 8, 32: 8, 96: 24, 160: 40},
    ),
}
EVERY_SIZE = {  # a target of any size from 4 pixels to half of the canvas, once for query and search
    **{f'train_dataloader.dataset.pipelines.{role}.1.min_size': 4 for role in ('query', 'search')},
    **{f'train_dataloader.dataset.pipelines.{role}.1.max_share': 0.5 for role in ('query', 'search')},
    **{
        f'train_dataloader.dataset.pipelines.{role}.1.type': 'mmgtrack.RandomTargetSize'
        for role in ('query', 'search')
    },
    'train_dataloader.dataset.pipelines.query.1.change': 2.0,
    'train_dataloader.dataset.sampler.type': 'mmgtrack.ClipSampler',
    'train_dataloader.dataset.sampler.max_gap': 300,
    'train_dataloader.dataset.sampler.max_instances': 4,
    'train_dataloader.dataset.sampler.negative_prob': 0.1,
    'train_dataloader.dataset.min_box_side': 1.5,
}
OURS = {  # nothing is published; docs/models/point_track.md has the reasons
    'model.bbox_head.strides': [4, 8, 16, 32],
    'model.bbox_head.loss_point.type': 'mmgtrack.MaxPointLoss',
    'model.bbox_head.loss_point.num_points': 256,
    'model.bbox_head.loss_point.dead_zone': False,
    'model.bbox_head.loss_size.type': 'GIoULoss',
    'model.bbox_head.loss_size.loss_weight': 0.25,
    'model.neck.correlation.init_cfg.type': 'Xavier',
    'model.neck.num_levels': 4,
    'model.roi_extractor.featmap_strides': [4, 8, 16, 32],
    'model.roi_extractor.roi_layer.output_size': 7,
    'model.roi_extractor.finest_scale': 28,
    'model.test_cfg.nms.iou_threshold': 0.5,
    **EVERY_SIZE,
}
LARGE = {
    'model.data_preprocessor.resize': (1333, 800),
    'model.backbone.depth': 50,
    'model.backbone.frozen_stages': 1,
    'model.backbone.norm_eval': True,
    'model.neck.neck.in_channels': [256, 512, 1024, 2048],
    'model.neck.neck.out_channels': 256,
    'model.neck.share_levels': True,
    'model.bbox_head.norm_cfg.type': 'GN',
    'train_dataloader.batch_size': 1,
    'train_dataloader.dataset.num_samples': 30000,
    'train_dataloader.dataset.pipelines.query.1.scale': (1333, 800),
    'train_dataloader.dataset.pipelines.search.1.scale': (1333, 800),
    'train_dataloader.dataset.sources.0.type': 'mmgtrack.CocoImages',
    'train_dataloader.dataset.sources.0.min_side': 6,
    'train_dataloader.dataset.sources.0.max_share': 0.8,
    'train_dataloader.dataset.sources.0.weight': 0.4,
    'train_dataloader.dataset.sources.1.type': 'mmgtrack.GOT10k',
    'train_dataloader.dataset.sources.1.weight': 0.4,
    **{f'train_dataloader.dataset.sources.1.{key}': value for key, value in FRAMES.items()},
    'train_dataloader.dataset.sources.2.type': 'mmgtrack.LaSOT',
    'train_dataloader.dataset.sources.2.weight': 0.2,
    **{f'train_dataloader.dataset.sources.2.{key}': value for key, value in FRAMES.items()},
    'train_cfg.max_epochs': 24,
    'optim_wrapper.optimizer.type': 'SGD',
    'optim_wrapper.optimizer.lr': 0.005,
    'optim_wrapper.optimizer.momentum': 0.9,
    'optim_wrapper.optimizer.weight_decay': 1e-4,
    'optim_wrapper.clip_grad.max_norm': 35,
    'auto_scale_lr.base_batch_size': 4,
    'param_scheduler.0.end': 501,
    'param_scheduler.1.milestones': [16, 22],
}
LIGHT = {
    'model.data_preprocessor.resize': (640, 480),
    'model.backbone.frozen_stages': 3,
    'model.neck.neck.in_channels': [24, 32, 96, 160],
    'model.neck.neck.out_channels': 64,
    'model.bbox_head.depthwise': True,
    'train_dataloader.batch_size': 8,
}


def small_options(name: str) -> dict[str, Any]:
    """The model with narrow layers, on small frames, otherwise as shipped."""
    model = shipped(name).model
    options, channels = WIDTHS[model.backbone.type]
    options = {
        **options,
        'model.backbone.init_cfg': None,
        'model.data_preprocessor.resize': (96, 64),
        'model.neck.neck.in_channels': [channels[each] for each in model.neck.neck.in_channels],
        'model.neck.neck.out_channels': 16,
        'model.roi_extractor.out_channels': 16,
        'model.bbox_head.in_channels': 16,
        'model.bbox_head.feat_channels': 16,
    }
    if model.bbox_head.get('norm_cfg', {}).get('type') == 'GN':
        options['model.bbox_head.norm_cfg.num_groups'] = 4
    return options


def short_run(name: str) -> dict[str, Any]:
    """Two iterations with small pictures."""
    loader = shipped(name).train_dataloader
    batch = min(loader.batch_size, 2)
    return {
        'train_dataloader.batch_size': batch,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.num_samples': 2 * batch,
        'train_dataloader.dataset.pipelines': resized(loader.dataset.pipelines),
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'load_from': None,
    }


@pytest.mark.parametrize('name', MAIN)
def test_it_trains_tests_and_tracks(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # laying out a config for the logs takes seconds, six times a run
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    options = {**small_options(name), **short_run(name), 'experiment_name': str(tmp_path)}
    runner = build_runner(CONFIGS / name, work_dir=str(tmp_path), options=options)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert runner.iter == 2 and len(losses) == 2 and np.isfinite(losses).all()
    check_what_learns(runner.model, next(iter(runner.train_dataloader)))
    assert 0 <= runner.test()['success/auc'] <= 1
    check_tracks(runner.model.eval())


@pytest.mark.parametrize('name', [name for name in POINT_TRACK if '/' in name])
def test_an_ablation_learns_and_tracks(name: str, data: Path) -> None:
    config = Config.fromfile(CONFIGS / name)
    merge_options(config, {**small_options(name), **short_run(name)})
    torch.manual_seed(0)
    model = build_network(config)
    model.init_weights()
    dataset = DATASETS.build(config.train_dataloader.dataset)
    check_what_learns(model, pseudo_collate([dataset[0], dataset[1]]))
    check_tracks(model.eval())


def check_what_learns(model: PointTrack, batch: dict[str, Any]) -> None:
    """A step reaches every parameter that learns: processes beside each other wait for all of them."""
    model.train()
    total, _ = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode='loss'))
    model.zero_grad()
    total.backward()
    assert total.isfinite()
    learns = {key: value for key, value in model.named_parameters() if value.requires_grad}
    assert [key for key, value in learns.items() if value.grad is None] == []
    all_frozen = max(model.backbone.out_indices) < model.backbone.frozen_stages  # of a pyramid to stride 8
    expected = {'neck', 'bbox_head'} | (set() if all_frozen else {'backbone'})
    assert {key.partition('.')[0] for key in learns} == expected


def check_tracks(model: PointTrack) -> None:
    clip = synthetic_clip(num_frames=3, size=(64, 96), num_targets=2, seed=3)
    state = model.encode(clip.frames[0], clip.boxes[0])
    tracks, _ = model.track(list(clip.frames[1:]), state)
    assert tracks.boxes.shape == (2, 2, 4) and tracks.boxes.isfinite().all()
    assert model.points(list(clip.frames[1:]), state).valid[:, :, 0].all()


@pytest.mark.parametrize('name', MAIN)
def test_the_fast_path_does_not_matter(name: str) -> None:
    config = Config.fromfile(CONFIGS / name)
    config.merge_from_dict(small_options(name))
    torch.manual_seed(0)
    tracker = build_network(config)
    tracker.init_weights()
    for key, parameter in tracker.named_parameters():  # so that candidates differ
        if parameter.ndim > 1 and ('head' in key or 'neck' in key):
            gain = 0.2 if 'kernel_conv' in key else 1
            nn.init.normal_(parameter, std=gain * parameter[0].numel() ** -0.5)
    tracker.double().eval()
    clip = synthetic_clip(num_frames=4, size=(64, 96), num_targets=2, seed=3)
    frames, start = list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0])
    plain = tracker.candidates(frames, start)
    assert plain.boxes.isfinite().all() and len(plain.scores.unique()) > 20
    speed_up(tracker)
    fast = tracker.candidates(frames, tracker.encode(clip.frames[0], clip.boxes[0]))
    assert torch.equal(fast.valid, plain.valid)
    torch.testing.assert_close(fast.scores, plain.scores, rtol=0, atol=1e-9)
    torch.testing.assert_close(fast.boxes, plain.boxes, rtol=0, atol=1e-6)


@pytest.mark.parametrize('name, own', [('r50', LARGE), ('mobilenetv2_lite', LIGHT)])
def test_the_numbers_are_those_of_the_page(name: str, own: dict[str, Any]) -> None:
    settings = dict(rows(shipped(f'point_track_{name}.py')))
    expected = OURS | own
    assert {key: settings[key] for key in expected} == expected


@pytest.mark.parametrize('name, count', [('r50', 34_898_516), ('mobilenetv2_lite', 1_761_620)])
def test_the_size_is_that_of_the_page(name: str, count: int) -> None:
    tracker = build_network(Config.fromfile(CONFIGS / f'point_track_{name}.py'))
    assert sum(parameter.numel() for parameter in tracker.parameters()) == count


def test_the_large_one_sees_what_globaltrack_sees() -> None:
    """Its sources, but for still images in which the target is tiny or fills everything."""
    large, other = (
        shipped(f'{name}_r50.py').train_dataloader.dataset.sources for name in ('point_track', 'globaltrack')
    )
    assert len(large) == 3 and large[1:] == other[1:]
    assert large[0] == {**other[0], 'min_side': 6, 'max_share': 0.8}


@pytest.mark.parametrize('name, size', [('r50', (1333, 800)), ('mobilenetv2_lite', (384, 288))])
def test_margins_show_other_clips(name: str, size: tuple[int, int], data: Path) -> None:
    """What a small target lies on comes from the sampler; every image fits the canvas."""
    config = Config.fromfile(CONFIGS / f'point_track_{name}.py')
    config.train_dataloader.dataset.num_samples = 2
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert dataset.sampler.other_clips
    for n in range(2):
        sample = dataset[n]
        for image in sample['inputs'].values():
            assert max(image.shape[1:]) <= size[0] and min(image.shape[1:]) <= size[1]

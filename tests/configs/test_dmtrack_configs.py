"""Every DMTrack config: its numbers; it trains, tests and tracks, on the fast path too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmgtrack.apis.models import build_network
from mmgtrack.datasets import synthetic_clip
from mmgtrack.engine.launch import build_runner
from mmgtrack.models.dm_track import DMTrack
from mmgtrack.models.fast_path import speed_up
from tests.configs.test_configs import CONFIGS, FRAMES, INTERPOLATIONS, NAMES, resized, rows, shipped
from tests.convert.dmtrack_official import official_shapes

DMTRACK = [name for name in NAMES if Path(name).name.startswith('dmtrack')]
BACKBONES: dict[str, tuple[dict[str, Any], list[int]]] = {  # what makes it small, and channels of its maps
    'mmgtrack.DLAUpNet': (
        {
            'model.backbone.base.channels': (4, 4, 8, 8, 16, 24),
            'model.backbone.in_channels': [8, 16, 24],
        },
        [8, 16, 24],
    ),
    'ResNet': ({'model.backbone.base_channels': 8, 'model.backbone.stem_channels': 8}, [64, 128, 256]),
    'mmgtrack.TruncatedMobileNetV2': ({'model.backbone.widen_factor': 0.25}, [8, 24]),
}
PIPELINE = {  # `extra_full` of the official code
    '0.type': 'mmgtrack.LoadFrame',
    '1.type': 'mmdet.PhotoMetricDistortion',
    '2.type': 'mmgtrack.SharedDraw',
    '2.transforms.0.type': 'mmgtrack.RandomChannelOrder',
    '2.transforms.0.prob': 0.5,
    '3.type': 'mmdet.Expand',
    '3.mean': (123.675, 116.28, 103.53),
    '3.to_rgb': True,
    '3.ratio_range': (1, 4),
    '3.prob': 0.5,
    '4.type': 'mmgtrack.FlagLost',
    '4.transforms.0.type': 'mmdet.MinIoURandomCrop',
    '4.transforms.0.min_ious': (0.1, 0.3, 0.5, 0.7, 0.9),
    '4.transforms.0.min_crop_size': 0.3,
    '5.type': 'RandomChoice',
    **{f'5.transforms.{n}.0.type': 'mmdet.Resize' for n in range(5)},
    **{f'5.transforms.{n}.0.scale': (1333, 800) for n in range(5)},
    **{f'5.transforms.{n}.0.keep_ratio': True for n in range(5)},
    **{f'5.transforms.{n}.0.interpolation': name for n, name in enumerate(INTERPOLATIONS)},
    '6.type': 'mmdet.RandomFlip',
    '6.prob': 0.5,
}
PUBLISHED = {  # the official code and its config; docs/models/dmtrack.md names what is ours
    'model.data_preprocessor.resize': (736, 512),
    'model.roi_extractor.roi_layer.output_size': 7,
    'model.roi_extractor.roi_layer.sampling_ratio': 2,
    'model.roi_extractor.finest_scale': 56,
    'model.roi_extractor.featmap_strides': [8, 16, 32],
    'model.neck.in_channels': [128, 256, 512],
    'model.neck.out_channels': 256,
    'model.neck.num_outs': 3,
    'model.bbox_head.stacked_convs': 4,
    'model.bbox_head.strides': [8, 16, 32],
    'model.bbox_head.regress_ranges': ((-1, 64), (64, 128), (128, 1e8)),
    'model.bbox_head.center_sampling': True,
    'model.bbox_head.center_sample_radius': 1.5,
    'model.bbox_head.centerness_on_reg': True,
    'model.bbox_head.norm_cfg.num_groups': 32,
    'model.bbox_head.correlations.0.place': 0,
    'model.bbox_head.correlations.1.place': 4,
    'model.bbox_head.correlations.1.search_channels': 32,
    'model.bbox_head.loss_cls.gamma': 2.0,
    'model.bbox_head.loss_cls.alpha': 0.25,
    'model.bbox_head.loss_bbox.mode': 'log',
    'model.test_cfg.nms_pre': 1000,
    'model.test_cfg.score_thr': 0.0,
    'model.test_cfg.nms.iou_threshold': 0.5,
    'train_dataloader.batch_size': 1,
    'train_dataloader.dataset.num_samples': 30000,
    'train_dataloader.dataset.sampler.type': 'mmgtrack.UniformClipSampler',
    'train_dataloader.dataset.sampler.max_gap': 300,
    'train_dataloader.dataset.sampler.max_instances': 8,
    'train_dataloader.dataset.sources.0.type': 'mmgtrack.CocoImages',
    'train_dataloader.dataset.sources.0.weight': 0.5,
    'train_dataloader.dataset.sources.1.type': 'mmgtrack.LaSOT',
    'train_dataloader.dataset.sources.1.use_absence': False,
    'train_dataloader.dataset.sources.1.weight': 0.5,
    **{f'train_dataloader.dataset.sources.1.{key}': value for key, value in FRAMES.items()},
    'train_cfg.max_epochs': 48,
    'optim_wrapper.optimizer.type': 'SGD',
    'optim_wrapper.optimizer.lr': 0.00025,
    'optim_wrapper.optimizer.momentum': 0.9,
    'optim_wrapper.optimizer.weight_decay': 1e-4,
    'optim_wrapper.paramwise_cfg.bias_lr_mult': 2,
    'optim_wrapper.paramwise_cfg.bias_decay_mult': 0,
    'optim_wrapper.clip_grad.max_norm': 35,
    'auto_scale_lr.base_batch_size': 2,
    'param_scheduler.0.factor': 0.001 / 3,
    'param_scheduler.0.end': 501,
    'param_scheduler.1.milestones': [44, 46],
    'param_scheduler.1.gamma': 0.1,
}
OFFICIAL = {  # what differs from dmtrack_dla34.py, or what it starts with
    'model.inclusive_pixels',
    'model.data_preprocessor.single_scale',
    'model.bbox_head.num_classes',
    'model.bbox_head.target_class',
    'model.re_id_head',
    'model.task_weights',
    'model.test_cfg.max_per_img',
}

every_config = pytest.mark.parametrize('name', DMTRACK)


def small_options(name: str) -> dict[str, Any]:
    """The model with narrow layers, on small frames, otherwise as shipped."""
    model = shipped(name).model
    options, channels = BACKBONES[model.backbone.type]
    neck = 'model.neck.neck' if 'neck' in model.neck else 'model.neck'
    options = {
        **options,
        'model.backbone.init_cfg': None,
        'model.data_preprocessor.resize': (96, 64),
        f'{neck}.in_channels': channels,
        f'{neck}.out_channels': 16,
        'model.roi_extractor.out_channels': 16,
        'model.bbox_head.in_channels': 16,
        'model.bbox_head.feat_channels': 16,
        'model.test_cfg.max_per_img': 10,
    }
    if model.bbox_head.norm_cfg.type == 'GN':
        options['model.bbox_head.norm_cfg.num_groups'] = 4
    if model.get('re_id_head'):
        options |= {'model.re_id_head.in_channels': channels, 'model.re_id_head.channels': 16}
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


@every_config
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


def check_what_learns(model: DMTrack, batch: dict[str, Any]) -> None:
    """A step reaches every parameter that learns: processes beside each other wait for all of them."""
    model.train()
    total, _ = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode='loss'))
    model.zero_grad()
    total.backward()
    learns = {key: value for key, value in model.named_parameters() if value.requires_grad}
    assert [key for key, value in learns.items() if value.grad is None] == []
    parts = {key.partition('.')[0] for key in learns}
    assert {'backbone', 'neck', 'bbox_head'} <= parts
    assert ('re_id_head' in parts) == (model.re_id_head is not None)


@every_config
def test_the_fast_path_does_not_matter(name: str) -> None:
    config = Config.fromfile(CONFIGS / name)
    config.merge_from_dict(small_options(name))
    torch.manual_seed(0)
    tracker = build_network(config)
    tracker.init_weights()
    for key, parameter in tracker.named_parameters():  # so that candidates differ
        if parameter.ndim > 1 and ('head' in key or 'neck' in key or 'conv_offset' in key):
            gain = 0.2 if 'kernel_conv' in key else 1
            nn.init.normal_(parameter, std=gain * parameter[0].numel() ** -0.5)
    tracker.double().eval()
    clip = synthetic_clip(num_frames=4, size=(64, 96), num_targets=2, seed=3)
    frames, start = list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0])
    plain = tracker.candidates(frames, start)
    assert plain.boxes.isfinite().all() and len(plain.scores.unique()) > 20
    assert (plain.embeddings is None) == (tracker.re_id_head is None)
    tracks, _ = tracker.track(frames, start)
    assert tracks.boxes.shape == (3, 2, 4) and tracks.boxes.isfinite().all()
    speed_up(tracker)
    fast = tracker.candidates(frames, tracker.encode(clip.frames[0], clip.boxes[0]))
    assert torch.equal(fast.valid, plain.valid)
    torch.testing.assert_close(fast.scores, plain.scores, rtol=0, atol=1e-9)
    torch.testing.assert_close(fast.boxes, plain.boxes, rtol=0, atol=1e-6)


def test_the_numbers_are_the_published_ones() -> None:
    settings = dict(rows(shipped('dmtrack_dla34.py')))
    assert {key: settings[key] for key in PUBLISHED} == PUBLISHED
    assert len(shipped('dmtrack_dla34.py').train_dataloader.dataset.sources) == 2


@pytest.mark.parametrize('role', ['query', 'search'])
def test_the_augmentation_is_the_official_one(role: str) -> None:
    pipelines = shipped('dmtrack_dla34.py').train_dataloader.dataset.pipelines
    assert dict(rows(pipelines[role])) == PIPELINE


def test_the_identities_are_lasots() -> None:
    config = shipped('dmtrack_dla34.py')
    coco, lasot = config.train_dataloader.dataset.sources
    assert 'identities' not in coco and lasot.identities == 1
    assert config.model.re_id_head.num_identities == 1120  # videos of the benchmark's training_set.txt


CORRELATIONS = {'model.bbox_head.correlations'}


@pytest.mark.parametrize(
    'name, base_name, allowed',
    [
        ('dmtrack_dla34_official', 'dmtrack_dla34', OFFICIAL),
        (
            'dmtrack_r50',
            'dmtrack_dla34',
            {'backbone_channels', 'model.backbone.', 'model.neck.in_', 'model.re_id_head.in_'},
        ),
        ('ablations/dmtrack_r50_depthwise', 'dmtrack_r50', CORRELATIONS | {'factor'}),
        ('ablations/dmtrack_r50_multi_kernel', 'dmtrack_r50', CORRELATIONS | {'relu'}),
        ('ablations/dmtrack_r50_neck', 'dmtrack_r50', CORRELATIONS | {'model.neck'}),
    ],
)
def test_what_a_config_changes(name: str, base_name: str, allowed: set[str]) -> None:
    base, settings = (dict(rows(shipped(f'{each}.py'))) for each in (base_name, name))
    different = {key for key in {*base, *settings} if base.get(key) != settings.get(key)}
    assert {key for key in different if not key.startswith(tuple(allowed))} == set()
    assert {key for key in allowed if not any(other.startswith(key) for other in different)} == set()


@pytest.mark.parametrize('name, numbers', [('', 133_120), ('_depthwise', 576), ('_multi_kernel', 138_240)])
def test_how_many_numbers_a_target_gives_the_head(name: str, numbers: int) -> None:
    """Of both branches, a level: 256 x 256 or 256 in front, 32 x 32 or 32 behind."""
    folder = 'ablations/' if name else ''
    with torch.device('meta'):
        tracker = build_network(shipped(f'{folder}dmtrack_r50{name}.py'))
    assert tracker.bbox_head.num_numbers == numbers


def test_only_the_official_one_does_without_association() -> None:
    without = [name for name in DMTRACK if shipped(name).model.association is None]
    assert without == ['dmtrack_dla34_official.py']


def test_the_layers_are_the_published_ones() -> None:
    """60,920,217 numbers in 392 entries, without the map for re-id and the projections that nothing uses."""
    shapes = {name: torch.Size(shape).numel() for name, shape in official_shapes().items()}
    assert len(shapes) == 392 and sum(shapes.values()) == 60_920_217
    dead = {name for name in shapes if '.ida_up.' in name or '.level3.project.' in name}
    dead |= {name for name in shapes if '.level4.project.' in name}
    with torch.device('meta'):
        tracker = build_network(shipped('dmtrack_dla34_official.py'))
    assert len(tracker.state_dict()) == 392 - len(dead)
    assert sum(value.numel() for value in tracker.state_dict().values()) == sum(
        count for name, count in shapes.items() if name not in dead
    )
    learnt = {
        part: sum(p.numel() for p in tracker.get_submodule(part).parameters())
        for part in ('backbone.base', 'backbone.dla_up', 'neck', 'bbox_head')
    }
    # published: 4.72 M in the head, 34.2 M in the controllers, 0.20 M before and 0.016 M behind them
    assert learnt == {
        'backbone.base': 15_229_104,
        'backbone.dla_up': 3_038_882,
        'neck': 2_000_384,
        'bbox_head': 39_150_378,
    }

"""Small trackers for tests: each name here joins the contract test (tests/test_contract.py)."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from mmengine.config import Config

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.apis.models import build_network
from mmgtrack.models.base import BaseTracker
from mmgtrack.models.fast_path import speed_up
from tests.pages import DOCS, ROOT, files_of

CONFIGS = ROOT / 'configs'

# the light GlobalTrack at a quarter of its width
SMALL: dict[str, Any] = {
    'model.data_preprocessor.resize': (96, 64),
    'model.backbone.widen_factor': 0.25,
    'model.neck.in_channels': [8, 8, 24, 40],
    'model.neck.out_channels': 16,
    'model.rpn_head.in_channels': 16,
    'model.rpn_head.feat_channels': 16,
    'model.roi_head.bbox_roi_extractor.out_channels': 16,
    'model.roi_head.bbox_head.in_channels': 16,
    'model.roi_head.bbox_head.fc_out_channels': 32,
    'model.batch_frames': 4,
}


def small_global_track(spread: bool = True, **options: Any) -> BaseTracker:
    """The light GlobalTrack at a quarter of its width, on frames of at most 96x64 pixels.

    spread: random weights under which candidates differ; else the config's own initialisation.
    """
    config = Config.fromfile(CONFIGS / 'globaltrack_mobilenetv2_lite.py')
    config.merge_from_dict({**SMALL, **options})
    torch.manual_seed(0)
    tracker = build_network(config)
    tracker.init_weights()
    if spread:
        spread_weights(tracker)
    tracker.name = 'small_global_track'
    return tracker.eval()


def spread_weights(tracker: BaseTracker) -> None:
    """Larger random weights, so that candidates differ and the best one leads clearly."""
    for name, parameter in tracker.named_parameters():
        if parameter.ndim > 1 and ('head' in name or 'neck' in name):
            fan_in = parameter[0].numel()
            torch.nn.init.normal_(parameter, std=1.5 / fan_in**0.5)


def template_matching() -> BaseTracker:
    """The tracker that docs/add_a_tracker.md writes, from the page itself."""
    files = files_of(DOCS / 'add_a_tracker.md')
    if 'template_matching' not in sys.modules:
        module = sys.modules['template_matching'] = ModuleType('template_matching')
        exec(compile(files['template_matching.py'], 'docs/add_a_tracker.md', 'exec'), module.__dict__)
    tracker = build_network(Config.fromstring(files['my_template_matching.py'], '.py'))
    tracker.name = 'template_matching'
    return tracker.eval()


def fast_global_track() -> BaseTracker:
    """The same on the fast path, as users get it."""
    tracker = small_global_track()
    speed_up(tracker)
    return tracker


# the light DMTrack at a quarter of its width
SMALL_DM_TRACK: dict[str, Any] = {
    'model.data_preprocessor.resize': (96, 64),
    'model.backbone.widen_factor': 0.25,
    'model.backbone.init_cfg': None,
    'model.neck.in_channels': [8, 24],
    'model.neck.out_channels': 16,
    'model.bbox_head.in_channels': 16,
    'model.bbox_head.feat_channels': 16,
    'model.bbox_head.scale_start': [6, 12, 24],
    'model.bbox_head.correlations.1.search_channels': 8,
    'model.roi_extractor.out_channels': 16,
    'model.re_id_head.in_channels': [8, 24],
    'model.re_id_head.channels': 8,
    'model.re_id_head.embed_dims': 16,
    'model.batch_frames': 4,
}


def small_dm_track(only: dict[str, Any] | None = None, **options: Any) -> BaseTracker:
    """The light DMTrack, on frames of at most 96x64 pixels. only: the options that make it small."""
    config = Config.fromfile(CONFIGS / 'dmtrack_mobilenetv2_lite.py')
    config.merge_from_dict({**(SMALL_DM_TRACK if only is None else only), **options})
    torch.manual_seed(0)
    tracker = build_network(config)
    tracker.init_weights()
    spread_weights(tracker)
    with torch.no_grad():  # scores that association takes for candidates, not the prior of 0.01
        tracker.bbox_head.conv_cls.bias.zero_()
        tracker.bbox_head.conv_cls.weight.mul_(4)
    tracker.name = 'small_dm_track'
    return tracker.eval()


def guided_neck() -> BaseTracker:
    """The same with one correlation a level behind its neck, and an ordinary FCOS head."""
    neck = dict(type='FPN', in_channels=[8, 24], out_channels=16, num_outs=3)
    guided = dict(_delete_=True, type='mmgtrack.CorrelationNeck', neck=neck, num_levels=3)
    without = {key: value for key, value in SMALL_DM_TRACK.items() if '.neck.' not in key}
    return small_dm_track(only=without, **{'model.neck': guided, 'model.bbox_head.correlations': None})


def fast_dm_track() -> BaseTracker:
    """The same on the fast path."""
    tracker = small_dm_track()
    speed_up(tracker)
    return tracker


def small_coder(layers: int, *attentions: str) -> dict[str, Any]:
    """Arguments of a thin encoder or decoder."""
    attention = dict(
        embed_dims=16, num_heads=2, attn_drop=0.1, dropout_layer=dict(type='Dropout', drop_prob=0.1)
    )
    feedforward = dict(embed_dims=16, feedforward_channels=32, ffn_drop=0.1)
    return dict(
        num_layers=layers, layer_cfg=dict(ffn_cfg=feedforward, **dict.fromkeys(attentions, attention))
    )


# STARK-ST50 with thin layers, small windows and updates at every second frame
SMALL_STARK: dict[str, Any] = {
    'model.backbone.depth': 18,
    'model.backbone.base_channels': 8,
    'model.neck.in_channels': [32],
    'model.neck.out_channels': 16,
    'model.template_positions.num_feats': 8,
    'model.search_positions.num_feats': 8,
    'model.transformer.embed_dims': 16,
    'model.transformer.encoder': small_coder(2, 'self_attn_cfg'),
    'model.transformer.decoder': small_coder(2, 'self_attn_cfg', 'cross_attn_cfg'),
    'model.box_head.in_channels': 16,
    'model.box_head.channels': 16,
    'model.score_head.embed_dims': 16,
    'model.template.size': 48,
    'model.search.size': 112,
    'model.test_cfg.update_intervals': [2],
}


def small_stark(
    config: str = 'stark_st50_stage2', only: dict[str, Any] | None = None, **options: Any
) -> BaseTracker:
    """A STARK of the configs, a hundred times smaller.

    only: the options that make it small, for one whose parts are not those of STARK-ST50.
    """
    settings = Config.fromfile(CONFIGS / f'{config}.py')
    small = dict(SMALL_STARK)
    if 'score_head' not in settings.model:
        del small['model.score_head.embed_dims']
    if settings.model.num_templates == 1:
        del small['model.test_cfg.update_intervals']
    settings.merge_from_dict({**(small if only is None else only), **options})
    torch.manual_seed(0)
    tracker = build_network(settings)
    tracker.init_weights()
    tracker.name = 'small_stark'
    return tracker.eval()


def fast_stark() -> BaseTracker:
    """The same on the fast path."""
    tracker = small_stark()
    speed_up(tracker)
    return tracker


# the light GuidedDetector at a quarter of its width, an update at every second frame
SMALL_GUIDED: dict[str, Any] = {
    'model.detector.backbone.widen_factor': 0.25,
    'model.detector.neck.in_channels': [8, 24],
    'model.detector.neck.out_channels': 16,
    'model.detector.bbox_head.in_channels': [16, 16, 16],
    'model.detector.bbox_head.feat_channels': 16,
    'model.detector.bbox_head.anchor_generator.input_size': 96,
    'model.detector.bbox_head.anchor_generator.min_sizes': [10, 20, 36],
    'model.detector.bbox_head.anchor_generator.max_sizes': [20, 36, 52],
    'model.exemplar.sizes': [24, 40, 64],
    'model.search.size': 96,
    'model.first_frame': dict(count=4),
    'model.test_cfg': dict(update_interval=2, sample_score=0.0, max_samples=3),
}


def small_guided(only: dict[str, Any] | None = None, **options: Any) -> BaseTracker:
    """The light GuidedDetector, thinner. only: the options that make it small."""
    config = Config.fromfile(CONFIGS / 'guided_mobilenetv2_lite.py')
    config.merge_from_dict({**(SMALL_GUIDED if only is None else only), **options})
    torch.manual_seed(0)
    tracker = build_network(config)
    tracker.init_weights()
    spread_weights(tracker)
    tracker.name = 'small_guided'
    return tracker.eval()


def fast_guided() -> BaseTracker:
    """The same on the fast path."""
    tracker = small_guided()
    speed_up(tracker)
    return tracker


# the light PointTrack at a quarter of its width
SMALL_POINT_TRACK: dict[str, Any] = {
    'model.data_preprocessor.resize': (96, 64),
    'model.backbone.widen_factor': 0.25,
    'model.backbone.init_cfg': None,
    'model.neck.neck.in_channels': [8, 8, 24, 40],
    'model.neck.neck.out_channels': 16,
    'model.roi_extractor.out_channels': 16,
    'model.bbox_head.in_channels': 16,
    'model.bbox_head.feat_channels': 16,
    'model.batch_frames': 4,
}


def small_point_track(only: dict[str, Any] | None = None, **options: Any) -> BaseTracker:
    """The light PointTrack, on frames of at most 96x64 pixels. only: the options that make it small."""
    config = Config.fromfile(CONFIGS / 'point_track_mobilenetv2_lite.py')
    config.merge_from_dict({**(SMALL_POINT_TRACK if only is None else only), **options})
    torch.manual_seed(0)
    tracker = build_network(config)
    tracker.init_weights()
    spread_weights(tracker)
    tracker.name = 'small_point_track'
    return tracker.eval()


def full_point_track() -> BaseTracker:
    """The same with a full 1x1 convolution a target and level, from the average over its feature."""
    full = dict(_delete_=True, groups=1, pooled=True, project_out=False)
    return small_point_track(**{'model.neck.correlation': full, 'model.neck.share_levels': False})


CENTRE_HEAD: dict[str, Any] = dict(
    _delete_=True,
    type='mmgtrack.CentreHead',
    in_channels=16,
    feat_channels=16,
    loss_center_heatmap=dict(type='GaussianFocalLoss'),
    loss_wh=dict(type='L1Loss', loss_weight=0.1),
    loss_offset=dict(type='L1Loss'),
)


def small_centre_track(**options: Any) -> BaseTracker:
    """The same with CenterNet's heat map in the place of points."""
    without = {key: value for key, value in SMALL_POINT_TRACK.items() if '.bbox_head.' not in key}
    tracker = small_point_track(only=without, **{'model.bbox_head': CENTRE_HEAD, **options})
    with torch.no_grad():  # heat that differs from cell to cell
        tracker.bbox_head.heatmap_head[-1].weight.mul_(4)
    return tracker


def fast_point_track() -> BaseTracker:
    """PointTrack on the fast path."""
    tracker = small_point_track()
    speed_up(tracker)
    return tracker


# a later tracker joins the contract test by one line here
TRACKERS: dict[str, Callable[[], BaseTracker]] = {
    'global_track': small_global_track,
    'global_track_fast': fast_global_track,
    'dm_track': small_dm_track,
    'dm_track_fast': fast_dm_track,
    'dm_track_neck': guided_neck,
    'dm_track_without_looks': lambda: small_dm_track(**{'model.re_id_head': None}),
    'dm_track_best_box': lambda: small_dm_track(**{'model.association': None, 'model.re_id_head': None}),
    'point_track': small_point_track,
    'point_track_fast': fast_point_track,
    'point_track_full': full_point_track,
    'point_track_centre': small_centre_track,
    'stark': small_stark,
    'stark_fast': fast_stark,
    'stark_updated_query': lambda: small_stark('ablations/stark_s50_updated_query'),
    'guided': small_guided,
    'guided_fast': fast_guided,
    'template_matching': template_matching,
}

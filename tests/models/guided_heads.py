"""Detectors of the zoo with one class, for tests of their heads: small, with random weights and maps."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from mmdet.models.dense_heads import SSDHead
from mmdet.registry import MODELS
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)

Maps = tuple[Tensor, ...]
# the paper's three levels (section 3.4)
SSD = {
    'neck.out_channels': (512, 1024, 512),
    'neck.level_strides': (2,),
    'neck.level_paddings': (1,),
    'bbox_head.in_channels': (512, 1024, 512),
    'bbox_head.num_classes': 1,
    'bbox_head.anchor_generator.min_sizes': [30, 60, 111],
    'bbox_head.anchor_generator.max_sizes': [60, 111, 162],
    'bbox_head.anchor_generator.basesize_ratio_range': None,
    'bbox_head.anchor_generator.strides': [8, 16, 32],
    'bbox_head.anchor_generator.ratios': [[2], [2, 3], [2, 3]],
}


@dataclass(frozen=True)
class Zoo:
    """A detector of the zoo with one class.

    channels: of its maps; sides: theirs, in a crop of ``crop`` pixels; small: side of its smallest prior, of
    the crop's.
    """

    config: str
    channels: tuple[int, ...]
    sides: tuple[int, ...]
    crop: int
    small: float
    changes: dict[str, Any] = field(default_factory=dict)


FPN = (256,) * 5, (16, 8, 4, 2, 1), 128
NARROW = {'bbox_head.num_classes': 1, 'bbox_head.feat_channels': 128}
DENSE = {
    'ssd300': Zoo('ssd/ssd300_coco.py', (512, 1024, 512), (38, 19, 10), 300, 0.1, SSD),
    'ssdlite': Zoo(
        'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py',
        (96, 1280, 512, 256, 256, 128),
        (8, 4, 2, 1, 1, 1),
        128,
        0.4,
        {'bbox_head.num_classes': 1},
    ),
    'retinanet_r50': Zoo('retinanet/retinanet_r50_fpn_1x_coco.py', *FPN, 0.25, NARROW),
    'fcos_r50': Zoo('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', *FPN, 0.25, NARROW),
    'fcos_r50_center_norm': Zoo(
        'fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py', *FPN, 0.25, NARROW
    ),
}

FEW = {
    'test_cfg.rpn.nms_pre': 60,
    'test_cfg.rpn.max_per_img': 12,
    'train_cfg.rpn.sampler.num': 10**6,  # all anchors, so that nothing is drawn at random
    'rpn_head.feat_channels': 16,
}
# regions of 2x2 cells, one behind the shared head
C4 = {
    **FEW,
    'roi_head.bbox_head.num_classes': 1,
    'roi_head.bbox_roi_extractor.roi_layer.output_size': 2,
    'roi_head.bbox_head.roi_feat_size': 1,
}
C4_CONFIG = 'faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py'
FPN_CONFIG = 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
TWO_STAGE = {
    'c4_r34': Zoo(
        C4_CONFIG,
        (256,),
        (6,),
        96,
        0.3,
        {
            **C4,
            'backbone.depth': 34,
            'rpn_head.in_channels': 256,
            'roi_head.shared_head.depth': 34,
            'roi_head.bbox_roi_extractor.out_channels': 256,
            'roi_head.bbox_head.in_channels': 512,
        },
    ),
    'c4_r50': Zoo(C4_CONFIG, (1024,), (6,), 96, 0.3, C4),
    'c4_r101': Zoo(
        C4_CONFIG, (1024,), (6,), 96, 0.3, {**C4, 'backbone.depth': 101, 'roi_head.shared_head.depth': 101}
    ),
    'c4_vgg16': Zoo(
        C4_CONFIG,
        (512,),
        (6,),
        96,
        0.3,
        {
            **FEW,
            'backbone': {'type': 'mmgtrack.VGG', 'depth': 16},
            'rpn_head.in_channels': 512,
            'roi_head.shared_head': None,
            'roi_head.bbox_roi_extractor.roi_layer.output_size': 7,
            'roi_head.bbox_roi_extractor.out_channels': 512,
            'roi_head.bbox_head.type': 'Shared2FCBBoxHead',
            'roi_head.bbox_head.num_classes': 1,
            'roi_head.bbox_head.in_channels': 512,
            'roi_head.bbox_head.fc_out_channels': 32,
            'roi_head.bbox_head.with_avg_pool': False,
        },
    ),
    'fpn_r50': Zoo(
        FPN_CONFIG,
        (256,) * 5,
        (32, 16, 8, 4, 2),
        128,
        0.25,
        {**FEW, 'roi_head.bbox_head.num_classes': 1, 'roi_head.bbox_head.fc_out_channels': 32},
    ),
}


@cache
def detector_of(name: str) -> nn.Module:
    """In float64, with random weights that tell priors apart; shared, so no test may change it."""
    zoo = {**DENSE, **TWO_STAGE}[name]
    config = get_config(f'mmdet::{zoo.config}').model
    for key, value in {**zoo.changes, 'backbone.init_cfg': None}.items():
        *path, last = key.split('.')
        part = config
        for step in path:
            part = part[step]
        part[last] = value
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(config).double().eval()
    heads = [part for key, part in detector.named_children() if key.endswith('head')]
    for key, parameter in (item for head in heads for item in head.named_parameters()):
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=1 / parameter[0].numel() ** 0.5)
        elif key.endswith('bias'):
            nn.init.uniform_(parameter, -0.1, 0.1)
        elif key.endswith('scale'):
            nn.init.uniform_(parameter, 0.8, 1.2)
    if isinstance(heads[0], SSDHead):
        detector.bbox_head.loss_cls = (
            None  # mmdet 3.3 asks for it before it predicts, and SSD's head has none
        )
    return detector


def maps_of(name: str, count: int) -> Maps:
    """Random maps of ``count`` windows, as the guidance would hand them on."""
    zoo = {**DENSE, **TWO_STAGE}[name]
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(count, channels, side, side, generator=generator, dtype=torch.float64)
        for channels, side in zip(zoo.channels, zoo.sides, strict=True)
    )


def boxes_of(name: str) -> Tensor:
    """Three targets near the middle: as small as the smallest prior, larger, and wide."""
    zoo = {**DENSE, **TWO_STAGE}[name]
    crop, small = zoo.crop, zoo.small
    sizes = crop * torch.tensor([[0.9 * small, 1.1 * small], [0.45, 0.45], [0.6, 0.4]], dtype=torch.float64)
    centres = crop * torch.tensor([[0.52, 0.47], [0.5, 0.5], [0.4, 0.6]], dtype=torch.float64)
    return torch.cat((centres - sizes / 2, centres + sizes / 2), 1)


def flat(levels: list[Tensor], outputs: int) -> Tensor:
    """(B, N, outputs) of a dense head's maps (B, A * outputs, h, w), in mmdet's order."""
    return torch.cat([level.permute(0, 2, 3, 1).reshape(len(level), -1, outputs) for level in levels], 1)

"""Faster R-CNN (Ren et al., NIPS 2015): two fully connected layers over pooled regions."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.detectors import BaseDetector
from mmdet.models.roi_heads import BBoxHead, ConvFCBBoxHead, StandardRoIHead
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.models.detections import box_limits
from mmgtrack.models.guided_detector.head_rows import FinalLayer, HeadGroup, HeadLayout, HeadRows
from mmgtrack.models.guided_detector.heads.adapter import HeadAdapter
from mmgtrack.models.guided_detector.heads.anchors import assigner_of
from mmgtrack.models.guided_detector.heads.final_layers import check_layer, reading
from mmgtrack.models.guided_detector.heads.mining import Match, Miner, background_loss, match_one_box
from mmgtrack.models.layers.sample_draws import DrawKey, drawing_for
from mmgtrack.models.proposals import select_proposals

NAMES = ('fc_cls', 'fc_reg')
POSITIVE_WEIGHT = 3.0  # of the RPN's classes, 1 for negatives (paper, section 3.2: recall first)
# shifts and growths of a box, as parts of its size: what proposals at a target look like, IoU 0.64 to 1
NEIGHBOURS = (
    *((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.1, 0.1)),
    *((0.2, 0.0, 0.0, 0.0), (-0.2, 0.0, 0.0, 0.0), (0.0, 0.2, 0.0, 0.0), (0.0, -0.2, 0.0, 0.0)),
    *((0.1, 0.1, 0.0, 0.0), (-0.1, 0.1, 0.0, 0.0), (0.1, -0.1, 0.0, 0.0), (-0.1, -0.1, 0.0, 0.0)),
    *((0.0, 0.0, -0.2, 0.0), (0.0, 0.0, 0.25, 0.0), (0.0, 0.0, 0.0, -0.2), (0.0, 0.0, 0.0, 0.25)),
    *((0.0, 0.0, -0.2, -0.2), (0.0, 0.0, 0.25, 0.25)),
)


class RoIInputs(NamedTuple):
    """What the final layers read at R regions of B windows.

    features: (B, R, D): one of both layers, or one of the classes' and one of the boxes'.
    rois: (B, R, 4); valid: (B, R), the others are there to make R the same for all.
    objectness, offsets: the RPN's outputs, a level each; size: (height, width) of a window in pixels.
    """

    features: tuple[Tensor, ...]
    rois: Tensor
    valid: Tensor
    objectness: list[Tensor]
    offsets: list[Tensor]
    size: tuple[int, int]


class RoIAdapter(HeadAdapter[RoIInputs]):
    """mmdet's two-stage detectors: the last layers behind whatever the RoI head pools and computes.

    Proposals are those of test_cfg.rpn, also where the head learns, so that max_per_img bounds R. A positive
    of the RPN's loss counts as POSITIVE_WEIGHT negatives if train_cfg.rpn.pos_weight does not say otherwise.
    """

    def __init__(self, detector: BaseDetector, miner: Miner) -> None:
        self.rpn, self.roi_head = detector.rpn_head, detector.roi_head
        self.box_head = self.roi_head.bbox_head
        self.assigner = assigner_of(self.roi_head)
        assigner_of(self.rpn)
        if self.rpn.train_cfg.pos_weight <= 0:
            self.rpn.train_cfg = ConfigDict({**self.rpn.train_cfg, 'pos_weight': POSITIVE_WEIGHT})
        self._layers = [self.box_head.get_submodule(name) for name in NAMES]
        features = (0, 0 if _is_shared(self.box_head) else 1)
        classes, boxes = (
            _final_layer(*numbers) for numbers in zip(NAMES, self._layers, (2, 4), features, strict=True)
        )
        super().__init__(detector, HeadLayout((HeadGroup(classes, boxes, 1),), sigmoid=False), miner)

    def read(self, maps: tuple[Tensor, ...], boxes: Tensor | None = None) -> RoIInputs:
        """Proposals, and the boxes with their NEIGHBOURS in front of them; the RPN's outputs are kept."""
        if len(maps) != self.rpn.prior_generator.num_levels:
            raise InputError(
                f'the RPN has {self.rpn.prior_generator.num_levels} levels, got {len(maps)} maps'
            )
        objectness, offsets = self.rpn(maps)
        size = self._size(maps)
        with torch.no_grad():
            rois, valid = self._proposals(objectness, offsets, size)
            if boxes is not None:
                near = neighbours(boxes.to(rois.dtype))
                there = _is_inside(boxes, size)[:, None].expand(near.shape[:2])
                rois, valid = torch.cat((near, rois), 1), torch.cat((there, valid), 1)
            rois = rois.where(valid[..., None], box_limits([size], rois) * rois.new_tensor([0, 0, 1, 1]))
        windows = torch.arange(len(rois), device=rois.device).repeat_interleave(rois.shape[1])
        with reading(self._layers) as calls:
            self.roi_head._bbox_forward(maps, torch.cat((windows[:, None].to(rois), rois.flatten(0, 1)), 1))
        count = 1 + self.layout.groups[0].boxes.feature
        features = tuple(call[0].unflatten(0, rois.shape[:2]) for call in calls[:count])
        return RoIInputs(features, rois, valid, objectness, offsets, size)

    def detect(self, inputs: RoIInputs, theta: Tensor) -> tuple[Tensor, Tensor]:
        """All R regions' boxes and scores; 0 for those that only fill up."""
        logits, deltas = self._outputs(inputs, theta)
        boxes = self.box_head.bbox_coder.decode(inputs.rois.flatten(0, 1), deltas.flatten(0, 1))
        return boxes.view_as(deltas), logits.softmax(-1)[..., 0].masked_fill(~inputs.valid, 0)

    def mine(self, inputs: RoIInputs, boxes: Tensor, theta: Tensor) -> HeadRows:
        """K rows; the weights are divided by the number of rows, as in the detector's own loss."""
        with torch.no_grad():
            losses = background_loss(self._outputs(inputs, theta)[0])
            mined = self.miner(self._match(inputs, boxes), losses)
            rois = inputs.rois.gather(1, mined.priors[..., None].expand(-1, -1, 4))
            truth = boxes.to(rois.dtype)[:, None].expand_as(rois)
            targets = self.box_head.bbox_coder.encode(rois.flatten(0, 1), truth.flatten(0, 1)).view_as(rois)
            targets = targets.where(mined.positive[..., None], targets.new_zeros(())).to(losses.dtype)
            weights = 1 / mined.valid.sum(1, keepdim=True).clamp(min=1).to(losses.dtype)
        leaves = (
            torch.zeros_like(mined.priors),
            mined.positive.to(losses.dtype),
            targets,
            weights * mined.valid,
            weights * mined.positive,
        )
        features = tuple(
            feature.gather(1, mined.priors[..., None].expand(-1, -1, feature.shape[-1]))
            for feature in inputs.features
        )
        return HeadRows(features, *(leaf[:, None] for leaf in leaves))

    def auxiliary_loss(
        self, inputs: RoIInputs, boxes: Tensor, keys: Sequence[DrawKey | None] | None = None
    ) -> dict[str, Tensor]:
        """The RPN's two losses, by mmdet, window by window: its sampler draws from each one's own key."""
        meta = {'img_shape': inputs.size, 'pad_shape': inputs.size}
        parts = []
        keys = [None] * len(boxes) if keys is None else keys
        there = _is_inside(boxes, inputs.size)
        for b, (box, is_there, key) in enumerate(zip(boxes, there, keys, strict=True)):
            own = box[None][is_there[None]]
            truth = InstanceData(bboxes=own, labels=own.new_zeros(len(own), dtype=torch.long))
            maps = ([level[b : b + 1] for level in levels] for levels in (inputs.objectness, inputs.offsets))
            with drawing_for(key, stage=0):
                losses = self.rpn.loss_by_feat(*maps, [truth], [meta])
            parts.append([sum(losses['loss_rpn_cls']), sum(losses['loss_rpn_bbox'])])
        means = (torch.stack(part).mean() for part in zip(*parts, strict=True))
        return dict(zip(('rpn_loss_cls', 'rpn_loss_bbox'), means, strict=True))

    def _outputs(self, inputs: RoIInputs, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, R, 2) and box outputs (B, R, 4)."""
        (own,) = self.layout.split(theta)
        first, last = (feature.to(theta.dtype) for feature in (inputs.features[0], inputs.features[-1]))
        logits = first @ own.class_weight.transpose(-1, -2) + own.class_bias[..., None, :]
        deltas = last @ own.box_weight.transpose(-1, -2) + own.box_bias[..., None, :]
        return logits.to(theta.dtype), deltas.to(theta.dtype)  # halves under autocast

    def _match(self, inputs: RoIInputs, boxes: Tensor) -> Match:
        ious = self.assigner.iou_calculator(boxes.to(inputs.rois.dtype)[:, None], inputs.rois)[:, 0]
        match = match_one_box(ious.masked_fill(~inputs.valid, 0), self.assigner)
        return Match(match.quality, match.positive & inputs.valid, match.negative & inputs.valid)

    def _proposals(
        self, objectness: list[Tensor], offsets: list[Tensor], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Boxes (B, R, 4) and which of them are real."""
        dtype = torch.promote_types(offsets[0].dtype, torch.float32)
        objectness, offsets = ([level.to(dtype) for level in levels] for levels in (objectness, offsets))
        anchors = self.rpn.prior_generator.grid_priors(
            [level.shape[-2:] for level in objectness], dtype=dtype, device=offsets[0].device
        )
        limits = box_limits([size], anchors[0]).expand(len(objectness[0]), 4)
        found = select_proposals(objectness, offsets, anchors, self.rpn.bbox_coder, limits, self.rpn.test_cfg)
        return found.boxes, found.valid

    def _size(self, maps: tuple[Tensor, ...]) -> tuple[int, int]:
        """(height, width) that the finest map covers."""
        width, height = self.rpn.prior_generator.strides[0]
        return maps[0].shape[-2] * height, maps[0].shape[-1] * width


def neighbours(boxes: Tensor) -> Tensor:
    """Boxes (B, 16, 4) at and around boxes (B, 4)."""
    table = boxes.new_tensor(NEIGHBOURS)
    sizes = boxes[:, None, 2:] - boxes[:, None, :2]
    centres = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 + table[:, :2] * sizes
    halves = sizes * (1 + table[:, 2:]) / 2
    return torch.cat((centres - halves, centres + halves), -1)


def _is_inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(B,) bool: which boxes cover a part of their window of (height, width)."""
    limits = box_limits([size], boxes)
    seen = torch.minimum(boxes.clamp(min=0), limits)
    return (seen[:, 2:] > seen[:, :2]).all(1) & boxes.isfinite().all(1)


def _final_layer(name: str, layer: nn.Linear, outputs: int, feature: int) -> FinalLayer:
    check_layer(name, layer)
    return FinalLayer(f'roi_head.bbox_head.{name}', outputs, layer.in_features, feature)


def _is_shared(box_head: BBoxHead) -> bool:
    """Whether both final layers read the same."""
    if not isinstance(box_head, ConvFCBBoxHead):
        return True
    own = (box_head.num_cls_convs, box_head.num_cls_fcs, box_head.num_reg_convs, box_head.num_reg_fcs)
    return not any(own)


def check_kinds(detector: BaseDetector) -> None:
    """Raises InputError for RPNs, RoI heads and box heads that compute otherwise."""
    rpn, roi_head = getattr(detector, 'rpn_head', None), getattr(detector, 'roi_head', None)
    box_head = getattr(roi_head, 'bbox_head', None)
    kinds = (
        (rpn, type(rpn) is RPNHead and rpn.use_sigmoid_cls),
        (roi_head, type(roi_head) is StandardRoIHead),
        (box_head, type(box_head) is BBoxHead or isinstance(box_head, ConvFCBBoxHead)),
    )
    for part, fits in kinds:
        if not fits:
            raise InputError(
                'a guided two-stage detector has an RPNHead with a sigmoid, a StandardRoIHead, and a '
                f'BBoxHead or ConvFCBBoxHead, got {type(part).__name__}'
            )

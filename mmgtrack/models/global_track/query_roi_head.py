"""Query-guided R-CNN (GlobalTrack, Eq. 3 to 5): mmdet's RoI head on features modulated by the target."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures.bbox import bbox2roi
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.detections import keep_best, suppress
from mmgtrack.models.layers.sample_draws import DrawKey, drawing_for
from mmgtrack.models.pairs import Detections
from mmgtrack.registry import MODELS


@MODELS.register_module()
class RoIModulator(BaseModule):
    """h_out(h_x(x_i) * h_z(z)), Eq. 3: h_x, h_z 3x3 convolutions, h_out 1x1; no norm, no activation."""

    def __init__(self, channels: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        self.query_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.search_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.out_conv = nn.Conv2d(channels, channels, 1)

    def encode(self, targets: Tensor) -> Tensor:
        """h_z of the targets' RoI features (M, C, R, R), same shape."""
        return self.query_conv(targets.to(self.query_conv.weight.dtype)).to(targets.dtype)

    def forward(self, features: Tensor, kernels: Tensor) -> Tensor:
        """Features (P * K, C, R, R), K in a row for each of P targets, and kernels (P, C, R, R)."""
        return self.out_conv(self.match(features, kernels))

    def match(self, features: Tensor, kernels: Tensor) -> Tensor:
        """What h_out gets."""
        searched = self.search_conv(features)
        return (searched.unflatten(0, (len(kernels), -1)) * kernels[:, None]).flatten(0, 1)


@MODELS.register_module()
class QueryRoIHead(StandardRoIHead):
    """RoI head that scores proposals by likeness to the target they were proposed for.

    Args:
        bbox_head: the detector's own; it gets one class, the target.
        loss_bbox: replaces the box head's loss by one of box deltas, where given. Not part of ``bbox_head``,
            so that one tracker config fits over every detector: where ``bbox_head`` is a list (Cascade
            R-CNN) a config could not even be read, instead of being refused by name.
        modulator: config without channels; default type ``RoIModulator``.
        mask_roi_extractor, mask_head: of Mask R-CNN; a box tracker has no use for them.
        Everything else as in mmdet's ``StandardRoIHead``, whose state-dict keys stay as they are.

    Raises InputError for a detector of another kind.
    """

    def __init__(
        self,
        bbox_roi_extractor: dict,
        bbox_head: dict,
        loss_bbox: dict | None = None,
        modulator: dict | None = None,
        mask_roi_extractor: dict | None = None,
        mask_head: dict | None = None,
        **kwargs: Any,
    ) -> None:
        del mask_roi_extractor, mask_head
        _check_standard(bbox_head, kwargs)
        changes: dict[str, Any] = {'num_classes': 1}
        if loss_bbox is not None:
            changes |= {'loss_bbox': loss_bbox, 'reg_decoded_bbox': False}
        super().__init__(bbox_roi_extractor=bbox_roi_extractor, bbox_head={**bbox_head, **changes}, **kwargs)
        channels = self.bbox_roi_extractor.out_channels
        config = {'type': 'mmgtrack.RoIModulator', **(modulator or {}), 'channels': channels}
        self.modulator: RoIModulator = MODELS.build(config)
        self._is_folded = False

    def pool(self, features: Sequence[Tensor], boxes: list[Tensor]) -> Tensor:
        """RoI features (M, C, R, R) of boxes[n] (M_n, 4) in the n-th image, on the level of their size."""
        return self._extract(features, bbox2roi(boxes))

    def score(
        self, features: Sequence[Tensor], boxes: Tensor, frames: Tensor, kernels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Class logits (R, 2) and box deltas (R, 4).

        boxes: (R, 4) network pixels; frames: (R,) image of each; kernels: (P, C, 7, 7) of targets, each for
        R / P boxes in a row.
        """
        rois = torch.cat([frames[:, None].to(boxes.dtype), boxes], dim=1)
        pooled = self._extract(features, rois).to(self._dtype)
        kernels = kernels.to(pooled.dtype)
        if not self._is_folded:
            return self.bbox_head(self.modulator(pooled, kernels))
        matched = self.modulator.match(pooled, kernels)
        return self.bbox_head(matched.permute(0, 2, 3, 1).flatten(1))

    def fold(self) -> None:
        """For inference: multiply h_out into the first fully connected layer, inputs ordered cell by cell.

        Between the two there is nothing but linear arithmetic. This saves 6.4 of 92 GFLOP for 1000 proposals
        of 256 channels, a pass over them, and their reordering. Nothing is done where more lies between.
        """
        head, out = self.bbox_head, getattr(self.modulator, 'out_conv', None)
        if out is None or head.num_shared_convs or not head.num_shared_fcs or head.with_avg_pool:
            return
        first = head.shared_fcs[0]
        weight = first.weight.detach().double().unflatten(1, (out.out_channels, -1))
        mixing = out.weight.detach().double()[:, :, 0, 0]
        folded = torch.einsum('fcp,cd->fpd', weight, mixing).flatten(1)
        bias = first.bias.detach().double() + torch.einsum('fcp,c->f', weight, out.bias.detach().double())
        first.weight.data.copy_(folded)
        first.bias.data.copy_(bias)
        self._is_folded = True

    @property
    def _dtype(self) -> torch.dtype:
        """What the layers compute in."""
        return self.bbox_head.fc_cls.weight.dtype

    def _extract(self, features: Sequence[Tensor], rois: Tensor) -> Tensor:
        levels = features[: self.bbox_roi_extractor.num_inputs]
        # mmdet casts boxes to the features' type: in half precision a coordinate of 1000 moves by pixels
        precise = torch.promote_types(levels[0].dtype, torch.float32)
        return self.bbox_roi_extractor([x.to(precise) for x in levels], rois)

    def detect(
        self,
        features: Sequence[Tensor],
        proposals: Detections,
        frames: Tensor,
        kernels: Tensor,
        limits: Tensor,
        scales: Tensor,
    ) -> Detections:
        """Score and refine proposals of P pairs, suppress duplicates, sort: (P, K) rows.

        frames: (P,) image of each pair; kernels: (P, C, 7, 7); limits: (P, 4) of ``box_limits``;
        scales: (P,) network pixels a frame pixel, in which the offset of ``test_cfg.nms`` counts.
        """
        pairs, count = proposals.scores.shape
        owner = torch.arange(pairs, device=frames.device).repeat_interleave(count)
        boxes = proposals.boxes.flatten(0, 1)
        logits, deltas = (out.to(boxes.dtype) for out in self.score(features, boxes, frames[owner], kernels))
        refined = self.bbox_head.bbox_coder.decode(boxes, deltas).view(pairs, count, 4)
        refined = torch.minimum(refined.clamp(min=0), limits[:, None])
        scores = target_probability(logits, self.bbox_head.loss_cls.use_sigmoid).view(pairs, count)
        found = keep_best(refined, scores, proposals.valid, count)
        keep = suppress(found.boxes, found.valid, self.test_cfg.nms, scales[:, None, None])
        keep &= found.scores >= self.test_cfg.score_thr
        keep[:, 0] |= found.valid[:, 0]  # the best hypothesis stays whatever its score
        return keep_best(found.boxes, found.scores, keep, self.test_cfg.max_per_img)

    def sample(
        self,
        proposals: Detections,
        truths: list[InstanceData],
        keys: Sequence[DrawKey | None] | None = None,
    ) -> list[SamplingResult]:
        """Assign and sample each pair's proposals against its own target (0 or 1 boxes).

        keys: what each pair draws from; None for the global generators.
        """
        results = []
        keys = [None] * len(truths) if keys is None else keys
        for boxes, valid, truth, key in zip(proposals.boxes, proposals.valid, truths, keys, strict=True):
            priors = InstanceData(priors=boxes[valid])
            assigned = self.bbox_assigner.assign(priors, truth)
            with drawing_for(key, stage=1):
                results.append(self.bbox_sampler.sample(assigned, priors, truth))
        return results

    def loss_of_pairs(
        self,
        features: Sequence[Tensor],
        samples: list[SamplingResult],
        frames: Tensor,
        kernels: Tensor,
        shares: Tensor,
    ) -> dict[str, Tensor]:
        """Classification and box loss, each pair's own mean weighted by ``shares`` (P,), which sum to 1."""
        rois = bbox2roi([sample.priors for sample in samples])
        owner = rois[:, 0].long()
        logits, deltas = self.score(features, rois[:, 1:], frames[owner], kernels[owner])
        targets = self.bbox_head.get_targets(samples, self.train_cfg, concat=False)
        labels, label_weights, box_targets, box_weights = targets
        # mmdet divides by the number of RoIs of the whole batch: undo that, pair by pair
        total = len(rois)
        scale = [s * total / max(len(w), 1) for s, w in zip(shares, label_weights, strict=True)]
        return self.bbox_head.loss(
            logits.float(),
            deltas.float(),
            rois,
            torch.cat(labels),
            torch.cat([w * s for w, s in zip(label_weights, scale, strict=True)]),
            torch.cat(box_targets),
            torch.cat([w * s for w, s in zip(box_weights, scale, strict=True)]),
        )


def _check_standard(bbox_head: Any, others: dict[str, Any]) -> None:
    """Refuse the RoI heads of other detectors, whose settings a config inherits."""
    if isinstance(bbox_head, (list, tuple)):
        raise InputError(
            f'a detector with {len(bbox_head)} box heads (CascadeRoIHead, of Cascade R-CNN) cannot be '
            'guided: choose one with a StandardRoIHead, Faster R-CNN or Mask R-CNN with a pyramid'
        )
    if others.get('shared_head') is not None:
        raise InputError(
            f'a detector with the shared head {others["shared_head"].get("type")} (a C4 detector) cannot be '
            'guided: choose one with a feature pyramid'
        )


def target_probability(logits: Tensor, use_sigmoid: bool) -> Tensor:
    """Probability of the target class from (..., 2) logits (target, background) or (..., 1) with sigmoid."""
    if use_sigmoid:
        return logits[..., 0].sigmoid()
    return functional.softmax(logits, dim=-1)[..., 0]

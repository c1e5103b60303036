"""Query-guided RPN (GlobalTrack, Eq. 1 and 2): mmdet's RPN on features correlated with the target."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.task_modules.samplers import PseudoSampler
from mmengine.config import ConfigDict
from mmengine.model import ModuleList
from torch import Tensor

from mmgtrack.models.layers import DynamicCorrelation
from mmgtrack.models.layers.sample_draws import drawing_for
from mmgtrack.models.pairs import Detections
from mmgtrack.models.proposals import select_proposals
from mmgtrack.registry import MODELS


@MODELS.register_module()
class QueryRPNHead(RPNHead):
    """RPN whose input maps are modulated by kernels made from each target's RoI feature.

    Args:
        correlation: config without channels; default type ``DynamicCorrelation``.
        share_levels: one correlation for all levels; the official code has one a level, each fed with
            the same RoI feature.
        Everything else as in mmdet's ``RPNHead``, whose state-dict keys stay as they are.
    """

    def __init__(
        self,
        in_channels: int,
        correlation: dict | None = None,
        share_levels: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        self._kept_anchors: tuple[Any, list[Tensor]] = (None, [])
        num_levels = self.prior_generator.num_levels
        config = {'type': 'mmgtrack.DynamicCorrelation', **(correlation or {}), 'channels': in_channels}
        # mmengine's list, through which init_weights reaches its modules
        self.correlations: Sequence[DynamicCorrelation] = ModuleList(  # type: ignore[assignment]
            MODELS.build(config) for _ in range(1 if share_levels else num_levels)
        )

    def fold(self) -> None:
        """For inference: multiply f_out into each target's kernel."""
        for correlation in self.correlations:
            correlation.folds_queries = True

    def encode(self, targets: Tensor) -> Tensor:
        """Kernels (M, L, O, C / groups, k, k) of RoI features (M, C, R, R); L is 1 if levels share."""
        inputs = targets.to(self.rpn_conv.weight.dtype)
        kernels = [c.generate(inputs) for c in self.correlations]
        return torch.stack(kernels, dim=1).to(targets.dtype)

    def modulate(self, features: Sequence[Tensor], kernels: Tensor, frames: Tensor) -> list[Tensor]:
        """Target p in frame ``frames[p]``: per level (N, C, H, W) to (P, C, H, W)."""
        return [
            self._correlation(level).forward_pairs(x, self._kernel(kernels, level), frames)
            for level, x in enumerate(features)
        ]

    def propose(self, maps: Sequence[Tensor], limits: Tensor, cfg: ConfigDict) -> Detections:
        """Proposals of modulated maps (P, C, H, W) a level; limits: (P, 4) of ``box_limits``."""
        # decoded in full precision, whatever the convolutions compute in
        scores, deltas = ([level.to(limits.dtype) for level in out] for out in self(maps))
        return self.propose_from(scores, deltas, limits, cfg)

    @torch.no_grad()
    def propose_from(
        self, scores: Sequence[Tensor], deltas: Sequence[Tensor], limits: Tensor, cfg: ConfigDict
    ) -> Detections:
        """Proposals of the head's raw outputs, detached. cfg: nms_pre, nms, max_per_img, min_bbox_size."""
        sizes = tuple(tuple(level.shape[-2:]) for level in scores)
        anchors = self._anchors(sizes, scores[0].dtype, scores[0].device)
        return select_proposals(scores, deltas, anchors, self.bbox_coder, limits, cfg)

    def _anchors(self, sizes: tuple, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        """Anchors of maps of these sizes; kept until another size is asked for, as a video has one."""
        key = (sizes, dtype, device)
        if self._kept_anchors[0] != key:
            grid = self.prior_generator.grid_priors(list(sizes), dtype=dtype, device=device)
            self._kept_anchors = key, grid
        return self._kept_anchors[1]

    def get_targets(self, *args: Any, **kwargs: Any) -> tuple:
        """mmdet's targets, weighted so that the loss is the mean over pairs of each pair's own loss.

        Each query's terms are divided by its own number of sampled anchors (official code), or of
        positive ones where nothing is sampled (focal loss), then weighted by
        ``img_meta['loss_weight']``, which sums to 1 over the batch.
        """
        labels, label_weights, targets, target_weights, _ = super().get_targets(*args, **kwargs)
        metas = kwargs['batch_img_metas'] if 'batch_img_metas' in kwargs else args[3]
        share = label_weights[0].new_tensor([meta['loss_weight'] for meta in metas])
        if isinstance(self.sampler, PseudoSampler):
            counted = sum((w[..., 0] > 0).sum(1) for w in target_weights)
        else:
            counted = sum((w > 0).sum(1) for w in label_weights)
        factor = (share / counted.clamp(min=1))[:, None]
        label_weights = [w * factor for w in label_weights]
        target_weights = [w * factor[..., None] for w in target_weights]
        return labels, label_weights, targets, target_weights, 1.0

    def _get_targets_single(self, *args: Any, **kwargs: Any) -> tuple:
        """mmdet's, whose sampler draws from the key of the query, ``img_meta['draw_key']``."""
        meta = kwargs['img_meta'] if 'img_meta' in kwargs else args[3]
        with drawing_for(meta.get('draw_key'), stage=0):
            return super()._get_targets_single(*args, **kwargs)

    def _correlation(self, level: int) -> DynamicCorrelation:
        return self.correlations[level % len(self.correlations)]

    def _kernel(self, kernels: Tensor, level: int) -> Tensor:
        return kernels[:, level % len(self.correlations)]

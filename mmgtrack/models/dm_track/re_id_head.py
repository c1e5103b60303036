"""Re-identification: an embedding for every box, of the same pass as the detections.

The authors of DMTrack published no re-id head: their figure lets the embedding branch off the backbone and
their text trains it jointly with the detector. This one follows the practice of JDE and FairMOT, with one
difference. Those read one cell at an object's centre; look-alikes differ in details, so the box's cells keep
their places here.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmcv.ops import RoIAlign
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.geometry import clip_boxes
from mmgtrack.registry import MODELS

_MIN_SCALE = math.sqrt(2)
"""Of the classifier's logits: with three identities or fewer, JDE's scale would not exceed log(2)."""


@MODELS.register_module()
class ReIDHead(BaseModule):
    """Embeddings of boxes, read from the backbone: equal objects lie close, all others far away.

    Backbone maps are merged at the finest stride (1x1 convolutions, upsampled and added), refined by a 3x3
    convolution, and pooled over each box into a small grid; a linear layer turns the grid into D numbers.
    The norm behind the last convolution centres the map: where all values are positive, all boxes look alike.

    Args:
        in_channels, strides: of the backbone's outputs, finest first.
        channels: of the merged map.
        embed_dims: D.
        num_identities: classes of the identity loss, ``ClipDataset.num_identities``; 0: no such loss.
        grid_size: cells of the grid along a box's sides.
        temperature: divides the cosines in the metric loss (ours: common with normalised embeddings).
        norm_cfg: norms of the convolutions.
        loss_identity: config of the classification loss; identities of -1 do not count.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int = 128,
        embed_dims: int = 128,
        num_identities: int = 0,
        grid_size: int = 4,
        temperature: float = 0.1,
        norm_cfg: dict[str, Any] | None = None,
        loss_identity: dict[str, Any] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != len(strides) or list(strides) != sorted(set(strides)) or not strides:
            raise InputError(
                'the re-id head needs a stride for each input, finest first, got '
                f'in_channels={list(in_channels)} and strides={list(strides)}'
            )
        self.stride = strides[0]
        self.num_identities = num_identities
        self.temperature = temperature
        norm = norm_cfg or dict(type='BN')
        self.lateral_convs = ModuleList(
            ConvModule(width, channels, 1, norm_cfg=norm, inplace=False) for width in in_channels
        )
        self.map_conv = ConvModule(channels, channels, 3, padding=1, norm_cfg=norm, act_cfg=None)
        self.roi_align = RoIAlign(grid_size, 1 / self.stride, sampling_ratio=2)
        self.embedding = nn.Linear(channels * grid_size**2, embed_dims)
        self.classifier = nn.Linear(embed_dims, num_identities) if num_identities else None
        self.loss_identity = MODELS.build(
            loss_identity or dict(type='mmdet.CrossEntropyLoss', ignore_index=-1, avg_non_ignore=True)
        )

    def read(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (N, channels, H, W) at the finest stride, of the backbone's outputs; no target is involved."""
        *finer, coarsest = (conv(level) for conv, level in zip(self.lateral_convs, features, strict=True))
        merged = coarsest
        for level in reversed(finer):
            # not nearest: what a box gets would depend on where it lies in a coarse cell
            merged = level + functional.interpolate(merged, size=level.shape[-2:], mode='bilinear')
        refined: Tensor = self.map_conv(merged)
        return refined

    def embed(self, maps: Tensor, boxes: Tensor, frames: Tensor) -> Tensor:
        """Embeddings (R, D) of unit length, at least float32.

        maps: (N, C, H, W) of ``read``; boxes: (R, 4) xyxy network pixels, clipped to the map; frames: (R,)
        image of each. A box without a size, with nan in it, or upside down gets some embedding of finite
        numbers.
        """
        # in half precision a coordinate of 1000 is off by pixels
        precise = torch.promote_types(maps.dtype, torch.float32)
        inside = clip_boxes(boxes.detach().to(precise).nan_to_num(), self._size_of(maps))
        ends = torch.maximum(inside[:, :2], inside[:, 2:])
        rois = torch.cat([frames[:, None].to(precise), inside[:, :2], ends], dim=1)
        pooled = self.roi_align(maps.to(precise), rois).flatten(1)
        vectors = self.embedding(pooled.to(self.embedding.weight.dtype))
        return functional.normalize(vectors.to(precise), dim=1)

    def _size_of(self, maps: Tensor) -> tuple[int, int]:
        """(height, width) in network pixels."""
        return maps.shape[-2] * self.stride, maps.shape[-1] * self.stride

    def loss(self, embeddings: Tensor, identities: Tensor, instances: Tensor) -> dict[str, Tensor]:
        """``loss_metric``, and ``loss_identity`` where there are identities to classify.

        embeddings: (n, D) of unit length; identities: (n,) int64, -1 where unknown; instances: (n,) int64,
        equal for the same object in this batch. Equal identities are one object, too; all others are
        different ones, also boxes of no object, each with an instance of its own. Losses are 0, with a
        gradient of 0, where there is nothing to learn.

        Raises InputError for an identity that the head has no class for.
        """
        # outside of autocast: half precision has three digits, and scales of ten make them two
        with torch.autocast(embeddings.device.type, enabled=False):
            losses = {'loss_metric': self._metric(embeddings, identities, instances)}
            if self.classifier is not None:
                losses['loss_identity'] = self._classify(embeddings, identities)
        return losses

    def _classify(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """Cross-entropy over all identities of the training data, with the scale of JDE and FairMOT."""
        assert self.classifier is not None
        if len(identities) and int(identities.max()) >= self.num_identities:
            raise InputError(
                f'a target has the identity {int(identities.max())}, but the re-id head was built with '
                f"num_identities={self.num_identities}: set it to the data set's num_identities"
            )
        scale = max(math.sqrt(2) * math.log(max(self.num_identities - 1, 1)), _MIN_SCALE)
        return self.loss_identity(self.classifier(scale * embeddings), identities)

    def _metric(self, embeddings: Tensor, identities: Tensor, instances: Tensor) -> Tensor:
        """log(1 + sum over positives p and negatives n of exp((cos n - cos p) / temperature)), the mean of
        all embeddings that have both (Pang et al., Quasi-Dense Similarity Learning, CVPR 2021).

        The double sum is a product of two sums. mmdet's ``MultiPosCrossEntropyLoss`` adds up n * n numbers
        for each embedding, which thousands of look-alikes do not allow.
        """
        same = (instances[:, None] == instances) | ((identities[:, None] == identities) & (identities >= 0))
        others = ~torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
        rows = (same & others).any(1) & ~same.all(1)
        if not rows.any():
            return embeddings.sum() * 0
        scores = embeddings[rows] @ embeddings.T / self.temperature
        positive, negative = (same & others)[rows], ~same[rows]
        nearest = scores.masked_fill(~negative, -math.inf).logsumexp(1)
        farthest = (-scores).masked_fill(~positive, -math.inf).logsumexp(1)
        return functional.softplus(nearest + farthest).mean()

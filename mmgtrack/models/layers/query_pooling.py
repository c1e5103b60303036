"""The features of targets, from the pyramid of the frame that shows them."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures.bbox import bbox2roi
from torch import Tensor


def pool_targets(extractor: Any, pyramid: Sequence[Tensor], boxes: list[Tensor]) -> Tensor:
    """RoI features (M, C, R, R) of all targets, each from the level of its size.

    extractor: mmdet's ``SingleRoIExtractor``; pyramid: maps (N, C, H, W) a level; boxes: (M_n, 4) network
    pixels in the n-th image.
    """
    # mmdet casts boxes to the features' type: in half precision a coordinate of 1000 moves by pixels
    precise = torch.promote_types(pyramid[0].dtype, torch.float32)
    pooled: Tensor = extractor([x.to(precise) for x in pyramid], bbox2roi(boxes))
    return pooled

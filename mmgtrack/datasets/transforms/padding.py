"""Samples and pixels that are padding."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, Compose

from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RejectPadded(BaseTransform):
    """Give the sample up where the network would see nothing but padding (official STARK).

    The network samples ``mask`` at every ``stride``-th pixel, from the first. If all of these are padding,
    the result is None and ``ClipDataset`` draws the sample anew: attention to nothing would be nan.

    Args:
        stride: pixels of the crop a cell of the feature map.
    """

    def __init__(self, stride: int = 16) -> None:
        self.stride = stride

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        return None if results['mask'][:: self.stride, :: self.stride].all() else results


@TRANSFORMS.register_module()
class KeepPadding(BaseTransform):
    """Run transforms that change colours, then put the pixels of the padding back.

    Padding is black when tracking; most changes of brightness would make it grey.

    Args:
        transforms: configs of the transforms; they must leave the geometry alone.
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]]) -> None:
        self.transforms = Compose([TRANSFORMS.build(dict(transform)) for transform in transforms])

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        before = results['img'].copy()
        changed = self.transforms(results)
        if changed is not None and changed['mask'].any():
            changed['img'] = np.where(changed['mask'][..., None], before, changed['img'])
        return changed

"""One training sample: an image for each role of one video."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor


class _Array(NamedTuple):
    """A tensor on its way between processes."""

    values: np.ndarray


class ClipSample(BaseDataElement):
    """Annotations of one clip sample; the images travel beside it as ``inputs[role]``.

    Data fields, all keyed by role name ('query', 'search', 'template', ...):

    - ``instances``: ``dict[str, InstanceData]`` with ``bboxes`` (n, 4) float32 xyxy pixels of the role's
      image, ``ids`` (n,) int64 that name the same object in every role, ``identities`` (n,) int64 that name
      it in the whole training set, -1 where it has no such number, ``labels`` (n,) int64 zeros.
    - ``masks``: ``dict[str, Tensor]`` of (h, w) bool, True where the role's image is padding. Only there if
      the pipelines cut crops that reach over the border.

    Meta fields, keyed by role: ``img_shape[role]`` (h, w) after the pipeline, ``scale[role]`` its pixels a
    pixel of the stored frame, ``flip[role]`` whether it is mirrored, ``source[role]`` the file,
    ``clip[role]`` and ``frame[role]`` the sequence that it is from and the place in it. For the sample:
    ``source_name``, the data set; ``broken_images``, by file what is wrong with each image that was drawn
    first and could not be read.
    A ``BaseDataElement`` rather than a dataclass, because mmengine's data preprocessors move only those
    to the device.
    """

    @property
    def instances(self) -> dict[str, InstanceData]:
        return self._instances

    @instances.setter
    def instances(self, value: dict[str, InstanceData]) -> None:
        self.set_field(value, '_instances', dtype=dict)

    @property
    def masks(self) -> dict[str, Tensor]:
        return self._masks

    @masks.setter
    def masks(self, value: dict[str, Tensor]) -> None:
        self.set_field(value, '_masks', dtype=dict)

    def to(self, *args: Any, **kwargs: Any) -> 'ClipSample':
        """Move what every role has; the base class moves direct fields only."""
        moved = super().to(*args, **kwargs)
        if '_instances' in self:
            moved.instances = {r: i.to(*args, **kwargs) for r, i in self.instances.items()}
        if '_masks' in self:
            moved.masks = {r: m.to(*args, **kwargs) for r, m in self.masks.items()}
        return moved

    def __getstate__(self) -> dict[str, Any]:
        """For the way between processes: torch would open shared memory for each of a dozen small tensors."""
        state = dict(self.__dict__)
        if '_instances' in state:
            state['_instances'] = {
                role: (instances.metainfo, {name: _packed(value) for name, value in instances.items()})
                for role, instances in self.instances.items()
            }
        if '_masks' in state:
            state['_masks'] = {role: _packed(mask) for role, mask in self.masks.items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if '_instances' in state:
            self.__dict__['_instances'] = {
                role: InstanceData(
                    metainfo=metainfo, **{name: _unpacked(value) for name, value in fields.items()}
                )
                for role, (metainfo, fields) in state['_instances'].items()
            }
        if '_masks' in state:
            self.__dict__['_masks'] = {role: _unpacked(mask) for role, mask in state['_masks'].items()}


def role_padding(images: Tensor, data_samples: Sequence[ClipSample], role: str) -> Tensor:
    """(B, h, w) bool, where a role's images (B, 3, h, w) are padding; nowhere if the samples do not say."""
    nowhere = images.new_zeros(images.shape[-2:], dtype=torch.bool)
    masks = [sample.masks[role] if role in sample.get('masks', {}) else nowhere for sample in data_samples]
    return torch.stack([mask.to(images.device) for mask in masks])


def _packed(value: Any) -> Any:
    """A plain tensor in the processor's memory as an array; anything else as it is."""
    plain = isinstance(value, Tensor) and value.device.type == 'cpu' and not value.requires_grad
    return _Array(value.numpy()) if plain and value.dtype != torch.bfloat16 else value


def _unpacked(value: Any) -> Any:
    return torch.from_numpy(value.values) if isinstance(value, _Array) else value

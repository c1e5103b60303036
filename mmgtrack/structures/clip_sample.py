"""One training sample: an image for each role of one video."""

from typing import Any

from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor


class ClipSample(BaseDataElement):
    """Annotations of one clip sample; the images travel beside it as ``inputs[role]``.

    Data fields, all keyed by role name ('query', 'search', 'template', ...):

    - ``instances``: ``dict[str, InstanceData]`` with ``bboxes`` (n, 4) float32 xyxy pixels of the role's
      image, ``ids`` (n,) int64 that name the same object in every role, ``labels`` (n,) int64 zeros.
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

"""From pictures to network input: one object for training batches and for frames of a video."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.geometry import ResizeRule, resize_image, resize_tensor
from mmgtrack.registry import MODELS


@dataclass(frozen=True)
class View:
    """A frame as the network sees it, and the way back.

    image: (3, h, w) uint8 (or float, from a device tensor) in the channel order of the frame.
    size: (height, width) of the frame in pixels.
    scale: (x, y) network pixels a frame pixel.
    """

    image: Tensor
    size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the resized image."""
        return self.image.shape[-2], self.image.shape[-1]

    def factors(self, like: Tensor) -> Tensor:
        """(4,) factors that turn frame pixels xyxy into network pixels."""
        return like.new_tensor(self.scale * 2)


@MODELS.register_module()
class ClipDataPreprocessor(BaseDataPreprocessor):
    """Resize (frames only), reorder, normalise and pad images, role by role.

    Args:
        mean, std: per channel, RGB order when ``bgr_to_rgb``, grey levels 0..255.
        bgr_to_rgb: whether to reverse the channels.
        pad_size_divisor: sides are padded to a multiple of this, right and bottom, with 0 after
            normalising (official GlobalTrack, test transform).
        resize: (long, short) sides that frames are fitted into; training images come resized.
        single_scale: boxes follow the one factor that the resize rule asks for (official GlobalTrack), not
            the sizes that rounding to whole pixels gives each axis.
        pad_mask, batch_augments: of mmdet's ``DetDataPreprocessor``, whose place this takes in a zoo
            config; boxes need neither.
    """

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),  # ImageNet, as in mmdet's zoo configs
        std: Sequence[float] = (58.395, 57.12, 57.375),
        bgr_to_rgb: bool = True,
        pad_size_divisor: int = 32,
        resize: tuple[int, int] = (1333, 800),
        single_scale: bool = False,
        pad_mask: bool = False,
        batch_augments: Sequence[dict] | None = None,
    ) -> None:
        super().__init__()
        del pad_mask, batch_augments
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), persistent=False)
        self.bgr_to_rgb = bgr_to_rgb
        self.pad_size_divisor = pad_size_divisor
        self.resize = ResizeRule(*resize)
        self.single_scale = single_scale
        # on a CPU 1.05x for ResNet-50 and 1.5x for MobileNetV2: docs/benchmarks.md
        self.memory_format = torch.channels_last
        self.resize_on_device = False

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Move, normalise and pad a collated batch.

        data: ``inputs[role]`` a list of B tensors (3, h, w) uint8, ``data_samples`` a list of B
        ``ClipSample``. Returns the same with ``inputs[role]`` (B, 3, H, W) floating; the unpadded
        sizes stay in each sample's ``img_shape[role]``.
        """
        data = self.cast_data(data)  # type: ignore[assignment]
        data['inputs'] = {role: self.batch(images) for role, images in data['inputs'].items()}
        return data

    def view(self, frame: np.ndarray | Tensor) -> View:
        """Resize one frame (H, W, 3), uint8 on the host or any type on the device.

        With ``resize_on_device`` a host frame is resized on the model's device, without rounding to grey
        levels as OpenCV does.
        """
        size = self.check_frame(frame)
        target = self.resize.new_size(size)
        scale = self._scale(size, target)
        if isinstance(frame, np.ndarray) and self.resize_on_device:
            frame = torch.from_numpy(np.ascontiguousarray(frame))
        if isinstance(frame, Tensor):
            image = frame.to(self.mean.device, non_blocking=True).permute(2, 0, 1)
            if target != size:
                image = resize_tensor(image[None].to(self.mean.dtype), target)[0]
            return View(image, size, scale)
        resized = np.ascontiguousarray(resize_image(frame, target))
        return View(torch.from_numpy(resized).permute(2, 0, 1), size, scale)

    def check_frame(self, frame: np.ndarray | Tensor) -> tuple[int, int]:
        """(height, width) of a frame; InputError where it is none."""
        if frame.ndim != 3 or frame.shape[-1] != 3 or 0 in frame.shape:
            raise InputError(f'a frame must be (height, width, 3), got shape {tuple(frame.shape)}')
        if not isinstance(frame, Tensor) and frame.dtype != np.uint8:
            raise InputError(f'a frame must be uint8, got {frame.dtype}')
        return int(frame.shape[0]), int(frame.shape[1])

    def normalise(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) of one size, any dtype, in the channel order of frames, for the network."""
        images = images.flip(1) if self.bgr_to_rgb else images
        return images.to(self.mean.dtype).sub_(self.mean).div_(self.std)

    def _scale(self, size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float]:
        if self.single_scale:
            return (self.resize.factor(size),) * 2
        return target[1] / size[1], target[0] / size[0]

    def padded(self, shape: tuple[int, int]) -> tuple[int, int]:
        """(H, W) after padding an image of (h, w)."""
        height, width = (-(-side // self.pad_size_divisor) * self.pad_size_divisor for side in shape)
        return height, width

    def batch(self, images: Sequence[Tensor]) -> Tensor:
        """Normalise and pad images (3, h, w) to the largest of them: (N, 3, H, W) of the model's dtype."""
        height, width = self.padded((max(i.shape[-2] for i in images), max(i.shape[-1] for i in images)))
        batch = torch.zeros(
            (len(images), 3, height, width), dtype=self.mean.dtype, device=self.mean.device
        ).contiguous(memory_format=self.memory_format)
        for slot, image in zip(batch, images, strict=True):
            inside = slot[:, : image.shape[-2], : image.shape[-1]]
            image = image.to(slot.device, non_blocking=True)  # as bytes: a quarter of the traffic
            inside.copy_(image.flip(0) if self.bgr_to_rgb else image)
            inside.sub_(self.mean).div_(self.std)
        return batch

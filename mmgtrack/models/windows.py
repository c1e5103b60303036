"""Windows of frames as network input: the cut, for targets of any number of frames and videos."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.geometry import WindowRule, crop_image, crop_tensor
from mmgtrack.models.data_preprocessor import ClipDataPreprocessor

Frame = np.ndarray | Tensor


@dataclass(frozen=True)
class Windows:
    """Windows of M targets.

    frames: the frame of each target; sizes: (M, 2) int64, its width and height. places: (M, 3) int64 x1, y1,
    side in frame pixels. images: (M, 3, size, size) normalised; padding: (M, size, size) bool, True outside
    the frame.
    """

    frames: Sequence[Frame]
    sizes: Tensor
    places: Tensor
    images: Tensor
    padding: Tensor


def cut_windows(
    preprocessor: ClipDataPreprocessor, frames: Sequence[Frame], boxes: Tensor, rule: WindowRule
) -> Windows:
    """Windows around boxes (M, 4) float64 xyxy, one in each of M frames (H, W, 3).

    Frames on the host are cut by OpenCV, those on a device there, and so are the host's where the
    preprocessor has ``resize_on_device``; pixels are the same.
    """
    device = preprocessor.mean.device
    sizes = [preprocessor.check_frame(frame) for frame in frames]
    places = rule.windows(boxes)
    crops, padding, start = [], [], 0
    for _, group in groupby(frames, key=id):
        same = list(group)
        part = _cut_frame(same[0], places[start : start + len(same)], rule.size, preprocessor)
        crops.append(part[0].to(device, non_blocking=True))
        padding.append(part[1].to(device, non_blocking=True))
        start += len(same)
    images = torch.cat(crops).permute(0, 3, 1, 2)  # channels-last as it is
    return Windows(
        frames=frames,
        sizes=torch.tensor([(width, height) for height, width in sizes], device=device),
        places=places,
        images=preprocessor.normalise(images),
        padding=torch.cat(padding),
    )


def _cut_frame(
    frame: Frame, places: Tensor, size: int, preprocessor: ClipDataPreprocessor
) -> tuple[Tensor, Tensor]:
    """(m, size, size, 3) and padding (m, size, size) of m windows of one frame."""
    if isinstance(frame, Tensor):
        if frame.dtype != torch.uint8 and not frame.is_floating_point():
            raise InputError(f'a frame on a device must be uint8 or floating, got {frame.dtype}')
        if not frame.is_cpu or frame.dtype != torch.uint8:
            return crop_tensor(frame.to(places.device), places, size)
        frame = frame.numpy()
    if preprocessor.resize_on_device:
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(places.device, non_blocking=True)
        return crop_tensor(image, places, size)
    crops, padding = zip(*(crop_image(frame, (x, y, s), size) for x, y, s in places.tolist()), strict=True)
    return torch.from_numpy(np.stack(crops)), torch.from_numpy(np.stack(padding))

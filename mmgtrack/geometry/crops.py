"""Square windows around a target, cut out and resized: STARK's rule (official sample_target)."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from mmgtrack.errors import InputError

_EXACT = 1e-9  # of a side: what a width loses when a box is kept by its corners
_LARGE = 2  # of the image's longer side
_ONE = 2048  # OpenCV's linear resize has 11 bits for a weight


@dataclass(frozen=True)
class WindowRule:
    """A square window of ``factor`` times the box's mean side, resized to ``size`` pixels a side.

    STARK: factor 2 and size 128 for templates, 5 and 320 for search regions (section 4.1).
    """

    factor: float
    size: int

    def __post_init__(self) -> None:
        if not (self.factor > 0 and self.size > 0):
            raise InputError(f'a window needs factor > 0 and size > 0, got {self.factor} and {self.size}')

    def windows(self, boxes: Tensor) -> Tensor:
        """(M, 3) int64 x1, y1, side of the windows around boxes (M, 4) float64 xyxy pixels.

        Sides are rounded up, corners to the nearest pixel, halves to the even one (official code). Windows
        reach over the frame's border; a side is at least one pixel.
        """
        sizes = boxes[:, 2:] - boxes[:, :2]
        sides = sizes.prod(1).clamp(min=0).sqrt() * self.factor
        sides = (sides - sides * _EXACT).ceil().clamp(min=1)
        corners = (boxes[:, :2] + sizes * 0.5 - sides[:, None] * 0.5).round()
        return torch.cat([corners, sides[:, None]], dim=1).long()


def crop_image(image: np.ndarray, window: tuple[int, int, int], size: int) -> tuple[np.ndarray, np.ndarray]:
    """A window of an image (H, W, 3) uint8 on the host: (size, size, 3) uint8, and its padding.

    window: x1, y1, side in pixels. Outside the image the window is black; where it ends on the last column
    or row or beyond, that one is black too (official code). Padding is (size, size) bool, True wherever a
    pixel is made of black ones, however little.
    """
    x1, y1, side = window
    height, width = image.shape[:2]
    if side > _LARGE * max(height, width):  # mostly black: as it is cut on a device no black need be made
        pixels = torch.from_numpy(np.ascontiguousarray(image))  # a mirrored view is none to torch
        crops, padding = crop_tensor(pixels, torch.tensor([window]), size)
        return crops[0].numpy(), padding[0].numpy()
    columns, rows = _inside(x1, side, width), _inside(y1, side, height)
    if rows.all() and columns.all():
        crop = image[y1 : y1 + side, x1 : x1 + side]
    else:
        crop = np.zeros((side, side, image.shape[2]), dtype=image.dtype)
        if rows.any() and columns.any():
            (top, bottom), (left, right) = _ends(rows), _ends(columns)
            crop[top:bottom, left:right] = image[y1 + top : y1 + bottom, x1 + left : x1 + right]
    resized = cv2.resize(np.ascontiguousarray(crop), (size, size))
    padding = _padded(rows, size)[:, None] | _padded(columns, size)[None]
    return resized, padding


def crop_tensor(image: Tensor, windows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Windows (M, 3) of one image (H, W, 3) on its device: (M, size, size, 3) and padding (M, size, size).

    A uint8 image gives uint8 windows, equal to those of ``crop_image`` to the bit; a floating one gives
    floating windows of its dtype, without rounding.
    """
    columns = _Taps.along(windows[:, 0], windows[:, 2], image.shape[1], size, clamped=True)
    rows = _Taps.along(windows[:, 1], windows[:, 2], image.shape[0], size, clamped=False)
    upper, lower = (_row(image, rows.pixels[tap], rows.shown[tap], columns) for tap in (0, 1))
    low, high = rows.weights[..., None, None]
    if upper.is_floating_point():
        crops = (upper * low + lower * high) / _ONE**2
    else:  # the shifts are OpenCV's, so that 16-bit arithmetic is enough
        crops = ((low * (upper >> 4) >> 16) + (high * (lower >> 4) >> 16) + 2) >> 2
    padding = rows.padded[:, :, None] | columns.padded[:, None]
    return crops.to(image.dtype), padding


def box_in_frame(predicted: Tensor, boxes: Tensor, windows: Tensor) -> Tensor:
    """Boxes (M, 4) predicted inside windows, in frame pixels; all float64 but ``windows``.

    predicted: (M, 4) xyxy in parts of the window; boxes: (M, 4) xyxy frame pixels that the windows were made
    around; windows: (M, 3). The window's centre is taken to be the box's own: that its corner was rounded to
    whole pixels is not corrected for (official code).
    """
    sides = windows[:, 2:].to(boxes.dtype)
    centres = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    return (predicted - 0.5) * sides + centres.repeat(1, 2)


def boxes_to_window(boxes: Tensor, windows: Tensor, size: int) -> Tensor:
    """Boxes (..., 4) xyxy frame pixels, in pixels of their windows (..., 3) resized to ``size``.

    A box moves as the pixels below it do. The official rules of STARK, ``boxes_in_crop`` and
    ``box_in_frame``, do not know that windows begin at whole pixels: of a target that is 6 pixels wide this
    is up to 8 % of its width.
    """
    return (boxes - windows[..., [0, 1, 0, 1]]) / (windows[..., 2:].to(boxes.dtype) / size)


def boxes_from_window(boxes: Tensor, windows: Tensor, size: int) -> Tensor:
    """The way back: boxes (..., 4) xyxy in pixels of windows (..., 3) as frame pixels."""
    return boxes * (windows[..., 2:].to(boxes.dtype) / size) + windows[..., [0, 1, 0, 1]]


def clip_with_margin(boxes: Tensor, sizes: Tensor, margin: float) -> Tensor:
    """Boxes (M, 4) xyxy so that at least ``margin`` pixels of each side are inside the frame.

    sizes: (M, 2) width and height of each box's frame. The width and height are at least ``margin``, which
    can let a box end beyond the border (official clip_box). Frames smaller than the margin count in full.
    """
    sizes = sizes.to(boxes.dtype)
    margins = sizes.clamp(max=margin)
    low = torch.minimum(boxes[:, :2].clamp(min=0), sizes - margins)
    high = torch.minimum(torch.maximum(boxes[:, 2:], margins), sizes)
    return torch.cat([low, low + torch.maximum(high - low, margins)], dim=1)


def _inside(start: int, side: int, limit: int) -> np.ndarray:
    """(side,) bool: which columns or rows of a window show the image."""
    positions = np.arange(start, start + side)
    last = limit - 1 if start + side >= limit else limit  # official: a window that ends there loses it
    return (positions >= 0) & (positions < last)


def _ends(inside: np.ndarray) -> tuple[int, int]:
    shown = np.flatnonzero(inside)
    return int(shown[0]), int(shown[-1]) + 1


def _padded(inside: np.ndarray, size: int) -> np.ndarray:
    """(size,) bool: which of the resized columns or rows are made of padding, however little."""
    if inside.all():
        return np.zeros(size, dtype=bool)
    return cv2.resize((~inside).astype(np.float64)[None], (size, 1))[0] > 0


@dataclass(frozen=True)
class _Taps:
    """OpenCV's linear resize along one axis of M windows: two pixels for each of the new ones.

    pixels: (2, M, size) int64, inside the image; shown: (2, M, size) bool, False where the window is black;
    weights: (2, M, size) int32, in parts of 2048; padded: (M, size) bool, where black counts.
    """

    pixels: Tensor
    shown: Tensor
    weights: Tensor
    padded: Tensor

    @classmethod
    def along(cls, starts: Tensor, sides: Tensor, limit: int, size: int, clamped: bool) -> '_Taps':
        """clamped: OpenCV moves what lies before the first or behind the last column on to it, so that it has
        all of the weight; rows share theirs between the same row twice, which rounds differently."""
        last = sides[:, None] - 1
        scales = 1 / (size / sides.double())  # in this order in OpenCV
        places = (torch.arange(size, device=starts.device) + 0.5) * scales[:, None] - 0.5
        places = places.float()
        first = places.floor()
        share = places - first
        if clamped:
            share = share.where((first >= 0) & (first < last), share.new_zeros(()))
        taps = torch.stack([first, first + 1]).long().clamp(min=0).minimum(last)
        pixels = taps + starts[:, None]
        end = torch.where(starts + sides >= limit, limit - 1, limit)[:, None]  # see _inside
        shown = (pixels >= 0) & (pixels < end)
        weights = torch.stack([1 - share, share])
        padded = (~shown & (weights > 0)).any(0)
        return cls(pixels.clamp(0, limit - 1), shown, (weights * _ONE).round().int(), padded)


def _row(image: Tensor, rows: Tensor, shown: Tensor, columns: _Taps) -> Tensor:
    """(M, size, size, 3): rows (M, size) of the image along x, in 2048ths; black unless shown."""
    weights = columns.weights * columns.shown
    left, right = (
        _computable(image[rows[:, :, None], pixels[:, None]])
        * (weight[:, None] * shown[:, :, None])[..., None]
        for pixels, weight in zip(columns.pixels, weights, strict=True)
    )
    return left + right


def _computable(pixels: Tensor) -> Tensor:
    """Integers that hold the products, or at least single precision."""
    if not pixels.is_floating_point():
        return pixels.int()
    return pixels.float() if pixels.dtype in (torch.float16, torch.bfloat16) else pixels

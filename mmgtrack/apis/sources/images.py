"""One image in the form that trackers take: (H, W, 3) uint8 BGR."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmgtrack.errors import InputError, SourceError

# Float images come in two ranges and nothing in the array says which. A [0, 255] image that stays below 2
# is black to the eye, so everything below is read as [0, 1] with some overshoot of a resize or a filter.
_UNIT_LIMIT = 2.0
_OVERSHOOT = 0.25


def to_bgr8(image: Any) -> np.ndarray:
    """Convert an image to (H, W, 3) uint8 BGR; an image that is so already is returned as it is.

    image: numpy array (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA (alpha is dropped), of dtype
    uint8, uint16 (full range scaled to 8 bit, 65535 -> 255) or float in [0, 1] or [0, 255].

    Raises InputError for any other type, shape, dtype or range.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(f'a frame must be a numpy array (H, W, 3) in BGR order, got {type(image).__name__}')
    channels = 1 if image.ndim == 2 else image.shape[-1]
    if image.ndim not in (2, 3) or channels not in (1, 3, 4) or image.size == 0:
        raise InputError(
            f'a frame must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got shape {image.shape}'
        )
    image = _to_uint8(image)
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if channels == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    return image


def read_image(path: Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 BGR, turned upright as its EXIF tag says.

    Raises SourceError that names the file if it is missing, empty, or no image.
    """
    try:
        # decoded from memory: OpenCV's own file reader fails on non-ASCII paths under Windows
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise SourceError(f'{path}: cannot read the frame: {error.strerror or error}') from error
    image = None
    if data.size:
        try:
            image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        except cv2.error:  # raised instead of returning None for sizes OpenCV refuses
            image = None
    if image is None:
        raise SourceError(f'{path}: not a readable image ({data.size} bytes); the file is damaged')
    try:
        return to_bgr8(image)
    except InputError as error:
        raise SourceError(f'{path}: {error}') from error


def _to_uint8(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257
    if np.issubdtype(image.dtype, np.floating):
        return _float_to_uint8(image)
    raise InputError(f'a frame must be uint8, uint16 or float, got dtype {image.dtype}')


def _float_to_uint8(image: np.ndarray) -> np.ndarray:
    low, high = float(image.min()), float(image.max())
    full = 1.0 if high < _UNIT_LIMIT else 255.0
    # written so that nan fails too
    if not (low >= -_OVERSHOOT * full and high <= max(_UNIT_LIMIT, (1 + _OVERSHOOT) * full)):
        raise InputError(
            f'a float frame must have finite values in [0, 1] or [0, 255], got {low:.4g} to {high:.4g}'
        )
    scaled = image.astype(np.float32) * np.float32(255.0 / full)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

"""What a picture lies on when it is smaller than the canvas: another picture, and parts of it."""

import cv2
import numpy as np

LEAST_TILE = 0.25
"""Of the canvas: sides of the picture that fills a margin, at least; smaller ones make a pattern."""
MOST_TILE = 4
"""Canvases that a tile is long at most: of a picture that is much longer than wide, a part does."""
LEAST_PART = 0.1
"""Of the picture: sides of the part that a decoy shows, at least."""


def mirrored_tiles(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fill (height, width) with a picture at a random scale, at most the canvas's, from a random place on.

    picture: (H, W, 3) uint8. It is mirrored about its edges as often as it takes.
    """
    cover = max(size[0] / picture.shape[0], size[1] / picture.shape[1])
    factor = cover * np.exp(np.random.uniform(np.log(LEAST_TILE), 0))
    most = [int(np.ceil(MOST_TILE * length / factor)) for length in size]
    picture = picture[: most[0], : most[1]]
    sides = [max(1, round(side * factor)) for side in picture.shape[:2]]
    tile = cv2.resize(picture, (sides[1], sides[0]), interpolation=cv2.INTER_AREA)
    shift = [np.random.uniform(0, 2 * side) for side in sides]
    rows, columns = (
        _mirrored(np.arange(length) + int(start), side)
        for length, start, side in zip(size, shift, sides, strict=True)
    )
    return np.ascontiguousarray(tile[rows[:, None], columns])


def put_decoy(picture: np.ndarray, canvas: np.ndarray, least: float) -> None:
    """Draw a random part of a picture anywhere on the canvas, which is changed.

    picture, canvas: (H, W, 3) uint8; least: smallest longer side of what is drawn, in pixels. The longer
    side is uniform in log scale, up to half of the canvas's; what reaches over its edges is cut off.
    """
    side = float(np.exp(np.random.uniform(np.log(least), np.log(max(canvas.shape[:2]) / 2))))
    share = np.exp(np.random.uniform(np.log(LEAST_PART), 0))
    height, width = (max(1, int(length * share)) for length in picture.shape[:2])
    top, left = (
        np.random.randint(full - part + 1)
        for full, part in zip(picture.shape[:2], (height, width), strict=True)
    )
    factor = side / max(height, width)
    extent = [max(1, round(length * factor)) for length in (height, width)]
    part = cv2.resize(
        picture[top : top + height, left : left + width],
        (extent[1], extent[0]),
        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
    )
    y, x = (np.random.randint(full) for full in canvas.shape[:2])
    place = canvas[y : y + extent[0], x : x + extent[1]]
    place[:] = part[: place.shape[0], : place.shape[1]]


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
    """Indices of a row that goes forth and back for ever."""
    return np.minimum(index % (2 * length), 2 * length - 1 - index % (2 * length))

"""Overlap as the VOT toolkit computes it: both regions drawn into pixels, then counted.

After vot/region/raster.py of vot-toolkit 0.7.4. Numbers are rounded to whole pixels, half to even, as
float32; a box covers x to x+w-1 and y to y+h-1. Regions are drawn on the rectangle round both of them, cut to
the image. Where that rectangle has at most one column or row the overlap is 1 before the cut (as for two
regions without a shape) and 0 after it. A region without a shape has no pixel but the bounds 0, 0, 0, 0.
"""

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.vot_regions import SHAPE, Regions

FARTHEST = 2**31
"""Pixels; numbers beyond are cut to this, which is far outside any image."""


def frame_overlaps(
    name: str, result: Regions, truth: Regions, image_size: tuple[int, int] | None
) -> np.ndarray:
    """(N,) float64 overlap in every frame of the run ``name``.

    Raises DataError where result and truth differ in length or the size of the images is unknown.
    """
    if len(result) != len(truth):
        raise DataError(f'{name}: expected {len(truth)} regions, one for each frame, got {len(result)}')
    return raster_overlaps(result, truth, known_size(name, image_size))


def known_size(name: str, image_size: tuple[int, int] | None) -> tuple[int, int]:
    """Raises DataError where the annotations do not tell the size."""
    if image_size is None:
        raise DataError(
            f'{name}: the size of the images is unknown; put the images beside groundtruth.txt, or width= '
            'and height= into a file "sequence"'
        )
    return image_size


def raster_overlaps(one: Regions, other: Regions, image_size: tuple[int, int]) -> np.ndarray:
    """(N,) float64 share of common pixels among all pixels of two regions a frame.

    image_size: (width, height) in pixels.
    """
    first, second = _spans(one), _spans(other)
    bounds, others = _bounds(first, one), _bounds(second, other)
    around = _join(np.minimum(bounds, others), np.maximum(bounds, others))
    raster = _join(np.maximum(around, 0), np.minimum(around, np.tile(image_size, 2) - 1))
    cut, other_cut = _intersect(first, raster), _intersect(second, raster)
    common = _areas(_intersect(cut, other_cut))
    union = _areas(cut) + _areas(other_cut) - common
    overlaps = common / np.maximum(union, 1)
    thin = _is_thin(raster)
    for frame in sorted({*one.polygons, *other.polygons}):
        if not thin[frame]:
            shapes = (one.polygons.get(frame), first[frame]), (other.polygons.get(frame), second[frame])
            masks = [_draw(polygon, span, raster[frame]) for polygon, span in shapes]
            pixels = np.count_nonzero(masks[0] | masks[1])
            overlaps[frame] = np.count_nonzero(masks[0] & masks[1]) / max(pixels, 1)
    overlaps[thin] = 0
    overlaps[_is_thin(around)] = 1
    return overlaps


def fill_polygon(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """(height, width) bool pixels of a polygon, by the toolkit's scan lines.

    corners: (P, 2) whole numbers x, y. Each row is filled between the crossings with the edges, both ends
    included; crossings are cut towards 0, and of two equal ones the first is passed over unless it is last
    but one.
    """
    rows = np.arange(height)
    before = np.roll(corners, 1, axis=0)
    (x, y), (step, rise) = corners.T, (before - corners).T
    flat = rise == 0  # the crossing is the corner
    low, high = np.minimum(y, before[:, 1]), np.maximum(y, before[:, 1])
    crossed = (low <= rows[:, None]) & (rows[:, None] <= high)
    nodes = x + (rows[:, None] - y) / np.where(flat, 1, rise) * np.where(flat, 0, step)
    nodes = nodes.astype(np.int64)
    nodes = np.sort(np.where(crossed, nodes, np.iinfo(nodes.dtype).max), axis=1)
    count = crossed.sum(axis=1)
    edges = np.zeros((height, width + 1), int)  # +1 where a stretch of pixels starts, -1 behind its end
    at = np.zeros(height, int)
    rows = rows[at < count - 1]
    while len(rows):
        left, right = nodes[rows, at[rows]], nodes[rows, at[rows] + 1]
        passed = (left == right) & (at[rows] < count[rows] - 2)
        drawn = ~passed & (left < width) & (right >= 0)
        edges[rows[drawn], np.maximum(left[drawn], 0)] += 1
        edges[rows[drawn], np.minimum(right[drawn], width - 1) + 1] -= 1
        at[rows] += np.where(passed, 1, 2)
        rows = rows[(left < width) & (at[rows] < count[rows] - 1)]
    return np.cumsum(edges, axis=1)[:, :-1] > 0


def _spans(regions: Regions) -> np.ndarray:
    """(N, 4) int64 first and last column and row: left, top, right, bottom; without a shape -1 ends them."""
    spans = np.tile(np.array([0, 0, -1, -1]), (len(regions), 1))
    is_box = ~np.isnan(regions.boxes[:, 0])
    boxes = _whole(regions.boxes[is_box])
    spans[is_box] = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1], axis=1)
    for frame, corners in regions.polygons.items():
        whole = _whole(corners)
        spans[frame] = [*whole.min(axis=0), *whole.max(axis=0)]
    return spans


def _whole(numbers: np.ndarray) -> np.ndarray:
    return np.round(np.clip(numbers, -FARTHEST, FARTHEST).astype(np.float32)).astype(np.int64)


def _bounds(spans: np.ndarray, regions: Regions) -> np.ndarray:
    return np.where((regions.codes == SHAPE)[:, None], spans, 0)


def _join(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.concatenate([low[:, :2], high[:, 2:]], axis=1)


def _intersect(spans: np.ndarray, others: np.ndarray) -> np.ndarray:
    return _join(np.maximum(spans, others), np.minimum(spans, others))


def _areas(spans: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(spans[:, 2:] - spans[:, :2] + 1, 0), axis=1)


def _is_thin(spans: np.ndarray) -> np.ndarray:
    return np.any(spans[:, :2] >= spans[:, 2:], axis=1)


def _draw(polygon: np.ndarray | None, span: np.ndarray, raster: np.ndarray) -> np.ndarray:
    width, height = raster[2:] - raster[:2] + 1
    if polygon is not None:
        return fill_polygon(_whole(polygon) - raster[:2], width, height)
    columns, rows = np.arange(width) + raster[0], np.arange(height)[:, None] + raster[1]
    return (span[0] <= columns) & (columns <= span[2]) & (span[1] <= rows) & (rows <= span[3])

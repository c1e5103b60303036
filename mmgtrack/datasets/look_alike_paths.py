"""Where a target and its look-alikes go: they meet, hide behind walls, leave the frame and come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from mmgtrack.errors import InputError

STRIDE = 12
"""Frames from one point of a path to the next: half a second at the usual frame rates."""
_STEP = (0.8, 2.2)  # extents from point to point: 3 to 7 pixels a frame for objects of 40 pixels
_SPACING = 1.5  # extents between any two objects in the first frame
_MARGIN = 0.6  # extents that points keep from the border
_OUTSIDE = 1.0  # extents beyond the border: nothing of the object is left in the frame
_LONG = 0.3  # share of absences that last for two points
_ROUNDING = np.hanning(STRIDE + 1)[1:-1]  # weights that round the corners of a path
_TRIES = 500  # for a path; a whole default clip takes 7, and at most 20 for seeds 0 to 999


@dataclass(frozen=True, eq=False)
class Scene:
    """Paths of M objects in N frames, object 0 being the target.

    - ``centres``: (N, M, 2) float64 x, y in pixels.
    - ``walls``: (W, 4) int64 xyxy pixels of what everything passes behind.
    """

    centres: np.ndarray
    walls: np.ndarray


def plot_scene(
    rng: np.random.Generator, num_frames: int, num_objects: int, size: Sequence[int], extent: float
) -> Scene:
    """Draw paths for objects of ``extent`` pixels in frames of ``size`` (height, width).

    In an order drawn anew, as far as the clip is long enough: the target roams, stays behind a wall for up to
    two strides, and leaves the frame for up to two and comes back elsewhere along the border. Every
    look-alike meets it once, in the open, behind the wall or outside. In the first frame all are inside and
    apart, and the target is not near a wall.

    Raises InputError where the frames are too small for so many objects.
    """
    num_points = max(ceil((num_frames - 1) / STRIDE) + 1, 2)
    target, walls = _target_and_walls(rng, num_points, size, extent)
    paths = [target]
    for _ in range(num_objects - 1):
        starts = np.stack([path[0] for path in paths])
        paths.append(_look_alike(rng, target, starts, size, extent))
    return Scene(_rounded(np.stack(paths, axis=1), num_frames), walls)


def _target_and_walls(
    rng: np.random.Generator, num_points: int, size: Sequence[int], extent: float
) -> tuple[np.ndarray, np.ndarray]:
    """(P, 2) points of the target, and (2, 4) walls."""
    low, high = _inside(size, extent)
    for _ in range(_TRIES):
        events = _events(rng, num_points)
        points, wall = _target_path(rng, num_points, size, extent, events)
        decoy = _wall(rng, rng.uniform(0, 1, 2) * _sides(size), size, extent)
        walls = np.stack([wall, decoy])
        gaps = np.maximum(walls[:, :2] - points[0], points[0] - walls[:, 2:]).max(-1)
        if ((points[0] >= low) & (points[0] <= high)).all() and (gaps > extent).all():
            return points, walls
    raise InputError(f'a wall and objects of {extent:.0f} pixels do not fit into frames of size {size}')


def _look_alike(
    rng: np.random.Generator, target: np.ndarray, starts: np.ndarray, size: Sequence[int], extent: float
) -> np.ndarray:
    """(P, 2) points of a look-alike that is apart from the others' (M, 2) starts in the first frame."""
    low, high = _inside(size, extent)
    for _ in range(_TRIES):
        points = _walk(rng, target, int(rng.integers(1, len(target))), size, extent)
        apart = np.linalg.norm(starts - points[0], axis=-1) > _SPACING * extent
        if apart.all() and ((points[0] >= low) & (points[0] <= high)).all():
            return points
    raise InputError(
        f'{len(starts) + 1} objects of {extent:.0f} pixels do not fit into frames of size {size}'
    )


def _events(rng: np.random.Generator, num_points: int) -> dict[str, int]:
    """At which point each event begins; on a path that is too short, at its end."""
    begin, starts = 1, {}
    for name in rng.permutation(['roam', 'hide', 'leave']):
        starts[str(name)] = min(begin, num_points - 1)
        begin += 1 if name == 'roam' else 2
    return starts


def _target_path(
    rng: np.random.Generator, num_points: int, size: Sequence[int], extent: float, events: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(P, 2) points and the (4,) wall."""
    low, high = _inside(size, extent)
    points = _fold(rng.uniform(low, high) + _steps(rng, num_points - 1, extent), low, high)
    behind = points[events['hide'] :][: _stay(rng)]  # two points close to each other
    behind[:] = behind[0] + rng.uniform(-0.3, 0.3, behind.shape) * extent
    wall = _wall(rng, behind.mean(0), size, extent)
    outside = points[events['leave'] :][: _stay(rng)]
    axis, value = _nearest_outside(outside[0], size, extent)
    outside[:, axis] = value
    return points, wall


def _stay(rng: np.random.Generator) -> int:
    """How many points an absence takes."""
    return 2 if rng.random() < _LONG else 1


def _walk(
    rng: np.random.Generator, target: np.ndarray, meeting: int, size: Sequence[int], extent: float
) -> np.ndarray:
    """(P, 2) points of a look-alike that is where the target is at one point, drawn both ways from there."""
    low, high = _inside(size, extent)
    place = target[meeting] + rng.uniform(-0.3, 0.3, 2) * extent
    before = _fold(place + _steps(rng, meeting, extent), low, high)[:0:-1]
    after = _fold(place + _steps(rng, len(target) - 1 - meeting, extent), low, high)[1:]
    return np.concatenate([before, place[None], after])


def _steps(rng: np.random.Generator, count: int, extent: float) -> np.ndarray:
    """(count + 1, 2) way travelled from the first point on: a direction that turns little by little."""
    turns = np.cumsum(rng.normal(0, 0.6, count)) + rng.uniform(0, 2 * np.pi)
    lengths = rng.uniform(*_STEP, (count, 1)) * extent
    steps = lengths * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _wall(rng: np.random.Generator, centre: np.ndarray, size: Sequence[int], extent: float) -> np.ndarray:
    """(4,) wall, wide enough to hide an object whole and a few times as high, or the other way round."""
    sides = rng.permutation([rng.uniform(1.2, 1.6), rng.uniform(1.6, 2.8)]) * extent
    corners = np.concatenate([centre - sides / 2, centre + sides / 2])
    return np.rint(np.clip(corners, 0, np.tile(_sides(size), 2))).astype(int)


def _rounded(points: np.ndarray, num_frames: int) -> np.ndarray:
    """(N, M, 2) positions on the polygons through (P, M, 2) points, smoothed over time; the start stays."""
    columns = points.reshape(len(points), -1).T
    times = np.arange(num_frames) / STRIDE
    margin = len(_ROUNDING) // 2
    straight = [np.interp(times, np.arange(len(column)), column) for column in columns]
    padded = [np.pad(column, margin, 'reflect', reflect_type='odd') for column in straight]
    smooth = [np.convolve(column, _ROUNDING / _ROUNDING.sum(), 'valid') for column in padded]
    return np.stack(smooth, axis=-1).reshape(num_frames, *points.shape[1:])


def _fold(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Points that bounce at the borders."""
    room = high - low
    return low + np.abs((points - low + room) % (2 * room) - room)


def _nearest_outside(point: np.ndarray, size: Sequence[int], extent: float) -> tuple[int, float]:
    """Straight over the nearest border: which coordinate changes, and to what."""
    sides = _sides(size)
    end, axis = np.unravel_index(np.argmin([point, sides - point]), (2, 2))
    return int(axis), float(sides[axis] + _OUTSIDE * extent if end else -_OUTSIDE * extent)


def _inside(size: Sequence[int], extent: float) -> tuple[np.ndarray, np.ndarray]:
    return np.full(2, _MARGIN * extent), _sides(size) - _MARGIN * extent


def _sides(size: Sequence[int]) -> np.ndarray:
    """(width, height) of (height, width)."""
    return np.array([size[1], size[0]], dtype=float)

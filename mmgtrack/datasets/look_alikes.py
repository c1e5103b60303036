"""Seeded clips of a target among look-alikes, with exact boxes of all: does a tracker keep to the one?"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, pi, sin

import cv2
import numpy as np

from mmgtrack.datasets.look_alike_paths import plot_scene
from mmgtrack.datasets.synthetic import SyntheticClip, smooth_noise, texture
from mmgtrack.errors import InputError

MIN_VISIBLE = 0.3
"""Share of an object's pixels that must be seen for it to count as present."""
_EXTENT = (30, 42)  # pixels, longer side of the objects of a clip
_RATIO = (0.7, 1.0)  # shorter to longer side
_SIZES = (0.94, 1.06)  # of an object to the others of its clip
_SWELL, _TURN, _DIM = 0.10, 12.0, 0.15  # how far size, angle (degrees) and light swing to either side
_CONTRAST = 95  # of the pattern that all share, grey levels
_NOISE = 2.0  # grey levels, of each frame
_SHAPES = ('ellipse', 'cushion', 'figure')


@dataclass(frozen=True, eq=False)
class _Sprite:
    """colours: (h, w, 3) float32; alpha: (h, w) float32 in [0, 1]; swings: phases of size and angle."""

    colours: np.ndarray
    alpha: np.ndarray
    phases: np.ndarray


def look_alike_clip(
    seed: int = 0,
    num_look_alikes: int = 3,
    num_frames: int = 72,
    size: tuple[int, int] = (240, 320),
    detail: int = 40,
) -> SyntheticClip:
    """Draw a clip with M = 1 + ``num_look_alikes`` objects, the target first; same arguments, same bytes.

    All objects have one shape and one pattern, to which each adds details of its own; size, angle and light
    change a little over time. They meet, pass behind walls, and leave the frame and come back, the target
    too: see ``plot_scene``.

    An object is present where at least 0.3 of its pixels are seen, neither outside the frame nor behind a
    wall or another object. Its box then encloses all of it that is inside the frame, seen or covered; else
    the row is nan. The first frame shows the whole target.

    Args:
        seed: of everything that is drawn.
        num_look_alikes: objects that resemble the target.
        num_frames: N; the events of a clip take 61 frames.
        size: (height, width) of the frames in pixels.
        detail: contrast of each object's own details, in grey levels; the shared pattern has 95.

    Raises InputError where the objects do not fit into the frame.
    """
    if num_frames < 1 or num_look_alikes < 0:
        raise InputError(
            f'need num_frames >= 1 and num_look_alikes >= 0, got {num_frames} and {num_look_alikes}'
        )
    rng = np.random.default_rng(seed)
    extent = rng.uniform(*_EXTENT)
    sprites = _sprites(rng, 1 + num_look_alikes, extent, detail)
    scene = plot_scene(rng, num_frames, len(sprites), size, extent)
    still = _ground(rng, size)
    walls = [(box, _muted(texture(rng, (box[3] - box[1], box[2] - box[0]), 14, 45))) for box in scene.walls]
    order = rng.permutation(len(sprites))  # the last is nearest
    light_phase = rng.uniform(0, 2 * pi)
    frames = np.empty((num_frames, *size, 3), np.uint8)
    boxes = np.full((num_frames, len(sprites), 4), np.nan, np.float32)
    for frame in range(num_frames):
        canvas = _Canvas.on(still)
        for index in order:
            canvas.put(int(index), *_posed(sprites[index], scene.centres[frame, index], frame))
        for box, picture in walls:
            canvas.cover(box, picture)
        noise = rng.standard_normal(canvas.colours.shape, np.float32) * _NOISE
        light = 1 + _DIM * _swing(frame, light_phase, 50)
        frames[frame] = np.clip(canvas.colours * light + noise, 0, 255)
        boxes[frame] = canvas.boxes(len(sprites))
    return SyntheticClip(frames, boxes, np.isfinite(boxes[..., 0]))


@dataclass
class _Canvas:
    """A frame being drawn.

    colours: (H, W, 3) float32; owners: (H, W) int64, the object seen at each pixel, -1 for none; outlines:
    by object the (4,) box of its pixels, in the frame or not, and how many they are.
    """

    colours: np.ndarray
    owners: np.ndarray
    outlines: dict[int, tuple[np.ndarray, int]]

    @classmethod
    def on(cls, ground: np.ndarray) -> '_Canvas':
        return cls(ground.copy(), np.full(ground.shape[:2], -1), {})

    def put(self, index: int, colours: np.ndarray, alpha: np.ndarray, corner: np.ndarray) -> None:
        """Draw an object over what is there: colours (S, S, 3), alpha (S, S), the first pixel at x, y."""
        mask = alpha >= 0.5
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        outline = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        self.outlines[index] = outline + np.tile(corner, 2), int(mask.sum())
        height, width = self.owners.shape
        low = np.clip(corner, 0, (width, height))
        high = np.clip(corner + mask.shape[::-1], 0, (width, height))
        inside = _window(np.concatenate([low, high]))
        cut = _window(np.concatenate([low - corner, high - corner]))
        weight = alpha[cut][..., None]
        self.colours[inside] += weight * (colours[cut] - self.colours[inside])
        self.owners[inside][mask[cut]] = index

    def cover(self, box: np.ndarray, picture: np.ndarray) -> None:
        """Draw a wall over everything; box: (4,) xyxy inside the frame."""
        self.colours[_window(box)] = picture
        self.owners[_window(box)] = -1

    def boxes(self, count: int) -> np.ndarray:
        """(count, 4) boxes of the objects, cut at the border; nan where too little is seen."""
        seen = np.bincount(self.owners[self.owners >= 0], minlength=count)
        limits = np.tile(self.owners.shape[::-1], 2)
        boxes = np.full((count, 4), np.nan)
        for index, (outline, pixels) in self.outlines.items():
            if seen[index] >= MIN_VISIBLE * pixels:
                boxes[index] = np.clip(outline, 0, limits)
        return boxes


def _sprites(rng: np.random.Generator, count: int, extent: float, detail: int) -> list[_Sprite]:
    """Objects of one shape and pattern, each with its own details; extent: their longer side in pixels."""
    sides = np.array([extent, extent * rng.uniform(*_RATIO)])
    height, width = np.rint(sides if rng.random() < 0.7 else sides[::-1]).astype(int)
    alpha = _shape(str(rng.choice(_SHAPES)), height, width)
    pattern = _muted(texture(rng, (height, width), 10, _CONTRAST), 0.6)
    sprites = []
    for _ in range(count):
        own = smooth_noise(rng, (height, width), 6, detail)
        scale = rng.uniform(*_SIZES)
        scaled = cv2.resize(np.dstack([pattern + own, alpha]), None, fx=scale, fy=scale)
        colours = np.clip(scaled[..., :3], 0, 255)
        sprites.append(_Sprite(colours, scaled[..., 3], rng.uniform(0, 2 * pi, 2)))
    return sprites


def _shape(name: str, height: int, width: int) -> np.ndarray:
    """(height, width) float32 alpha: an ellipse, a box with round corners, or a head on a body."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    if name == 'figure':
        head, body = np.hypot(x / 0.45, (y + 0.65) / 0.33), np.hypot(x / 0.95, (y - 0.3) / 0.68)
        distance = np.minimum(head, body)
    else:
        power = 2 if name == 'ellipse' else 5
        distance = (abs(x) ** power + abs(y) ** power) ** (1 / power)
    return np.clip((1 - distance) * min(height, width) / 2 + 0.5, 0, 1).astype(np.float32)


def _posed(sprite: _Sprite, centre: np.ndarray, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours (S, S, 3), alpha (S, S) and upper left corner of an object with its centre at x, y."""
    height, width = sprite.alpha.shape
    scale = 1 + _SWELL * _swing(frame, sprite.phases[0], 60)
    angle = _TURN * _swing(frame, sprite.phases[1], 40)
    side = ceil(1.2 * np.hypot(height, width))
    corner = np.floor(centre - side / 2).astype(int)
    middle = (width - 1) / 2, (height - 1) / 2  # of its pixels' centres
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, angle, scale), float)
    matrix[:, 2] += centre - corner - 0.5 - middle
    colours = cv2.warpAffine(sprite.colours, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return colours, cv2.warpAffine(sprite.alpha, matrix, (side, side)), corner


def _swing(frame: int, phase: float, period: float) -> float:
    """A wave between -1 and 1."""
    return sin(2 * pi * frame / period + phase)


def _ground(rng: np.random.Generator, size: Sequence[int]) -> np.ndarray:
    """(H, W, 3) float32: large soft patches with a fine grain."""
    return _muted(texture(rng, size, 50, 60)) + _muted(smooth_noise(rng, size, 3, 12))


def _muted(picture: np.ndarray, colour: float = 0.25) -> np.ndarray:
    """float32 with the colours drawn towards grey, as most surfaces are; colour: the share that is left."""
    grey = picture.mean(-1, keepdims=True, dtype=np.float32)
    return grey + colour * (picture - grey)


def _window(box: np.ndarray) -> tuple[slice, slice]:
    x1, y1, x2, y2 = (int(value) for value in box)
    return slice(y1, y2), slice(x1, x2)

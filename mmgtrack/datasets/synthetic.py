"""Seeded synthetic clips with exact boxes, for tests and documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmgtrack.errors import InputError


@dataclass(frozen=True, eq=False)
class SyntheticClip:
    """N frames with M textured objects that move over a textured ground.

    - ``frames``: (N, H, W, 3) uint8 BGR.
    - ``boxes``: (N, M, 4) float32 xyxy pixels, exact (edges lie between pixels); nan rows where absent.
    - ``present``: (N, M) bool.
    """

    frames: np.ndarray
    boxes: np.ndarray
    present: np.ndarray


def synthetic_clip(
    num_frames: int = 12,
    size: tuple[int, int] = (96, 128),
    num_targets: int = 1,
    target_size: tuple[int, int] = (24, 20),
    num_lookalikes: int = 0,
    absences: Mapping[int, tuple[int, int]] | None = None,
    seed: int = 0,
) -> SyntheticClip:
    """Draw a clip; the same arguments give the same bytes.

    Rectangles move on straight lines and bounce at the border; later targets are drawn over earlier
    ones, look-alikes below all targets. A look-alike has the texture of target 0 turned upside down.

    Args:
        num_frames: N.
        size: (height, width) of the frames in pixels.
        num_targets: M.
        target_size: (height, width) of every rectangle in pixels.
        num_lookalikes: rectangles that resemble target 0 and are not annotated.
        absences: target index to (first, last + 1) frames in which it is not drawn.
        seed: seed of textures and paths.

    Raises InputError where a target does not fit into the frame.
    """
    if num_frames < 1 or num_targets < 1:
        raise InputError(f'need num_frames and num_targets >= 1, got {num_frames}, {num_targets}')
    if not (0 < target_size[0] < size[0] and 0 < target_size[1] < size[1]):
        raise InputError(f'target_size {target_size} does not fit into frames of size {size}')
    rng = np.random.default_rng(seed)
    ground = texture(rng, size, cell=8, contrast=40)
    textures = [texture(rng, target_size, cell=4, contrast=120) for _ in range(num_targets)]
    corners = _paths(rng, num_frames, num_targets + num_lookalikes, size, target_size)
    present = np.ones((num_frames, num_targets), dtype=bool)
    for target, (first, end) in (absences or {}).items():
        present[first:end, target] = False
    frames = np.repeat(ground[None], num_frames, axis=0)
    for frame in range(num_frames):
        for place in corners[frame, num_targets:]:
            _paste(frames[frame], textures[0][::-1], place)
        for target in np.flatnonzero(present[frame]):
            _paste(frames[frame], textures[target], corners[frame, target])
    return SyntheticClip(frames, _boxes(corners[:, :num_targets], target_size, present), present)


def write_sequence(clip: SyntheticClip, folder: str | Path) -> Path:
    """Write a clip as a sequence folder that SequenceFolder reads; lossless PNG frames.

    Several targets become ``groundtruth_1.txt``, ``groundtruth_2.txt``, ... Returns the folder.
    """
    folder = Path(folder)
    (folder / 'img').mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(clip.frames, start=1):
        cv2.imwrite(str(folder / 'img' / f'{number:06d}.png'), frame)
    num_targets = clip.boxes.shape[1]
    for target in range(num_targets):
        suffix = f'_{target + 1}' if num_targets > 1 else ''
        boxes = clip.boxes[:, target].astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        np.savetxt(folder / f'groundtruth{suffix}.txt', boxes, fmt='%g', delimiter=',')
        np.savetxt(folder / f'absent{suffix}.txt', ~clip.present[:, target], fmt='%d')
    return folder


def texture(rng: np.random.Generator, size: Sequence[int], cell: int, contrast: int) -> np.ndarray:
    """(H, W, 3) uint8 of ``smooth_noise`` about a random mean colour; size: (height, width)."""
    noise = smooth_noise(rng, size, cell, contrast)
    mean = rng.integers(contrast, 256 - contrast, 3)
    return np.clip(noise + mean, 0, 255).astype(np.uint8)


def smooth_noise(rng: np.random.Generator, size: Sequence[int], cell: int, contrast: int) -> np.ndarray:
    """(H, W, 3) float32 coloured noise about 0, of about +-``contrast``, smooth over ``cell`` pixels."""
    cells = rng.integers(-contrast, contrast + 1, (size[0] // cell + 2, size[1] // cell + 2, 3))
    return cv2.resize(cells.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def _paths(
    rng: np.random.Generator,
    num_frames: int,
    num_objects: int,
    size: Sequence[int],
    target_size: Sequence[int],
) -> np.ndarray:
    """(N, objects, 2) integer x, y of the upper left corners, bouncing at the border."""
    room = np.array([size[1] - target_size[1], size[0] - target_size[0]])
    start = rng.uniform(0, 1, (num_objects, 2)) * room
    speed = rng.uniform(0.02, 0.06, (num_objects, 2)) * room * rng.choice([-1, 1], (num_objects, 2))
    travelled = start + speed * np.arange(num_frames)[:, None, None]
    folded = np.abs((travelled + room) % (2 * room) - room)
    return np.rint(folded).astype(int)


def _paste(frame: np.ndarray, texture: np.ndarray, corner: np.ndarray) -> None:
    x, y = corner
    frame[y : y + texture.shape[0], x : x + texture.shape[1]] = texture


def _boxes(corners: np.ndarray, target_size: Sequence[int], present: np.ndarray) -> np.ndarray:
    extent = np.array([target_size[1], target_size[0]])
    boxes = np.concatenate([corners, corners + extent], axis=-1).astype(np.float32)
    boxes[~present] = np.nan
    return boxes

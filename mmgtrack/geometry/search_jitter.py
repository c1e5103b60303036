"""How boxes move when STARK's training crops are made (official code). Pure functions of float64 arrays."""

import numpy as np


def jittered_box(
    box: np.ndarray,
    normals: np.ndarray,
    uniforms: np.ndarray,
    scale_jitter: float = 0.5,
    centre_jitter: float = 4.5,
) -> np.ndarray:
    """The box (4,) xyxy that a search region is cut around, so that the target is not always in its middle.

    Width and height are multiplied by exp(``scale_jitter`` * ``normals``) independently; then the centre
    moves by up to half of ``centre_jitter`` mean sides of the new box along each axis.

    normals: (2,) draws from N(0, 1) for width and height; uniforms: (2,) from U(0, 1) for x and y.
    """
    size = (box[2:] - box[:2]) * np.exp(scale_jitter * normals)
    reach = np.sqrt(size.prod()) * centre_jitter
    centre = (box[:2] + box[2:]) / 2 + reach * (uniforms - 0.5)
    return np.concatenate([centre - size / 2, centre + size / 2])


def boxes_in_crop(boxes: np.ndarray, around: np.ndarray, side: int, size: int) -> np.ndarray:
    """Boxes (n, 4) xyxy of the frame in pixels of a crop, ``side`` frame pixels wide and resized to ``size``.

    around: (4,) the box that the crop was made around; its centre comes to lie at (size - 1) / 2, half a
    crop pixel beside the place where ``box_in_frame`` expects it when tracking (official code, both).
    """
    factor = size / side
    centre = (around[:2] + around[2:]) / 2
    return (boxes - np.tile(centre, 2)) * factor + (size - 1) / 2


def mirrored_boxes(boxes: np.ndarray, width: float, whole_pixels: bool = False) -> np.ndarray:
    """Boxes (n, 4) xyxy after mirroring an image of ``width`` from left to right: x becomes width - x.

    whole_pixels: x becomes (width - 1) - x, as if it were the number of a pixel; a box then lies a pixel
    beside its target (official STARK for whole frames, not for crops).
    """
    mirrored = boxes.copy()
    mirrored[..., [0, 2]] = width - int(whole_pixels) - boxes[..., [2, 0]]
    return mirrored

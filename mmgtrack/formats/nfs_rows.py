"""Rows of NfS (Need for Speed): corners, and often more of them than images."""

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import parse_rows

STEP = 8
"""Frames at 240 a second for one at 30: the text of the latter still has the rows of the former."""


def parse_corner_rows(text: str, where: str) -> np.ndarray:
    """(F, 4) float64 x, y, w, h of ``id left top right bottom frame lost occluded generated "label"`` rows.

    w = right - left without +1, as the GOT-10k toolkit reads them; the flags are used by no rule. Raises
    DataError with file and line.
    """
    corners = '\n'.join(' '.join(line.split()[1:5]) for line in text.rstrip().splitlines())
    boxes = parse_rows(corners, where)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def fit_to_images(boxes: np.ndarray, images: int, where: str) -> np.ndarray:
    """The rows that belong to the images: every eighth where there are about eight an image.

    One row more than images is cut, as by the GOT-10k toolkit. Raises DataError where they do not agree.
    """
    if len(boxes) != images and abs(len(boxes) / images - STEP) < 1:
        boxes = boxes[::STEP]
    if abs(len(boxes) - images) > 1:
        raise DataError(f'{where} has {len(boxes)} boxes for {images} images')
    return boxes[:images]

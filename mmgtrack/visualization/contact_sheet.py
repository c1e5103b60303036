"""Training samples side by side, as the network would see them."""

from collections.abc import Sequence as Items
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmgtrack.structures import ClipSample
from mmgtrack.visualization.draw import PALETTE

NEGATIVE = (40, 40, 230)
"""BGR frame around a role that does not show the target."""
PADDING, BACKGROUND = 70, 200
"""Grey levels of what lies outside the stored frame, and of the sheet."""
GAP, LINE = 8, 16
"""Pixels between samples, and for a line of text."""

_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4


def contact_sheet(samples: Items[dict[str, Any]], columns: int = 3, side: int = 400) -> np.ndarray:
    """(H, W, 3) uint8 BGR sheet of samples of a ``ClipDataset``, ``columns`` in a row.

    A sample's roles stand side by side, their longer sides at most ``side`` pixels. Above them: its number
    and where it comes from, the roles, the frame of the first, and by how many frames the others are away.
    """
    cells = [_cell(sample, side) for sample in samples]
    width = max(cell.shape[1] for cell in cells) + GAP
    rows = [cells[first : first + columns] for first in range(0, len(cells), columns)]
    return np.concatenate([_row(row, width * min(columns, len(cells)), width) for row in rows])


def draw_role(sample: dict[str, Any], role: str, side: int = 400) -> np.ndarray:
    """(h, w, 3) uint8 BGR picture of a role: boxes coloured by target, padding grey, negatives framed."""
    data: ClipSample = sample['data_samples']
    image = np.ascontiguousarray(sample['inputs'][role].numpy().transpose(1, 2, 0))
    mask = data.get('masks', {}).get(role)
    if mask is not None:
        image[mask.numpy()] = PADDING
    scale = min(1.0, side / max(image.shape[:2]))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    instances = data.instances[role]
    for box, target in zip(instances.bboxes.tolist(), instances.ids.tolist(), strict=True):
        x1, y1, x2, y2 = (round(value * scale) for value in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), PALETTE[target % len(PALETTE)], 2)
    if len(instances) == 0:
        cv2.rectangle(image, (0, 0), (image.shape[1] - 1, image.shape[0] - 1), NEGATIVE, 4)
    return image


def role_title(data: ClipSample, role: str) -> str:
    """Where a role's frame lies: its number, that relative to the first role's, or another clip."""
    first = next(iter(data.source))
    if _of_other_clip(data, role, first):
        return f'{role}: {data.clip[role]}'
    if role == first:
        return f'{data.frame[role]} {role}'
    return f'{data.frame[role] - data.frame[first]:+d} {role}'


def _of_other_clip(data: ClipSample, role: str, first: str) -> bool:
    """Clips of two data sets may have one name; then the folder tells a negative's apart."""
    folders = {Path(data.source[name]).parent for name in (role, first)}
    return data.clip[role] != data.clip[first] or (data.negative and len(folders) > 1)


def _row(cells: Items[np.ndarray], width: int, step: int) -> np.ndarray:
    """Cells side by side, ``step`` pixels from one to the next, on a strip as high as the highest."""
    height = max(cell.shape[0] for cell in cells) + GAP
    strip = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    for number, cell in enumerate(cells):
        strip[: cell.shape[0], number * step : number * step + cell.shape[1]] = cell
    return strip


def _cell(sample: dict[str, Any], side: int) -> np.ndarray:
    """A sample with its two lines of text."""
    data: ClipSample = sample['data_samples']
    pictures = {role: draw_role(sample, role, side) for role in sample['inputs']}
    height = max(picture.shape[0] for picture in pictures.values())
    width = sum(picture.shape[1] for picture in pictures.values())
    cell = np.full((2 * LINE + height, width, 3), BACKGROUND, dtype=np.uint8)
    kind, _, root = data.source_name.partition(' ')
    short_root = '/'.join(Path(root).parts[-2:])
    negative = 'negative, ' if data.negative else ''
    clip = next(iter(data.clip.values()))
    _write(cell, f'{data.sample_index}  {negative}{kind} {short_root}: {clip}', 0, 0, width)
    left = 0
    for role, picture in pictures.items():
        rows, columns = picture.shape[:2]
        _write(cell, role_title(data, role), left, LINE, columns)
        cell[2 * LINE : 2 * LINE + rows, left : left + columns] = picture
        left += columns
    return cell


def _write(image: np.ndarray, text: str, left: int, top: int, width: int) -> None:
    """One line of text, its end cut off where it is wider than ``width`` pixels."""
    text = text.encode('ascii', 'replace').decode()  # OpenCV's fonts have no more
    shown = text
    while cv2.getTextSize(shown, _FONT, _FONT_SCALE, 1)[0][0] > width - 4 and len(text) > 1:
        text = text[:-1]
        shown = f'{text}..'
    cv2.putText(image, shown, (left + 2, top + LINE - 5), _FONT, _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)

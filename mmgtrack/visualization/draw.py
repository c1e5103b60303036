"""Boxes, numbers and scores in a frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmgtrack.errors import InputError
from mmgtrack.structures import Tracks

Colour = tuple[int, int, int]
Corners = tuple[int, int, int, int]

# Okabe and Ito, Color Universal Design, 2008: told apart by the colour-blind; BGR, without black
PALETTE: tuple[Colour, ...] = (
    (0, 159, 230),  # orange
    (233, 180, 86),  # sky blue
    (115, 158, 0),  # bluish green
    (66, 228, 240),  # yellow
    (178, 114, 0),  # blue
    (0, 94, 213),  # vermillion
    (167, 121, 204),  # reddish purple
)

_DIM = 0.6  # weight of an absent target's ink over the picture
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels for one frame size."""

    line: int
    font_scale: float
    font_line: int
    dash: int


def draw_tracks(
    image: np.ndarray, tracks: Tracks, *, ids: Sequence[int] | None = None, show_absent: bool = True
) -> np.ndarray:
    """Return a copy of a frame with each target's box, number and score.

    image: (H, W, 3) uint8 BGR. tracks: N = 1, boxes in pixels of the frame.
    ids: a number for each of the M targets, default 1 to M; it also chooses the colour.
    show_absent: draw absent targets as a dim dashed box with the word "absent" instead of leaving them out.

    Raises InputError if tracks are not of one frame or ids are not M numbers.
    """
    ids = list(range(1, tracks.num_targets + 1)) if ids is None else list(ids)
    if len(tracks) != 1 or len(ids) != tracks.num_targets:
        raise InputError(
            f'draw_tracks needs the tracks of one frame and an id a target, got {len(tracks)} frames, '
            f'{tracks.num_targets} targets and {len(ids)} ids'
        )
    canvas = image.copy()
    style = _style(image.shape[0], image.shape[1])
    present, scores = tracks.present[0].tolist(), tracks.scores[0].tolist()
    found = [_corners(box, image, style) for box in tracks.boxes[0].tolist()]
    corners = {m: c for m, c in enumerate(found) if c is not None}
    absent = [m for m in corners if not present[m]] if show_absent else []
    for m in absent:
        _dashed_box(canvas, corners[m], _colour(ids[m]), style)
        _label(canvas, corners[m], f'{ids[m]}  absent {scores[m]:.2f}', _colour(ids[m]), style)
    if absent:  # dimmed together: blending a whole frame costs more than drawing
        canvas = cv2.addWeighted(canvas, _DIM, image, 1 - _DIM, 0)
    for m in corners:
        if present[m]:
            x1, y1, x2, y2 = corners[m]
            cv2.rectangle(canvas, (x1, y1), (x2, y2), _colour(ids[m]), style.line, cv2.LINE_AA)
            _label(canvas, corners[m], f'{ids[m]}  {scores[m]:.2f}', _colour(ids[m]), style)
    return canvas


def _colour(target_id: int) -> Colour:
    return PALETTE[(target_id - 1) % len(PALETTE)]


def _style(height: int, width: int) -> _Style:
    # ours: two pixels and readable text at 640 x 480, the same share of the picture at any size
    unit = max(1.0, min(height, width) / 480)
    line = max(1, round(2 * unit))
    return _Style(line=line, font_scale=0.5 * unit, font_line=max(1, round(unit)), dash=4 * line)


def _corners(box: Sequence[float], image: np.ndarray, style: _Style) -> Corners | None:
    """Integer corners, cut off just outside the frame so that OpenCV's coordinates cannot overflow."""
    if not np.isfinite(box).all():
        return None
    height, width = image.shape[:2]
    margin = 2 * style.line
    limits = (width + margin, height + margin, width + margin, height + margin)
    x1, y1, x2, y2 = (
        round(min(max(value, -margin), limit)) for value, limit in zip(box, limits, strict=True)
    )
    return x1, y1, x2, y2


def _dashed_box(canvas: np.ndarray, corners: Corners, colour: Colour, style: _Style) -> None:
    x1, y1, x2, y2 = corners
    for x in range(x1, x2, 2 * style.dash):
        end = min(x + style.dash, x2)
        cv2.line(canvas, (x, y1), (end, y1), colour, style.line)
        cv2.line(canvas, (x, y2), (end, y2), colour, style.line)
    for y in range(y1, y2, 2 * style.dash):
        end = min(y + style.dash, y2)
        cv2.line(canvas, (x1, y), (x1, end), colour, style.line)
        cv2.line(canvas, (x2, y), (x2, end), colour, style.line)


def _label(canvas: np.ndarray, corners: Corners, text: str, colour: Colour, style: _Style) -> None:
    """Text on a plate of the target's colour, above the box or, where that is cut off, inside it."""
    (text_width, text_height), base = cv2.getTextSize(text, _FONT, style.font_scale, style.font_line)
    height, width = canvas.shape[:2]
    pad = max(2, style.line)
    plate_height, plate_width = text_height + base + pad, text_width + 2 * pad
    left = max(0, min(corners[0], width - plate_width))
    top = corners[1] - plate_height
    if top < 0:
        top = max(0, min(corners[1], height - plate_height))
    cv2.rectangle(canvas, (left, top), (left + plate_width, top + plate_height), colour, cv2.FILLED)
    origin = (left + pad, top + text_height + pad // 2)
    cv2.putText(
        canvas, text, origin, _FONT, style.font_scale, _contrast(colour), style.font_line, cv2.LINE_AA
    )


def _contrast(colour: Colour) -> Colour:
    """Black on light colours, white on dark ones; weights of ITU-R BT.601 luma."""
    blue, green, red = colour
    return (0, 0, 0) if 0.114 * blue + 0.587 * green + 0.299 * red > 110 else (255, 255, 255)

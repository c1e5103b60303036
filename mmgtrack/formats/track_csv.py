"""The rows that ``mmgtrack track`` and ``mmgtrack test`` write."""

from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import parse_rows
from mmgtrack.formats.frame_numbers import frame_numbers

HEADER = 'frame,x,y,w,h,score,present'
_ROW = '%d,%.4f,%.4f,%.4f,%.4f,%.9g,%d\n'


def is_track_csv(text: str) -> bool:
    return text.startswith(HEADER)


@dataclass(frozen=True, eq=False)
class TrackRows:
    """Rows of F frames that follow each other.

    boxes: (F, 4) float64 x, y, w, h in pixels; scores: (F,) float64; present: (F,) bool; first: number of the
    first frame, from 0.
    """

    boxes: np.ndarray
    scores: np.ndarray
    present: np.ndarray
    first: int


def parse_track_csv(text: str, where: str) -> TrackRows:
    """A frame that the tracker calls absent has its best guess, as the rules expect a box in every row.

    Raises DataError with file and line, also where frames are left out: the rows of a live source may be.
    """
    header, _, rows = text.partition('\n')
    if header.strip() != HEADER:
        raise DataError(f'{where}, line 1: expected {HEADER}, got {header.strip()!r}')
    values = parse_rows(rows, where, len(HEADER.split(',')), first_line=2)
    frames = frame_numbers(values[:, 0], where, first_line=2)
    gaps = np.flatnonzero(np.diff(frames) != 1)
    if len(gaps):
        frame, follower = frames[gaps[0] : gaps[0] + 2]
        raise DataError(f'{where}: frame {frame} is followed by {follower}, not by the next one')
    return TrackRows(values[:, 1:5], values[:, 5], values[:, 6] != 0, int(frames[0]))


def format_track_csv(track: TrackRows) -> str:
    """Boxes to 1/10000 pixel; scores to the last digit of float32, as rules sort frames by them.

    Raises DataError for numbers that are not finite.
    """
    numbers = np.column_stack([track.boxes, track.scores])
    bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if len(bad):
        raise DataError(f'frame {track.first + bad[0]} is not finite: {numbers[bad[0]].tolist()}')
    numbers[:, :4] = np.where(np.abs(numbers[:, :4]) < 0.5e-4, 0.0, numbers[:, :4])  # no -0.0000
    frames = range(track.first, track.first + len(numbers))
    rows = zip(frames, numbers.tolist(), track.present.tolist(), strict=True)
    lines = [_ROW % (frame, *values, present) for frame, values, present in rows]
    return ''.join([f'{HEADER}\n', *lines])

"""OxUvA's labels: one a second for every object, boxes as shares of the image."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import parse_number
from mmgtrack.formats.frame_numbers import frame_number

FIELDS = (
    'video',
    'object',
    'class_id',
    'class_name',
    'contains_cuts',
    'always_visible',
    'frame_num',
    'object_presence',
    'xmin',
    'xmax',
    'ymin',
    'ymax',
)
TASK_FIELDS = ('video', 'object', 'init_frame', 'last_frame', 'xmin', 'xmax', 'ymin', 'ymax')
NO_BOX = (float('nan'),) * 4
Label = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class OxuvaTruth:
    """Labels of one object; the first one starts the tracker.

    name: ``<video>_<object>``. frames: (n,) int64 numbers, rising; present: (n,) bool; boxes: (n, 4) float64
    x1, y1, x2, y2 as shares of the image's width and height, nan where absent.
    """

    name: str
    video: str
    object: str
    frames: np.ndarray
    present: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class OxuvaTask:
    """Which object is to be tracked: from frame ``first`` to ``last``, both included.

    box: in the first frame, x1, y1, x2, y2 as shares of the image's width and height.
    """

    name: str
    video: str
    object: str
    first: int
    last: int
    box: tuple[float, float, float, float]


def parse_tasks(text: str, where: str) -> dict[str, OxuvaTask]:
    """Rows ``video,object,init_frame,last_frame,xmin,xmax,ymin,ymax`` by ``<video>_<object>``.

    A first row with the names of the columns is passed over. Raises DataError that names ``where`` and the
    line for anything malformed, and for a track that comes twice.
    """
    tasks: dict[str, OxuvaTask] = {}
    for line, row in csv_rows(text, where, TASK_FIELDS):
        if line == 1 and row[0] == 'video':
            continue
        video, obj = row[0].strip(), row[1].strip()
        name = f'{video}_{obj}'
        try:
            if name in tasks:
                raise ValueError(f'{name} a second time')
            first, last = frame_number(row[2]), frame_number(row[3])
            x1, x2, y1, y2 = parse_box(row[4:])
        except ValueError as error:
            raise DataError(f'{where}, line {line}: expected {",".join(TASK_FIELDS)}, got {error}') from error
        tasks[name] = OxuvaTask(name, video, obj, first, last, (x1, y1, x2, y2))
    return tasks


def parse_labels(text: str, where: str) -> dict[str, OxuvaTruth]:
    """Labels by ``<video>_<object>``, in the order of the file.

    A first row with the names of the columns is passed over. Raises DataError that names ``where`` and the
    line for anything malformed, for a label that comes twice, and for an empty file.
    """
    tracks: dict[str, tuple[tuple[str, str], dict[int, Label]]] = {}
    for line, row in csv_rows(text, where, FIELDS):
        if tuple(row) == FIELDS:
            continue
        track = row[0], row[1]
        known, labels = tracks.setdefault('_'.join(track), (track, {}))
        try:
            frame, label = frame_number(row[6]), _label(row[7].strip(), row[8:])
            if frame in labels:
                raise ValueError(f'frame {frame} of {",".join(track)} a second time')
            if known != track:
                raise ValueError(f'{",".join(track)}, whose name is also that of {",".join(known)}')
        except ValueError as error:
            raise DataError(f'{where}, line {line}: expected {",".join(FIELDS)}, got {error}') from error
        labels[frame] = label
    if not tracks:
        raise DataError(f'{where} is empty, expected rows {",".join(FIELDS)}')
    return {name: _truth(name, *track, labels) for name, (track, labels) in tracks.items()}


def csv_rows(text: str, where: str, fields: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows of as many columns as there are fields, with the numbers of their lines; empty lines are none.

    Raises DataError with the line for others, and for what is no CSV.
    """
    rows = csv.reader(text.splitlines())
    try:
        for row in rows:
            if row and len(row) != len(fields):
                raise csv.Error(f'{len(row)} columns')
            if row:
                yield rows.line_num, row
    except csv.Error as error:
        raise DataError(f'{where}, line {rows.line_num}: expected {",".join(fields)}, got {error}') from error


def parse_box(words: Sequence[str]) -> tuple[float, ...]:
    """xmin, xmax, ymin, ymax. Raises ValueError where they are not finite numbers."""
    box = tuple(map(parse_number, words))
    if not all(map(math.isfinite, box)):
        raise ValueError(f'the box {box}')
    return box


def _truth(name: str, video: str, obj: str, labels: Mapping[int, Label]) -> OxuvaTruth:
    frames = sorted(labels)
    columns = np.array([labels[frame] for frame in frames])
    return OxuvaTruth(
        name, video, obj, np.array(frames, np.int64), columns[:, 0] > 0, columns[:, [1, 3, 2, 4]]
    )


def _label(presence: str, words: list[str]) -> Label:
    """present, xmin, xmax, ymin, ymax. Raises ValueError."""
    if presence == 'absent':
        return (0.0, *NO_BOX)
    if presence != 'present':
        raise ValueError(f'object_presence {presence!r}')
    return (1.0, *parse_box(words))

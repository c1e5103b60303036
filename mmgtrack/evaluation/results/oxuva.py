"""OxUvA's prediction files: a CSV file a track, ``<video>_<object>.csv``."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.lookup import file_of
from mmgtrack.files import replacing
from mmgtrack.formats.frame_numbers import frame_number
from mmgtrack.formats.oxuva_labels import NO_BOX, csv_rows, parse_box

FIELDS = ('video', 'object', 'frame_num', 'present', 'score', 'xmin', 'xmax', 'ymin', 'ymax')
YES = frozenset({'t', 'true', 'y', 'yes', '1'})
NO = frozenset({'f', 'false', 'n', 'no', '0'})


@dataclass(frozen=True, eq=False)
class OxuvaPredictions:
    """What a tracker says about one object, in the order of the frames.

    frames: (n,) int64 numbers, rising; present: (n,) bool; scores: (n,) float64, higher is surer;
    boxes: (n, 4) float64 x1, y1, x2, y2 as shares of the image's width and height, nan where not present.
    """

    frames: np.ndarray
    present: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray


def read_predictions(results: ResultFiles, video: str, obj: str) -> OxuvaPredictions:
    """Raises MissingResultError, or DataError with file and line."""
    path = file_of(results, f'{video}_{obj}', '.csv')
    return parse_predictions(results.read_text(path), results.where(path), video, obj)


def parse_predictions(text: str, where: str, video: str, obj: str) -> OxuvaPredictions:
    """Rows of a file; a first row with the names of the columns may put these in any order.

    As in the official io_pred.py, the coordinates count only in rows that are present. Ours: rows of another
    track are refused, and a second row of a frame, of which the program takes the last without a word.
    Raises DataError that names ``where`` and the line.
    """
    fields: Sequence[str] = FIELDS
    found: dict[int, tuple[float, ...]] = {}
    for line, row in csv_rows(text, where, FIELDS):
        if line == 1 and sorted(row) == sorted(FIELDS):
            fields = row
            continue
        try:
            values = dict(zip(fields, row, strict=True))
            if (values['video'], values['object']) != (video, obj):
                raise ValueError(f'track {values["video"]},{values["object"]} in the file of {video},{obj}')
            frame, prediction = _parse_row(values)
            if frame in found:
                raise ValueError(f'frame {frame} a second time')
        except ValueError as error:
            raise DataError(f'{where}, line {line}: expected {",".join(FIELDS)}, got {error}') from error
        found[frame] = prediction
    frames = sorted(found)
    columns = np.array([found[frame] for frame in frames], dtype=float).reshape(-1, 6)
    return OxuvaPredictions(
        np.array(frames, dtype=np.int64), columns[:, 0] > 0, columns[:, 1], columns[:, [2, 4, 3, 5]]
    )


def _parse_row(values: dict[str, str]) -> tuple[int, tuple[float, ...]]:
    """Frame, and present, score, xmin, xmax, ymin, ymax."""
    present = parse_flag(values['present'])
    box = parse_box([values[name] for name in FIELDS[5:]]) if present else NO_BOX
    return frame_number(values['frame_num']), (float(present), float(values['score']), *box)


def parse_flag(word: str) -> bool:
    """The words that the official program takes for yes and no. Raises ValueError for others."""
    word = word.strip().lower()
    if word not in YES | NO:
        raise ValueError(f'{word!r} where true or false belongs')
    return word in YES


def write_predictions(
    path: str | os.PathLike[str], video: str, obj: str, predictions: OxuvaPredictions
) -> None:
    """A prediction file without header, as the official program writes it; zeros where not present."""
    lines = []
    for frame, present, score, box in zip(
        predictions.frames, predictions.present, predictions.scores, predictions.boxes, strict=True
    ):
        x1, y1, x2, y2 = (float(value) for value in box) if present else (0, 0, 0, 0)
        flag = 'true' if present else 'false'
        lines.append(f'{video},{obj},{frame},{flag},{float(score)!r},{x1!r},{x2!r},{y1!r},{y2!r}\n')
    with replacing(path) as file:
        file.write(''.join(lines).encode())

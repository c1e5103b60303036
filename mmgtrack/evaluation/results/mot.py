"""MOT text: rows ``frame,id,x,y,w,h,...`` of several targets, frames counted from 1."""

import os
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.files import replacing
from mmgtrack.formats.box_rows import count_columns, parse_rows
from mmgtrack.formats.frame_numbers import frame_numbers

MIN_COLUMNS = 6  # what follows x, y, w, h differs between files
_LARGEST_ID = 2**53  # above it a float64 is no longer the number that was written
MARK_COLUMN = 6  # in the truth 0 for a box that is not to be looked for, in a result the score


@dataclass(frozen=True, eq=False)
class MotRows:
    """Boxes of several targets, in the order of the file.

    frames: (n,) int64 from 1; ids: (n,) int64; boxes: (n, 4) float64 x, y, w, h;
    marks: (n,) float64, the seventh column; 1 where the file has none.
    """

    frames: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray
    marks: np.ndarray

    def chosen(self, rows: np.ndarray) -> 'MotRows':
        """Those rows that the (n,) bool ask for."""
        return MotRows(self.frames[rows], self.ids[rows], self.boxes[rows], self.marks[rows])


def read_mot(results: ResultFiles, name: str) -> MotRows:
    """Of ``<name>.txt`` in any folder, or of ``<name>/gt/gt.txt``; an empty file has no boxes.

    Raises MissingResultError where there is neither, otherwise DataError with file and line.
    """
    endings = (f'/{name}.txt', f'/{name}/gt/gt.txt')
    found = [path for path in results.paths if f'/{path}'.endswith(endings)]
    if not found:
        raise MissingResultError(f'{results.source} has no result of {name}: expected a file {name}.txt')
    if len(found) > 1:
        raise DataError(f'{results.source} has several results of {name}: {", ".join(found)}')
    return parse_mot(results.read_text(found[0]), results.where(found[0]))


def parse_mot(text: str, where: str) -> MotRows:
    """Raises DataError that names ``where`` and the line, also where a frame holds an id twice."""
    if not text.strip():
        return MotRows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    columns = max(count_columns(text), MIN_COLUMNS)
    rows = parse_rows(text, where, columns)
    frames, ids = frame_numbers(rows[:, 0], where, first=1), rows[:, 1]
    sound = (ids == np.floor(ids)) & (abs(ids) <= _LARGEST_ID) & np.isfinite(rows[:, 2:6]).all(1)
    if not sound.all():
        line = int(np.argmin(sound))
        raise DataError(
            f'{where}, line {line + 1}: expected frame,id,x,y,w,h with a whole id, got '
            f'{rows[line, :6].tolist()}'
        )
    keys = np.stack([frames, ids.astype(np.int64)], axis=1)
    unique, first = np.unique(keys, axis=0, return_index=True)
    if len(unique) < len(keys):
        line = int(np.setdiff1d(np.arange(len(keys)), first)[0])
        raise DataError(f'{where}, line {line + 1}: frame {keys[line, 0]} holds id {keys[line, 1]} twice')
    marks = rows[:, MARK_COLUMN] if columns > MARK_COLUMN else np.ones(len(rows))
    return MotRows(keys[:, 0], keys[:, 1], rows[:, 2:6], marks)


def write_mot(path: str | os.PathLike[str], rows: MotRows) -> None:
    """Ten columns as of MOTChallenge: the seventh is the mark, the last three are -1."""
    lines = [
        f'{frame},{target},{",".join(repr(float(value)) for value in box)},{float(mark):g},-1,-1,-1\n'
        for frame, target, box, mark in zip(rows.frames, rows.ids, rows.boxes, rows.marks, strict=True)
    ]
    with replacing(path) as file:
        file.write(''.join(lines).encode())

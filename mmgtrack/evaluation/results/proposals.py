"""Lists of boxes for every frame: text files ``<sequence>.txt`` with rows ``frame,x,y,w,h,score``."""

import os
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.lookup import file_of
from mmgtrack.files import replacing
from mmgtrack.formats.box_rows import parse_rows
from mmgtrack.formats.frame_numbers import frame_numbers


@dataclass(frozen=True, eq=False)
class Proposals:
    """Boxes of one sequence, frame after frame, in each the best first.

    frames: (n,) int64 from 0; boxes: (n, 4) float64 x, y, w, h; scores: (n,) float64. In files frames
    count from 1, as everywhere in files of tracking benchmarks.
    """

    frames: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def read_proposals(results: ResultFiles, name: str) -> Proposals:
    """Raises MissingResultError, or DataError with file and line."""
    path = file_of(results, name, '.txt')
    return parse_proposals(results.read_text(path), results.where(path))


def parse_proposals(text: str, where: str) -> Proposals:
    """Rows in any order: they are sorted by frame and score; equal scores stay in the order of the file.

    An empty file has no boxes at all. Raises DataError that names ``where`` and the line.
    """
    rows = parse_rows(text, where, 6) if text.strip() else np.zeros((0, 6))
    frames, sound = frame_numbers(rows[:, 0], where, first=1), np.isfinite(rows).all(1)
    if not sound.all():
        line = int(np.argmin(sound))
        raise DataError(f'{where}, line {line + 1}: expected frame,x,y,w,h,score, got {rows[line].tolist()}')
    order = np.lexsort((-rows[:, 5], frames))
    return Proposals(frames[order] - 1, rows[order, 1:5], rows[order, 5])


def write_proposals(path: str | os.PathLike[str], proposals: Proposals) -> None:
    """A file that reads back to the same numbers."""
    lines = [
        f'{frame + 1},{",".join(repr(float(value)) for value in (*box, score))}\n'
        for frame, box, score in zip(proposals.frames, proposals.boxes, proposals.scores, strict=True)
    ]
    with replacing(path) as file:
        file.write(''.join(lines).encode())

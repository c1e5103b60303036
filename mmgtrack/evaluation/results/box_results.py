"""One tracker's boxes, whatever the layout and the kind of its files."""

import numpy as np

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.results.box_index import SCORES, TIMES, BoxIndex
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.otb_mat import parse_mat
from mmgtrack.formats.box_rows import count_columns, parse_rows
from mmgtrack.formats.track_csv import is_track_csv, parse_track_csv

BOX_FORMATS = ('xywh', 'xyxy', 'xyxy_inclusive')
"""x2 = x + w in the second; in the third, x2 is the last pixel: x2 = x + w - 1."""

# how far, in pixels, a first row may be from the annotation: rounding, truncation, counting from 1
_SAME_BOX = 2.0


class BoxResults:
    """Boxes, times and scores by sequence; every call reads its file.

    box_format: of text files without a header, one of BOX_FORMATS; MATLAB files and the rows of ``mmgtrack
    track`` say themselves that they are x, y, w, h.
    See BoxIndex for the layouts. All methods raise MissingResultError where the sequence is not there, and
    DataError where two files fit it or a file is malformed.
    """

    def __init__(self, files: ResultFiles, box_format: str = 'xywh') -> None:
        if box_format not in BOX_FORMATS:
            raise InputError(f'box format must be one of {", ".join(BOX_FORMATS)}, got {box_format!r}')
        self.files = files
        self.box_format = box_format
        self.index = BoxIndex(files)
        self._num_rows: dict[str, int] = {}  # by path
        self._only_integers = True
        self._late: dict[str, int] = {}  # number of the first frame, where it is not 0, by path
        self._first_rows: dict[str, np.ndarray] = {}  # as written, by the sequence's name as it was asked for

    @classmethod
    def of(cls, files: ResultFiles) -> 'BoxResults':
        """The one of these files: the first call makes it."""
        if cls not in files.views:
            files.views[cls] = cls(files, files.box_format)
        view: BoxResults = files.views[cls]
        return view

    def names(self) -> tuple[str, ...]:
        """Of the sequences, sorted, as the files write them."""
        return self.index.names

    def boxes(self, name: str) -> np.ndarray:
        """(F, 4) float64 x, y, w, h in pixels, of the first or only repetition; nan as it is written."""
        return self._read(name, self.index.boxes(name)[0])

    def repetitions(self, name: str) -> list[np.ndarray]:
        """The boxes of every repetition (GOT-10k)."""
        return [self._read(name, path) for path in self.index.boxes(name)]

    def times(self, name: str) -> np.ndarray | None:
        """(F, R) float64 seconds, usually one column a repetition; None where there is no such file."""
        path = self.index.side(name, TIMES)
        if path is None:
            return None
        text = self.files.read_text(path)
        return parse_rows(text, self.files.where(path), max(count_columns(text), 1))

    def presence_scores(self, name: str) -> np.ndarray | None:
        """(F,) float64, one for every row of `boxes`; None where the tracker left none."""
        path = self.index.boxes(name)[0]
        if path.endswith('.csv') and is_track_csv(text := self.files.read_text(path)):
            return parse_track_csv(text, self.files.where(path)).scores
        side = self.index.side(name, SCORES)
        if side is None:
            return None
        scores = parse_rows(self.files.read_text(side), self.files.where(side), columns=1)[:, 0]
        num_boxes = len(self._parse(path)[0])
        if len(scores) != num_boxes:
            raise DataError(f'{self.files.where(side)}: {len(scores)} scores for {num_boxes} boxes')
        return scores

    def notes(self, name: str, first_box: np.ndarray) -> tuple[str, ...]:
        """What a reader of the scores should know, of what was read so far; nothing is read for it.

        first_box: (4,) x, y, w, h, the first annotated box of the sequence ``name``.
        """
        notes = (self.integer_note, self.late_note, self.first_row_hint(name, first_box))
        return tuple(note for note in notes if note is not None)

    @property
    def integer_note(self) -> str | None:
        """A line for the report where all the rows that were read so far are whole numbers."""
        count = sum(self._num_rows.values())
        if not count or not self._only_integers:
            return None
        return (
            f'all boxes that were read ({count}) are whole numbers; rounding or cutting off the decimals '
            'costs overlap, most on small targets'
        )

    @property
    def late_note(self) -> str | None:
        """A line for the report where a track of ours begins after frame 0: part of a video, or a mistake."""
        if not self._late:
            return None
        path, first = next(iter(self._late.items()))
        return f'{path} begins with frame {first}, which is taken for the first of the annotations'

    def first_row_hint(self, name: str, first_box: np.ndarray) -> str | None:
        """A line for the report where the first row fits the annotation only in another box format.

        None also where no rows of that sequence were read, or they say themselves what they are.
        first_box: (4,) x, y, w, h, the first annotated box.
        """
        written = self._first_rows.get(name)
        if written is None:
            return None
        distances = {
            other: float(np.abs(_to_xywh(written, other) - first_box).max()) for other in BOX_FORMATS
        }
        nearest = min(distances, key=lambda other: distances[other])
        if not distances[nearest] <= _SAME_BOX < distances[self.box_format]:
            return None
        numbers = ', '.join(f'{value:g}' for value in written)
        return (
            f'the first row of {name} ({numbers}) is the annotated box when it is read as {nearest}, not as '
            f'{self.box_format}: --boxes {nearest}'
        )

    def _read(self, name: str, path: str) -> np.ndarray:
        rows, has_format = self._parse(path)
        boxes = rows[~np.isnan(rows).any(axis=1)]
        self._num_rows[path] = len(boxes)
        self._only_integers &= bool((boxes == np.rint(boxes)).all())
        if has_format:
            return rows
        self._first_rows.setdefault(name, rows[0].copy())
        return _to_xywh(rows, self.box_format)

    def _parse(self, path: str) -> tuple[np.ndarray, bool]:
        """Rows as they are written, and whether the file says itself that they are x, y, w, h."""
        where = self.files.where(path)
        if path.lower().endswith('.mat'):
            return parse_mat(self.files.read_bytes(path), where), True
        text = self.files.read_text(path)
        if path.lower().endswith('.csv') and is_track_csv(text):
            track = parse_track_csv(text, where)
            if track.first:
                self._late[path] = track.first
            return track.boxes, True
        return parse_rows(text, where), False


def _to_xywh(rows: np.ndarray, box_format: str) -> np.ndarray:
    if box_format == 'xywh':
        return rows
    last = 1.0 if box_format == 'xyxy_inclusive' else 0.0
    return np.concatenate([rows[..., :2], rows[..., 2:] - rows[..., :2] + last], axis=-1)

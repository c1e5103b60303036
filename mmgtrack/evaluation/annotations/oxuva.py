"""OxUvA's annotation file: a label a second for every object."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.annotations.files import AnnotationFiles
from mmgtrack.evaluation.results.disk import kind_of, read_text
from mmgtrack.evaluation.results.frame_numbers import frame_number
from mmgtrack.evaluation.results.oxuva import NO_BOX, csv_rows, parse_box

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
_PATH = 'annotations/dev.csv'
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


class OxuvaAnnotations(Annotations[OxuvaTruth]):
    """``annotations/dev.csv`` below the benchmark's folder, or in a zip archive of it, or that file itself.

    The labels of the test set are withheld. The order is that of the file: the bootstrap depends on it.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        if kind_of(root) == 'file' and root.suffix.lower() != '.zip':
            self._text, self._where = read_text(root), str(root)
            return
        files = AnnotationFiles(root)
        if not files.exists(_PATH):
            raise DataError(f'{root} holds no {_PATH} of OxUvA')
        self._text, self._where = files.read_text(_PATH), files.where(_PATH)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tracks)

    def read(self, name: str) -> OxuvaTruth:
        if name not in self._tracks:
            raise DataError(f'{self._where} has no track {name}')
        (video, obj), labels = self._tracks[name]
        frames = sorted(labels)
        columns = np.array([labels[frame] for frame in frames])
        return OxuvaTruth(
            name, video, obj, np.array(frames, np.int64), columns[:, 0] > 0, columns[:, [1, 3, 2, 4]]
        )

    @cached_property
    def _tracks(self) -> dict[str, tuple[tuple[str, str], dict[int, Label]]]:
        """By name: video, object, and their labels (present, xmin, xmax, ymin, ymax) by frame."""
        tracks: dict[str, tuple[tuple[str, str], dict[int, Label]]] = {}
        for line, row in csv_rows(self._text, self._where, FIELDS):
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
                raise DataError(
                    f'{self._where}, line {line}: expected {",".join(FIELDS)}, got {error}'
                ) from error
            labels[frame] = label
        if not tracks:
            raise DataError(f'{self._where} is empty, expected rows {",".join(FIELDS)}')
        return tracks


def _label(presence: str, words: list[str]) -> Label:
    """present, xmin, xmax, ymin, ymax. Raises ValueError."""
    if presence == 'absent':
        return (0.0, *NO_BOX)
    if presence != 'present':
        raise ValueError(f'object_presence {presence!r}')
    return (1.0, *parse_box(words))

"""OxUvA's annotation file: a label a second for every object."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations

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


class OxuvaAnnotations(Annotations[OxuvaTruth]):
    """``annotations/dev.csv`` below the benchmark's folder, or that file itself.

    The labels of the test set are withheld. The order is that of the file: the bootstrap depends on it.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.path = root if root.is_file() else root / 'annotations' / 'dev.csv'
        if not self.path.is_file():
            raise DataError(f'{root} holds no annotations/dev.csv of OxUvA')

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tracks)

    def read(self, name: str) -> OxuvaTruth:
        if name not in self._tracks:
            raise DataError(f'{self.path} has no track {name}')
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
        for video, obj, frame, label in self._rows():
            _, labels = tracks.setdefault(f'{video}_{obj}', ((video, obj), {}))
            labels[frame] = label
        if not tracks:
            raise DataError(f'{self.path} is empty, expected rows {",".join(FIELDS)}')
        return tracks

    def _rows(self) -> Iterator[tuple[str, str, int, Label]]:
        try:
            text = self.path.read_text(encoding='utf-8-sig')
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f'cannot read {self.path}: {error}') from error
        rows = csv.reader(text.splitlines())
        for row in rows:
            if not row or tuple(row) == FIELDS:
                continue
            try:
                if len(row) != len(FIELDS):
                    raise ValueError(f'{len(row)} columns')
                yield row[0], row[1], int(row[6]), _label(row[7].strip(), row[8:])
            except ValueError as error:
                raise DataError(
                    f'{self.path}, line {rows.line_num}: expected {",".join(FIELDS)}, got {error}'
                ) from error


def _label(presence: str, words: list[str]) -> Label:
    """present, xmin, xmax, ymin, ymax. Raises ValueError."""
    if presence == 'absent':
        return (0.0, *NO_BOX)
    if presence != 'present':
        raise ValueError(f'object_presence {presence!r}')
    box = tuple(map(float, words))
    if not np.isfinite(box).all():
        raise ValueError(f'the box {box}')
    return (1.0, *box)

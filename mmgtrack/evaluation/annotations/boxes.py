"""What the readers of annotated boxes share: finding the files, and rows of boxes and of flags."""

from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations, BoxTruth
from mmgtrack.evaluation.annotations.files import AnnotationFiles
from mmgtrack.formats.box_rows import count_columns, parse_rows


class BoxAnnotations(Annotations[BoxTruth]):
    """One file of ``x,y,w,h`` rows a sequence; a layout says where the files are.

    root: folder or zip archive. ``benchmark`` is its name in messages, ``patterns`` are the layouts it comes
    in; the first one that finds a file counts.

    Raises DataError that lists the layouts where none of them finds a file.
    """

    benchmark: ClassVar[str]
    patterns: ClassVar[tuple[str, ...]]

    def __init__(self, root: Path) -> None:
        super().__init__(Path(root))
        self.files = AnnotationFiles(self.root)
        self.paths = self._find()
        if not self.paths:
            layouts = ' or '.join(_shown(f'{self.root}/{pattern}') for pattern in self.patterns)
            raise DataError(f'{self.root} holds no annotations of {self.benchmark}: expected {layouts}')

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.paths)

    def read(self, name: str) -> BoxTruth:
        return BoxTruth(name, self.boxes(name))

    def boxes(self, name: str) -> np.ndarray:
        """(N, 4) float64 as they are written."""
        return self.rows(self.path(name))

    def path(self, name: str) -> str:
        """Below the root. Raises DataError that lists the nearest names for an unknown one."""
        if name not in self.paths:
            near = get_close_matches(name, self.paths, n=3, cutoff=0.4) or list(self.paths)[:3]
            raise DataError(
                f'{self.root} has no annotations of {name!r} among its {len(self.paths)} sequences: '
                f'did you mean {", ".join(near)}?'
            )
        return self.paths[name]

    def rows(self, path: str, columns: int = 4) -> np.ndarray:
        """(N, columns) float64 of a file."""
        return parse_rows(self.files.read_text(path), self.files.where(path), columns)

    def numbers(self, path: str, count: int) -> np.ndarray:
        """(count,) float64, one a line or all in one line. Raises DataError where there are more or fewer."""
        text, where = self.files.read_text(path), self.files.where(path)
        values = parse_rows(text, where, max(count_columns(text), 1)).ravel()
        if len(values) != count:
            raise DataError(f'{where} has {len(values)} values for {count} frames: they must agree')
        return values

    def flags(self, path: str, count: int) -> np.ndarray:
        """(count,) bool of 0 and 1."""
        values = self.numbers(path, count)
        if not np.isin(values, (0, 1)).all():
            raise DataError(f'{self.files.where(path)}: expected flags 0 or 1, got other numbers')
        return values == 1

    def _find(self) -> dict[str, str]:
        """Path by name, in the benchmark's order."""
        found = (self.files.find(pattern) for pattern in self.patterns)
        return next(filter(None, found), {})


def _shown(pattern: str) -> str:
    return pattern.replace('{name}', '<sequence>').replace('*', '<folder>')

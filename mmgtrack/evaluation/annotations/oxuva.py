"""OxUvA's annotation file: a label a second for every object."""

from functools import cached_property
from pathlib import Path

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.annotations.files import AnnotationFiles
from mmgtrack.formats.disk import kind_of, read_text
from mmgtrack.formats.oxuva_labels import OxuvaTruth, parse_labels

_PATH = 'annotations/dev.csv'


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
        return self._tracks[name]

    @cached_property
    def _tracks(self) -> dict[str, OxuvaTruth]:
        return parse_labels(self._text, self._where)

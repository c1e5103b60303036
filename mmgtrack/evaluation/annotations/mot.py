"""Annotations of several targets as MOT text."""

import configparser
from dataclasses import dataclass
from pathlib import Path

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.annotations.files import AnnotationFiles
from mmgtrack.evaluation.results.mot import MotRows, parse_mot
from mmgtrack.formats.frame_numbers import frame_number


@dataclass(frozen=True, eq=False)
class MotTruth:
    """Boxes of all targets of a sequence, without those whose seventh column is 0.

    num_frames: as ``seqinfo.ini`` says; None where there is no such file.
    """

    name: str
    rows: MotRows
    num_frames: int | None = None


class MotAnnotations(Annotations[MotTruth]):
    """``<root>/<sequence>/gt/gt.txt``, with ``seqinfo.ini`` beside ``gt``, or ``<root>/<sequence>.txt``.

    root: folder or zip archive.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.files = AnnotationFiles(root)
        self._paths = self.files.find('{name}/gt/gt.txt') or self.files.find('{name}.txt')
        if not self._paths:
            raise DataError(f'{root} holds no <sequence>/gt/gt.txt and no <sequence>.txt')

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._paths))

    def read(self, name: str) -> MotTruth:
        if name not in self._paths:
            raise DataError(f'{self.root} has no sequence {name}')
        path = self._paths[name]
        rows = parse_mot(self.files.read_text(path), self.files.where(path))
        return MotTruth(name, rows.chosen(rows.marks != 0), self._num_frames(f'{name}/seqinfo.ini'))

    def _num_frames(self, path: str) -> int | None:
        """``seqLength`` of the file; None where it does not exist."""
        if not self.files.exists(path):
            return None
        parser = configparser.ConfigParser(interpolation=None)
        text, where = self.files.read_text(path), self.files.where(path)
        try:
            parser.read_string(text)
            return frame_number(parser.get('Sequence', 'seqLength'), first=1)
        except (configparser.Error, ValueError) as error:
            said = ' '.join(str(error).split())  # configparser's messages have several lines
            raise DataError(f'{where}: expected seqLength in [Sequence]: {said}') from error

"""Annotations of several targets as MOT text."""

import configparser
from dataclasses import dataclass
from pathlib import Path

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.results.mot import MotRows, parse_mot


@dataclass(frozen=True, eq=False)
class MotTruth:
    """Boxes of all targets of a sequence, without those whose seventh column is 0.

    num_frames: as ``seqinfo.ini`` says; None where there is no such file.
    """

    name: str
    rows: MotRows
    num_frames: int | None = None


class MotAnnotations(Annotations[MotTruth]):
    """``<root>/<sequence>/gt/gt.txt``, with ``seqinfo.ini`` beside ``gt``, or ``<root>/<sequence>.txt``."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        folders = {path.parents[1].name: path for path in root.glob('*/gt/gt.txt')}
        files = {} if folders else {path.stem: path for path in root.glob('*.txt')}
        self._paths = {**folders, **files}
        if not self._paths:
            raise DataError(f'{root} holds no <sequence>/gt/gt.txt and no <sequence>.txt')

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._paths))

    def read(self, name: str) -> MotTruth:
        if name not in self._paths:
            raise DataError(f'{self.root} has no sequence {name}')
        path = self._paths[name]
        try:
            text = path.read_text(encoding='utf-8-sig')
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f'cannot read {path}: {error}') from error
        rows = parse_mot(text, str(path))
        return MotTruth(name, rows.chosen(rows.marks != 0), _num_frames(self.root / name / 'seqinfo.ini'))


def _num_frames(path: Path) -> int | None:
    """``seqLength`` of the file; None where it does not exist."""
    if not path.is_file():
        return None
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding='utf-8')
        return parser.getint('Sequence', 'seqLength')
    except (configparser.Error, ValueError) as error:
        raise DataError(f'{path}: expected seqLength in [Sequence]: {error}') from error

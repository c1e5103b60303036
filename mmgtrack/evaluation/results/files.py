"""The files of one tracker's results: a folder or a zip archive, seen alike."""

import os
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from mmgtrack.errors import DataError


class MissingResultError(DataError):
    """A sequence has no result file."""


class ResultFiles:
    """Files below a folder, or in a zip archive, by their path relative to it ('/' between the parts).

    name: of the tracker: that of the folder or archive, without LaSOT's ending ``_tracking_result``.
    paths: all files, sorted, without hidden ones and those that macOS adds to archives.
    box_format: what four numbers a row mean, see `BoxResults`.
    views: readers made of these files so far, by class.

    Raises DataError where there is no such folder, the archive is broken, holds a name twice, or a path that
    would leave the folder it is unpacked to.
    """

    def __init__(self, source: str | os.PathLike[str], box_format: str = 'xywh') -> None:
        self.source = Path(source)
        self.box_format = box_format
        self.views: dict[type, Any] = {}
        self._archive: zipfile.ZipFile | None = None
        if self.source.is_dir():
            found = (path for path in self.source.rglob('*') if path.is_file())
            paths: Iterable[str] = (path.relative_to(self.source).as_posix() for path in found)
        elif self.source.is_file():
            self._archive = _open_archive(self.source)
            paths = _checked_names(self.source, self._archive)
        else:
            raise DataError(f'{self.source} is no folder and no zip archive of results')
        self.paths = tuple(sorted(path for path in paths if not _is_hidden(path)))
        self.name = Path(os.path.abspath(source)).name.removesuffix('.zip').removesuffix('_tracking_result')

    def where(self, path: str) -> str:
        """How messages call a file."""
        return f'{self.source}/{path}'

    def read_bytes(self, path: str) -> bytes:
        """Raises DataError where the file cannot be read."""
        try:
            if self._archive is not None:
                return self._archive.read(path)
            return (self.source / path).read_bytes()
        except Exception as error:  # a damaged archive raises nearly anything
            reason = str(error) or type(error).__name__
            raise DataError(f'cannot read {self.where(path)}: {reason}') from error

    def read_text(self, path: str) -> str:
        """Raises DataError where the file cannot be read or is not text."""
        try:
            return self.read_bytes(path).decode('utf-8-sig')
        except UnicodeDecodeError as error:
            raise DataError(f'{self.where(path)} is no text file: {error}') from error


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive raises nearly anything
        raise DataError(f'{path} is no folder and no zip archive of results: {error}') from error


def _checked_names(source: Path, archive: zipfile.ZipFile) -> list[str]:
    names: set[str] = set()
    for entry in archive.infolist():
        name = entry.filename
        pure = PurePosixPath(name.replace('\\', '/'))
        if pure.is_absolute() or '..' in pure.parts or (pure.parts and pure.parts[0].endswith(':')):
            raise DataError(f'{source} holds {name!r}, which would leave the folder it is unpacked to')
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f'{source} holds the link {name!r}: only plain files are read')
        if entry.is_dir():
            continue
        if name in names:
            raise DataError(f'{source} holds {name!r} twice')
        names.add(name)
    return sorted(names)


def _is_hidden(path: str) -> bool:
    parts = path.split('/')
    return parts[0] == '__MACOSX' or any(part.startswith('.') for part in parts)

"""The files of one tracker's results: a folder or a zip archive, seen alike."""

import os
import re
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from mmgtrack.errors import DataError
from mmgtrack.formats.disk import (
    check_size,
    decoded,
    files_below,
    is_hidden,
    kind_of,
    read_bytes,
)

_DRIVE = re.compile(r'[A-Za-z]:')  # of Windows: C:x.txt lies in whatever folder is the present one there


class MissingResultError(DataError):
    """A sequence has no result file."""


class ResultFiles:
    """Files below a folder, or in a zip archive, by their path relative to it ('/' between the parts).

    name: of the tracker: that of the folder or archive, without LaSOT's ending ``_tracking_result``.
    paths: all files, sorted, without hidden ones and those that macOS adds to archives.
    box_format: what four numbers a row mean, see `BoxResults`.
    views: readers made of these files so far, by class.

    Raises DataError where there is no such folder, a part of it may not be read, the archive is broken, holds
    a name twice, or a path that would leave the folder it is unpacked to.
    """

    def __init__(self, source: str | os.PathLike[str], box_format: str = 'xywh') -> None:
        self.source = Path(source)
        self.box_format = box_format
        self.views: dict[type, Any] = {}
        self._archive: zipfile.ZipFile | None = None
        kind = kind_of(self.source)
        if kind is None:
            raise DataError(f'{self.source} is no folder and no zip archive')
        if kind == 'folder':
            paths = list(files_below(self.source))
        else:
            self._archive = _open_archive(self.source)
            paths = [path for path in _checked_names(self.source, self._archive) if not is_hidden(path)]
        self.paths = tuple(sorted(paths))
        self.name = Path(os.path.abspath(source)).name.removesuffix('.zip').removesuffix('_tracking_result')

    def where(self, path: str) -> str:
        """How messages call a file."""
        return f'{self.source}/{path}'

    def read_bytes(self, path: str) -> bytes:
        """Raises DataError where the file cannot be read, or is larger than any result, see MAX_BYTES."""
        if self._archive is None:
            return read_bytes(self.source / path)
        try:
            return _unpacked(self._archive, path, self.where(path))
        except DataError:
            raise
        except Exception as error:  # a damaged archive raises nearly anything, an encrypted one RuntimeError
            reason = str(error) or type(error).__name__
            raise DataError(f'cannot read {self.where(path)}: {reason}') from error

    def read_text(self, path: str) -> str:
        """Raises DataError as read_bytes does, and where the file is not text."""
        return decoded(self.read_bytes(path), self.where(path))


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive raises nearly anything
        raise DataError(f'{path} is no folder and no zip archive: {error}') from error


def _unpacked(archive: zipfile.ZipFile, path: str, where: str) -> bytes:
    entry = archive.getinfo(path)
    check_size(entry.file_size, where)
    # only these two let zipfile unpack no more than it is asked for
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f'{where} is packed in an unusual way: pack it with "deflate", the usual one')
    with archive.open(entry) as file:
        return file.read(entry.file_size + 1)  # one more: only at the end the check sum is compared


def _checked_names(source: Path, archive: zipfile.ZipFile) -> list[str]:
    names: set[str] = set()
    for entry in archive.infolist():
        name = entry.filename
        pure = PurePosixPath(name.replace('\\', '/'))
        if pure.is_absolute() or '..' in pure.parts or _DRIVE.match(name):
            raise DataError(f'{source} holds {name!r}, which would leave the folder it is unpacked to')
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f'{source} holds the link {name!r}: only plain files are read')
        if entry.is_dir():
            continue
        if name in names:
            raise DataError(f'{source} holds {name!r} twice')
        names.add(name)
    return sorted(names)

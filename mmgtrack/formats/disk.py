"""Looking at folders and files: whatever the system refuses is a DataError that names the path.

Path.is_file, glob and their like either pass over what may not be looked at, which then seems not to be
there, or raise the system's own error, as they do for names that are too long.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mmgtrack.errors import DataError

MAX_BYTES = 512 * 2**20
"""Ours: no larger file is read. A day of video at 30 frames a second is 2.6 million boxes, 200 MB if all
digits are written; what is larger is no file of results, or an archive made to fill the memory."""


def kind_of(path: Path) -> Literal['folder', 'file'] | None:
    """What stands there; None where nothing does. Raises DataError where it may not be known."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error
    return 'folder' if stat.S_ISDIR(mode) else 'file' if stat.S_ISREG(mode) else None


def names_in(folder: Path, *, only_folders: bool = False) -> list[str]:
    """Of what lies there, sorted, without what is hidden. Raises DataError."""
    try:
        with os.scandir(folder) as entries:  # tells folders from files without looking at each
            names = [entry.name for entry in entries if not only_folders or entry.is_dir()]
    except (OSError, ValueError) as error:
        raise _refusal(folder, error) from error
    return sorted(name for name in names if not is_hidden(name))


def files_below(folder: Path) -> Iterator[str]:
    """Paths relative to the folder of all files below it that are not hidden. Raises DataError."""
    for base, folders, names in os.walk(folder, onerror=_raise_refusal):
        folders[:] = [name for name in folders if not is_hidden(name)]
        for name in names:
            path = Path(base, name)
            if not is_hidden(name) and kind_of(path) == 'file':
                yield path.relative_to(folder).as_posix()


def is_hidden(path: str) -> bool:
    """What systems and file managers leave beside the files that count, or in a folder of such a name."""
    return any(part.startswith('.') or part in ('__MACOSX', 'lost+found') for part in path.split('/'))


def read_bytes(path: Path) -> bytes:
    """Raises DataError where the file cannot be read or is larger than MAX_BYTES."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b''
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error
    check_size(size, str(path))
    return content


def read_text(path: Path) -> str:
    """Raises DataError where the file cannot be read, is larger than MAX_BYTES or is not text."""
    return decoded(read_bytes(path), str(path))


def decoded(content: bytes, where: str) -> str:
    """As UTF-8, without the mark that some editors put in front. Raises DataError."""
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise DataError(f'{where} is no text file: {error}') from error


def check_size(size: int, where: str) -> None:
    """Raises DataError above MAX_BYTES."""
    if size > MAX_BYTES:
        raise DataError(f'{where} has {size} bytes, expected at most {MAX_BYTES}: this is no file of results')


def _refusal(path: str | Path, error: Exception) -> DataError:
    return DataError(f'cannot read {path}: {getattr(error, "strerror", None) or error}')


def _raise_refusal(error: OSError) -> None:
    raise _refusal(error.filename, error) from error

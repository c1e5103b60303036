"""Writing files so that nothing half-written stays behind."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mmgtrack.errors import OutputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write that takes the name ``path`` only when the block ends well.

    A link stays, and what it points to is replaced; what is no file, such as /dev/stdout or a pipe, is
    written to as it is. Raises OutputError where the file cannot be written; an older file of that name then
    stays as it was.
    """
    if _is_special(path):
        with _appending(path) as file:
            yield file
        return
    partial: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        partial = target.with_name(target.name + '.part')
        with partial.open('wb') as file:
            yield file
        os.replace(partial, target)
    except OutputError:  # the block's own, which says more
        raise
    except (OSError, ValueError) as error:
        raise OutputError(f'cannot write {path}: {getattr(error, "strerror", None) or error}') from error
    finally:
        if partial is not None:
            with suppress(OSError, ValueError):
                partial.unlink(missing_ok=True)


@contextmanager
def _appending(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A device, pipe, or stream of this process: what was printed to it before stays."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        with open(path, 'ab') as file:
            yield file
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error


def _is_special(path: str | os.PathLike[str]) -> bool:
    """Whether nothing can be renamed to this name without harm."""
    if str(path).startswith(('/dev/', '/proc/')):  # also a stream that was redirected to a file
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # not there: a new file
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_target(path: str | os.PathLike[str]) -> None:
    """Raises OutputError where ``replacing`` would fail for want of a folder: better before the work."""
    if _is_special(path):
        return
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise OutputError(f'cannot write {path}: it is a folder')
        if not target.parent.is_dir():
            raise OutputError(f'cannot write {path}: there is no folder {target.parent}')
    except (OSError, ValueError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f'cannot write {path}: {getattr(error, "strerror", None) or error}') from error

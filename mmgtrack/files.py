"""Writing files so that nothing half-written stays behind."""

import os
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
    target = Path(os.path.realpath(path))
    is_special = target.exists() and not target.is_file()
    partial = target if is_special else target.with_name(target.name + '.part')
    try:
        with partial.open('wb') as file:
            yield file
        if not is_special:
            os.replace(partial, target)
    except OutputError:  # the block's own, which says more
        raise
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error
    finally:
        if not is_special:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def check_target(path: str | os.PathLike[str]) -> None:
    """Raises OutputError where ``replacing`` would fail for want of a folder: better before the work."""
    target = Path(path)
    if target.is_dir():
        raise OutputError(f'cannot write {target}: it is a folder')
    if not target.parent.is_dir():
        raise OutputError(f'cannot write {target}: there is no folder {target.parent}')

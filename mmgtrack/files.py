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

    Raises OutputError where the file cannot be written; an older file of that name then stays as it was.
    """
    path = Path(path)
    partial = path.with_name(path.name + '.part')
    try:
        with partial.open('wb') as file:
            yield file
        os.replace(partial, path)
    except OutputError:  # the block's own, which says more
        raise
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)

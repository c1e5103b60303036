"""The folder that a data set is in, or what it was meant to be."""

import os
from difflib import get_close_matches
from pathlib import Path

from mmgtrack.errors import DataError

DATA_VARIABLE = 'MMGTRACK_DATA'
_HINT = f'the configs look below data/, or below the folder that {DATA_VARIABLE} names'


def default_data_folder() -> Path:
    """Below which data sets lie, unless the caller says otherwise: MMGTRACK_DATA, or ``data``."""
    return Path(os.environ.get(DATA_VARIABLE) or 'data')


def checked_root(root: str | os.PathLike[str]) -> Path:
    """The folder of a data set.

    Raises DataError where there is none, with what is there under a similar name.
    """
    path = Path(root)
    try:
        if path.is_dir():
            return path
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise DataError(f'cannot read {root}: {getattr(error, "strerror", None) or error}') from error
    if exists:
        raise DataError(f'{root} is no folder, but a file: expected the folder of a data set')
    near = _similar(path)
    question = f'did you mean {near}?' if near else 'is that where the data lie?'
    raise DataError(f'{root} is no folder: {question} ({_HINT})')


def _similar(path: Path) -> Path | None:
    """A folder that differs from the missing one in one part of its path, which is written similarly."""
    parent = path.parent
    rest = [path.name]
    while not parent.is_dir():
        if parent == parent.parent:
            return None
        rest.insert(0, parent.name)
        parent = parent.parent
    try:
        folders = {entry.name.casefold(): entry.name for entry in parent.iterdir() if entry.is_dir()}
    except OSError:
        return None
    near = get_close_matches(rest[0].casefold(), list(folders), n=3, cutoff=0.6)
    candidates = [parent.joinpath(folders[name], *rest[1:]) for name in near]
    return next((candidate for candidate in candidates if candidate.is_dir()), None)

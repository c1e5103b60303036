"""The index of a data set: what every sequence has, kept from one run to the next.

It lies in the user's cache folder, so that the data may be read-only. What has changed since is looked at
again; an index that is broken, or of something else, is made anew.
"""

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmgtrack.countdown import Countdown
from mmgtrack.errors import DataError

CACHE_VARIABLE = 'MMGTRACK_CACHE'
_FORMAT = 1
_YOUNG_NS = 2 * 10**9
"""Ours: what was changed within 2 s before it was looked at may change again without its time changing, as
some file systems count whole seconds, FAT two of them. It is not relied upon."""

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index says of a sequence: its number of frames, or why it cannot be read.

    stamp: times and sizes of the files that this depends on.
    """

    frames: int
    problem: str | None
    stamp: Stamp


def cache_folder() -> Path:
    """MMGTRACK_CACHE, or ``mmgtrack`` in XDG_CACHE_HOME, or ``~/.cache/mmgtrack``."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own)
    return Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')) / 'mmgtrack'


def load_index(
    key: str, sources: Mapping[str, tuple[Path, ...]], count_frames: Callable[[str], int]
) -> dict[str, Entry]:
    """Entries of all sequences, from the last run where nothing has changed.

    key: what the index is of; readers that answer differently have different ones.
    sources: by name of a sequence, the files and folders that its entry depends on.
    count_frames: frames of a sequence; a DataError that it raises becomes the entry's problem.

    Only takes longer where the cache folder cannot be used; that is warned about.
    """
    file = cache_folder() / 'indices' / f'{hashlib.sha256(key.encode()).hexdigest()[:32]}.json'
    known = _read(file, key)
    stamps = {name: _stamp(paths) for name, paths in sources.items()}
    entries = {name: known[name] for name, stamp in stamps.items() if _is_current(known.get(name), stamp)}
    changed = [name for name in sources if name not in entries]
    report = Countdown('sequences indexed')
    for done, name in enumerate(changed, start=1):
        entries[name] = _examine(name, stamps[name], count_frames)
        report(done, len(changed))
    if changed:
        _write(file, key, {**known, **entries})
    return {name: entries[name] for name in sources}


def _examine(name: str, stamp: Stamp, count_frames: Callable[[str], int]) -> Entry:
    young = time.time_ns() - max(stamp[::2], default=0) < _YOUNG_NS
    kept = () if young else stamp
    try:
        return Entry(count_frames(name), None, kept)
    except DataError as error:
        return Entry(0, str(error), kept)


def _stamp(paths: tuple[Path, ...]) -> Stamp:
    """Time of the last change and size of each; zeros for what is not there."""
    values: list[int] = []
    for path in paths:
        try:
            status = os.stat(path)
            values += [status.st_mtime_ns, status.st_size]
        except (OSError, ValueError):
            values += [0, 0]
    return tuple(values)


def _is_current(entry: Entry | None, stamp: Stamp) -> bool:
    return entry is not None and entry.stamp == stamp and bool(stamp)


def _read(file: Path, key: str) -> dict[str, Entry]:
    """Empty where there is no index of that key that can be used."""
    try:
        content = json.loads(file.read_bytes())
        if content['format'] != _FORMAT or content['key'] != key:
            return {}
        return {name: _entry(*row) for name, row in content['entries'].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(frames: Any, problem: Any, *stamp: Any) -> Entry:
    """Raises TypeError for what no index of ours has."""
    numbers = (frames, *stamp)
    if not all(type(number) is int for number in numbers) or not isinstance(problem, str | None):
        raise TypeError('expected frames, problem and stamp')
    return Entry(frames, problem, stamp)


def _write(file: Path, key: str, entries: Mapping[str, Entry]) -> None:
    """Replaces the file in one step under a name of its own: another process may do the same."""
    rows = {name: [entry.frames, entry.problem, *entry.stamp] for name, entry in entries.items()}
    text = json.dumps({'format': _FORMAT, 'key': key, 'entries': rows})
    partial = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=file.parent, suffix='.part')
        with os.fdopen(descriptor, 'w', encoding='utf-8') as part:
            part.write(text)
        os.replace(partial, file)
    except OSError as error:
        warnings.warn(
            f'cannot keep the index in {file.parent} ({error.strerror or error}) and makes it each time; '
            f'{CACHE_VARIABLE} names another folder',
            stacklevel=2,
        )
    finally:
        if partial is not None:
            with suppress(OSError):
                os.unlink(partial)

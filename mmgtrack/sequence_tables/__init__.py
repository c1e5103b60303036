"""Published lists of sequences: which sequences a benchmark consists of, and where its files are.

Facts only, one json file a list; each says where it comes from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path

from mmgtrack.errors import DataError
from mmgtrack.packaged_configs import suggest

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class TableEntry:
    """One sequence; what the list does not say is None.

    name: as the benchmark writes it; other_names: what other programs call it.
    start, end: numbers of its first and last image, both included; in OxUvA of the first and last label.
    frames: how many are annotated. folder: of its images; digits: of their names; annotation: file of its
    boxes; both relative to the benchmark's folder.
    init_omit: frames that a program leaves out at the beginning (OTB's Tiger1 in pytracking).
    """

    name: str
    start: int | None = None
    end: int | None = None
    frames: int | None = None
    folder: str | None = None
    digits: int | None = None
    annotation: str | None = None
    init_omit: int = 0
    other_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SequenceTable:
    """The list of a benchmark's sequences in its order; ``source`` says where the list is from."""

    name: str
    title: str
    source: str
    entries: tuple[TableEntry, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries)

    @property
    def frames(self) -> int | None:
        """Annotated frames of all sequences; None where the list does not say."""
        counts = [entry.frames for entry in self.entries if entry.frames is not None]
        return sum(counts) if len(counts) == len(self.entries) else None

    def find(self, name: str) -> TableEntry:
        """The sequence of that name, or of another name that programs use; upper and lower case may differ.

        Raises DataError that lists the nearest names for an unknown one.
        """
        entry = self._by_name.get(name) or self._by_folded_name.get(name.casefold())
        if entry is not None:
            return entry
        near = get_close_matches(name, self.names, n=3, cutoff=0.4) or self.names[:3]
        raise DataError(f'{self.title} has no sequence {name!r}: did you mean {", ".join(near)}?')

    @cached_property
    def _by_name(self) -> Mapping[str, TableEntry]:
        return {name: entry for entry in self.entries for name in (*entry.other_names, entry.name)}

    @cached_property
    def _by_folded_name(self) -> Mapping[str, TableEntry]:
        return {name.casefold(): entry for name, entry in self._by_name.items()}


def available_tables() -> tuple[str, ...]:
    """Names of all lists, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob('*.json')))


@cache
def load_table(name: str) -> SequenceTable:
    """The list of that name.

    Raises DataError that lists the nearest names for an unknown one.
    """
    if name not in available_tables():
        raise DataError(f'there is no list of sequences {name!r}; {suggest(name, available_tables())}')
    contents = json.loads((_FOLDER / f'{name}.json').read_text(encoding='utf-8'))
    rows = (dict(zip(contents['columns'], row, strict=True)) for row in contents['rows'])
    entries = (TableEntry(**{**row, 'other_names': tuple(row.get('other_names', ()))}) for row in rows)
    return SequenceTable(name, contents['title'], contents['source'], tuple(entries))

"""What readers of videos share: names are known at once, annotations are read when they are asked for."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence as Names
from functools import cached_property
from pathlib import Path

from mmgtrack.datasets.sequence import Sequence
from mmgtrack.datasets.sequence_index import Entry, load_index


class LazyReader(ABC):
    """A list of named sequences; the ``cache_size`` that were asked for last stay in memory.

    root: folder of the data.
    """

    def __init__(self, root: Path, names: Names[str], cache_size: int) -> None:
        self.root = root
        self._names = list(names)
        self._cache: OrderedDict[int, Sequence] = OrderedDict()
        self._cache_size = cache_size

    @property
    def names(self) -> list[str]:
        """Of the sequences, in their order."""
        return self._names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sequence:
        index = range(len(self.names))[index]  # negative indices, IndexError past the end
        sequence = self._cache.pop(index, None)
        if sequence is None:
            sequence = self._read(self.names[index])
        self._cache[index] = sequence
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return sequence

    def num_frames(self, index: int) -> int:
        """How many frames a sequence has, from the index; 0 where it cannot be read."""
        return self.index[self.names[index]].frames

    def flaws(self, index: int) -> list[str]:
        """What is wrong with the files of a sequence though it can be read."""
        return []

    @cached_property
    def index(self) -> dict[str, Entry]:
        """What is known of every sequence without parsing its annotation; made once, then kept up to date."""
        labels = {self._label(name): name for name in self.names}
        entries = load_index(
            f'{type(self).__name__} {self._identity()} {self.root.resolve()}',
            {label: self._sources(name) for label, name in labels.items()},
            lambda label: self._count_frames(labels[label]),
        )
        return {name: entries[label] for label, name in labels.items()}

    @abstractmethod
    def _read(self, name: str) -> Sequence:
        """Read the annotations of one sequence. Raises DataError."""

    @abstractmethod
    def _sources(self, name: str) -> tuple[Path, ...]:
        """Files and folders on which the number of frames depends."""

    @abstractmethod
    def _count_frames(self, name: str) -> int:
        """As ``len`` of the sequence says, but cheaper. Raises DataError where it cannot be read."""

    def _label(self, name: str) -> str:
        """What the index calls a sequence; another where another reader of the root takes other files."""
        return name

    def _identity(self) -> str:
        """Whatever else the number of frames depends on."""
        return ''

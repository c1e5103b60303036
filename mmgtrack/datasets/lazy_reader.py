"""What readers of videos share: names are known at once, annotations are read when they are asked for."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence as Names

from mmgtrack.datasets.sequence import Sequence


class LazyReader(ABC):
    """A list of named sequences; the ``cache_size`` that were asked for last stay in memory."""

    def __init__(self, names: Names[str], cache_size: int) -> None:
        self.names = list(names)
        self._cache: OrderedDict[int, Sequence] = OrderedDict()
        self._cache_size = cache_size

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

    @abstractmethod
    def _read(self, name: str) -> Sequence:
        """Read the annotations of one sequence."""

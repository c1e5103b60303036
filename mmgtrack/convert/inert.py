"""Reading files full of somebody's own classes without having, or running, any of them."""

import os
import pickle
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch

from mmgtrack.errors import CheckpointError

_LEGACY_PICKLES = 5  # of a file that is no zip: magic number, version, machine, content, storage keys


class Inert:
    """Stands in for a class or function: takes any arguments and any state, keeps none, does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class InertDict(Inert):
    """Stands in for a dict's subclass: torch lets only a true dict take items."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return OrderedDict()


class InertList(Inert):
    """Stands in for what is filled like a list, for the same reason."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return []


def load_inert(path: str | os.PathLike[str]) -> Any:
    """What ``torch.save`` wrote, with an inert object for everything that is no tensor or plain value.

    Both of torch's formats are read: zip, and the older one. Nothing in the file is executed and none of the
    modules it names is imported: the names are surveyed first, then torch's restricted unpickler reads the
    file with a stand-in for each name it does not know. That unpickler refuses some files altogether, among
    them those that ask for the operating system. Raises CheckpointError for these, and for damaged files.
    """
    try:
        with _opened(Path(path)) as (file, pickles):
            stand_ins = _stand_ins(file, pickles)
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # a damaged or malicious file fails in any way
        # torch's own text advises to execute the file
        raise CheckpointError(
            f'cannot read {path} safely: it is damaged, no checkpoint, or asks for something to be executed '
            f'({type(error).__name__})'
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The part of a file that holds its pickles, and how many there are one after the other."""
    if not zipfile.is_zipfile(path):
        with path.open('rb') as file:
            yield file, _LEGACY_PICKLES
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.count('/') == 1 and name.endswith('/data.pkl')]
        with archive.open(names[0]) as member:
            yield member, 1  # type: ignore[misc]  # IO[bytes] has all that is read with


def _stand_ins(file: BinaryIO, pickles: int) -> list[Any]:
    """For ``safe_globals``: (stand-in, name) for every name that the pickles ask for.

    Names that torch knows itself are among them; torch looks at its own first.
    """
    asked: dict[str, type[_Asked]] = {}
    for _ in range(pickles):
        _Survey(file, asked).load()
    return [(kind.stand_in, name) for name, kind in asked.items()]


class _Asked(Inert):
    """One name during the survey; its class learns how the things made by that name are filled."""

    stand_in: type[Inert] = Inert

    def __call__(self, *args: Any, **kwargs: Any) -> 'Inert':
        return Inert()

    def __setitem__(self, key: Any, value: Any) -> None:
        type(self).stand_in = InertDict

    def append(self, item: Any) -> None:
        type(self).stand_in = InertList

    def extend(self, items: Any) -> None:
        type(self).stand_in = InertList


class _Survey(pickle._Unpickler):
    """Unpickles with nothing but classes of its own, one for each name that is asked for.

    The unpickler written in Python: a damaged index cannot make it allocate all memory, as the other's can.
    """

    def __init__(self, file: BinaryIO, asked: dict[str, type[_Asked]]) -> None:
        super().__init__(file, encoding='utf-8')
        self.asked = asked

    def find_class(self, module: str, name: str) -> Any:
        """Never what the name stands for."""
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        return self.asked.setdefault(f'{module}.{name}', type('_Asked', (_Asked,), {}))

    def persistent_load(self, key: Any) -> Any:
        """Stands in for the storage of a tensor."""
        return Inert()

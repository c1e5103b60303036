"""Modules that stand in for packages which are imported but not needed: they exist, and say so when used."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NoReturn

from mmgtrack.errors import MissingDependencyError


class StandIn(ModuleType):
    """A module of a package that is not installed; whatever is taken from it fails when it is called.

    names: what other modules take from it by ``from ... import NAME``. Any other attribute raises
    MissingDependencyError at once.
    """

    def __init__(self, name: str, names: Sequence[str] = ()) -> None:
        super().__init__(name, 'Stands in for a package that is not installed.')
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []
        for placeholder in names:
            setattr(self, placeholder, _placeholder(placeholder, name))

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith('__'):  # Python and mmengine ask modules for many of these
            raise AttributeError(attribute)
        _refuse(f'{self.__name__}.{attribute}')


def _placeholder(name: str, module: str) -> type:
    """A class to derive from or to register, which cannot be built or called."""

    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        _refuse(f'{module}.{name}')

    return type(name, (), {'__init__': refuse, '__module__': module})


def _refuse(what: str) -> NoReturn:
    package = what.partition('.')[0]
    raise MissingDependencyError(
        f'{what} is needed here, but was not there when it was imported: install {package} in a version that '
        'has it, and start again'
    )


@contextmanager
def stand_ins(modules: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Let modules (name: what is taken from it) be imported inside; yields the packages stood in for.

    A package that is installed is left alone. Afterwards the stand-ins can no longer be imported; who has
    imported one keeps it.
    """
    packages = sorted({name.partition('.')[0] for name in modules})
    missing = [package for package in packages if find_spec(package) is None]
    lent = {n: StandIn(n, taken) for n, taken in modules.items() if n.partition('.')[0] in missing}
    sys.modules.update(lent)
    try:
        yield missing
    finally:
        for name in lent:
            del sys.modules[name]


@contextmanager
def lent_attribute(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Set an attribute of a module inside; afterwards it is as it was."""
    before = vars(module).get(name)
    setattr(module, name, value)
    try:
        yield
    finally:
        if before is None:
            delattr(module, name)
        else:
            setattr(module, name, before)


@contextmanager
def placeholder_attribute(module: ModuleType, name: str) -> Iterator[bool]:
    """Let a class be imported that the module has no more; yields whether it was missing."""
    missing = not hasattr(module, name)
    if not missing:
        yield False
        return
    with lent_attribute(module, name, _placeholder(name, module.__name__)):
        yield True

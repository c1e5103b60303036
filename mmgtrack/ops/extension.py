"""The module that takes the place of `mmcv._ext`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mmgtrack.errors import OperatorError

from .stand_in import OPERATORS

EXTENSION_NAME = 'mmcv._ext'
REMEDY = 'install an mmcv whose operators are compiled for this torch'


class StandInExtension(ModuleType):
    """Offers the operators of `stand_in`; any other name is a function that refuses when called.

    mmcv checks only that the attributes exist when it is imported, so models that never call a
    missing operator work.
    """

    def __init__(self) -> None:
        super().__init__(EXTENSION_NAME, doc=__doc__)
        # Without a spec importlib.util.find_spec would raise ValueError for everyone else.
        self.__spec__ = ModuleSpec(EXTENSION_NAME, None, origin='mmgtrack.ops')
        self.__mmgtrack_standin__ = True
        self.unavailable: set[str] = set()
        for operator in OPERATORS:
            setattr(self, operator.__name__, operator)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith('__'):
            raise AttributeError(f'module {EXTENSION_NAME!r} has no attribute {name!r}')

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise OperatorError(
                f'operator {name!r} is not available: mmcv has no compiled '
                f'operators here, and mmgtrack does not replace this one; {REMEDY}'
            )

        refuse.__name__ = refuse.__qualname__ = name
        self.unavailable.add(name)
        setattr(self, name, refuse)
        return refuse

"""Which engine serves which operator: what `mmgtrack doctor` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Engine = Literal['compiled', 'torchvision', 'torch', 'unavailable']


@dataclass(frozen=True, slots=True)
class Service:
    """How one operator is served: by which engine, and why by that one."""

    engine: Engine
    reason: str


@dataclass(frozen=True)
class OperatorReport:
    """State of mmcv's compiled operators in this process.

    extension: 'compiled' (mmcv's own), 'stand-in' (ours) or 'absent' (mmcv is not installed).
    reason: one line, why.
    list_services: asked once for `operators`, when they are first looked at, because finding out
        whether torchvision works means importing it.
    """

    extension: Literal['compiled', 'stand-in', 'absent']
    reason: str
    list_services: Callable[[], Mapping[str, Service]] = field(default=dict, repr=False)

    @cached_property
    def operators(self) -> Mapping[str, Service]:
        """How each operator is served, by the name under which mmcv asks its extension for it."""
        return self.list_services()

    def served_by(self, engine: Engine) -> tuple[str, ...]:
        """Names of the operators that `engine` serves, sorted."""
        return tuple(sorted(name for name, service in self.operators.items() if service.engine == engine))

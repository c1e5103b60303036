"""Which engine serves which operator: what `mmgtrack doctor` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Engine = Literal['compiled', 'torchvision', 'torch', 'unavailable']


@dataclass(frozen=True, slots=True)
class Service:
    """How one operator is served: by which engine, and why by that one."""
    engine: Engine
    reason: str


@dataclass(frozen=True, slots=True)
class OperatorReport:
    """State of mmcv's compiled operators in this process.

    extension: 'compiled' (mmcv's own), 'stand-in' (ours) or 'absent' (mmcv is not installed).
    reason: one line, why.
    operators: by the name that mmcv asks its extension for.
    """
    extension: Literal['compiled', 'stand-in', 'absent']
    reason: str
    operators: Mapping[str, Service] = field(default_factory=dict)

    def served_by(self, engine: Engine) -> tuple[str, ...]:
        """Names of the operators that `engine` serves, sorted."""
        return tuple(sorted(name for name, service in self.operators.items()
                            if service.engine == engine))

"""Names in messages."""

from collections.abc import Sequence

_NAMES_SHOWN = 5


def some_of(names: Sequence[str]) -> str:
    """A few names for a message."""
    shown = ', '.join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f'{shown} and {len(names) - _NAMES_SHOWN} more'

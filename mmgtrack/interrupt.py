"""Ctrl-C between steps, not inside them."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class InterruptGuard:
    """Turn the first Ctrl-C into a request to stop, and the second into KeyboardInterrupt.

    An exception raised by a signal can fall anywhere: between two files that belong together, or into a
    callback that swallows it. So, while this context manager is active, the first interrupt only sets
    ``requested`` and calls ``stop``; the loop then ends by itself. A second one, for those in a hurry, raises
    KeyboardInterrupt, outside `held` at once. Outside the main thread, or where SIGINT is not handled the
    usual way, it changes nothing.

    stop: called in the signal handler, so it must not wait for anything.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.requested = False
        self._stop = stop
        self._holding = False
        self._pending = False
        self._previous: Any = None

    def __enter__(self) -> 'InterruptGuard':
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay KeyboardInterrupt to the end of the block: results are being written."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = True
            self._stop()
        elif self._holding:
            self._pending = True
        else:
            raise KeyboardInterrupt

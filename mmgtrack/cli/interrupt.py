"""Ctrl-C between steps, not inside them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class InterruptGuard:
    """Let Ctrl-C raise KeyboardInterrupt anywhere except while results are written.

    As a context manager it takes over SIGINT; inside `held` an interrupt waits until the block is done, so
    that every target's file ends with the same frame and finishing a video is not cut short. Outside the
    main thread, or where SIGINT is ignored, it changes nothing.
    """

    def __init__(self) -> None:
        self._holding = False
        self._pending = False
        self._previous: Any = None
        self._installed = False

    def __enter__(self) -> 'InterruptGuard':
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)
            self._installed = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay an interrupt to the end of the block."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    @contextmanager
    def dropped(self) -> Iterator[None]:
        """Ignore interrupts during the block: an interrupted command is finishing its files."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = self._pending = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holding:
            self._pending = True
        else:
            raise KeyboardInterrupt

"""Decoding ahead of the model, in a thread."""

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Literal

from mmgtrack.apis.sources.base import Frame, FrameSource
from mmgtrack.errors import InputError

LivePolicy = Literal['newest', 'every']

_MAX_FRAMES = 16
_MAX_BYTES = 256 * 2**20  # ten frames of 3840 x 2160
_POLL_S = 0.5  # a wait without a limit cannot be interrupted under Windows
_JOIN_S = 2.0


class FrameReader:
    """Iterate a source's frames while a thread decodes up to 16 of them (or 256 MiB) ahead.

    source: where frames come from; the reader closes it.
    start_frame: number of the first frame to deliver.
    live: what a live source does when the consumer is slower: 'newest' drops the frames that waited, 'every'
    lets the source wait. Dropped frames keep their numbers, so gaps in ``Frame.index`` show them. Sources
    that are not live always deliver every frame.

    An exception of the source is raised where the consumer asks for the next frame, after the frames
    that came before it. Use it as a context manager, or call `close`: the thread ends at once.
    """

    def __init__(self, source: FrameSource, start_frame: int = 0, live: LivePolicy = 'newest') -> None:
        if live not in ('newest', 'every'):
            raise InputError(f"live must be 'newest' or 'every', got {live!r}")
        self.source = source
        self._drops = source.is_live and live == 'newest'
        self._waiting: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._finished = False
        self._error: BaseException | None = None
        # daemon: a camera that hangs in its driver must not keep the process alive
        self._thread = threading.Thread(
            target=self._run, args=(start_frame,), name='mmgtrack-reader', daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        frame = self._pop()
        if frame is not None:
            return frame
        self._raise_error()
        raise StopIteration

    def take(self, count: int) -> list[Frame]:
        """Wait for the next ``count`` frames; fewer, or none, at the end of the source."""
        frames: list[Frame] = []
        while len(frames) < count and (frame := self._pop()) is not None:
            frames.append(frame)
        if not frames:
            self._raise_error()
        return frames

    def stop(self) -> None:
        """Deliver no more frames, as if the source had ended. Waits for nothing: fit for signal handlers."""
        self._stopped = True

    def close(self) -> None:
        """Stop the thread and close the source; no frame is delivered afterwards."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        self.source.close()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def __enter__(self) -> 'FrameReader':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, start_frame: int) -> None:
        frames: Iterator[Frame] | None = None
        try:
            frames = iter(self.source.frames(start_frame))
            for frame in frames:
                if not self._put(frame):
                    break
        except BaseException as error:  # handed to the consumer, whatever it is
            self._error = error
        finally:
            close = getattr(frames, 'close', None)
            if close is not None:
                close()  # a generator gives back its capture here, in the thread that used it
            with self._changed:
                self._finished = True
                self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        """Queue a frame; False when nobody wants frames any more."""
        with self._changed:
            if self._drops:
                self._waiting.clear()
            while self._is_full() and not self._stopped:
                self._changed.wait(_POLL_S)
            if not self._stopped:
                self._waiting.append(frame)
                self._changed.notify_all()
            return not self._stopped

    def _is_full(self) -> bool:
        num_bytes = sum(frame.image.nbytes for frame in self._waiting)
        return len(self._waiting) >= _MAX_FRAMES or num_bytes >= _MAX_BYTES

    def _pop(self) -> Frame | None:
        with self._changed:
            while not (self._waiting or self._finished or self._stopped):
                self._changed.wait(_POLL_S)
            if self._stopped or not self._waiting:
                return None
            frame = self._waiting.popleft()
            self._changed.notify_all()
            return frame

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None and not self._stopped:
            raise error

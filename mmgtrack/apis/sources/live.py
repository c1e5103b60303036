"""Frames of a camera or of a stream address, through losses of the connection."""

import re
import threading
import time
import warnings
from collections.abc import Iterator

from mmgtrack.apis.sources.base import Frame, FrameSource, SourceWarning
from mmgtrack.apis.sources.capture import Capture, ends_early
from mmgtrack.errors import SourceError

_STEADY_FRAMES = 250  # ours: after about ten seconds of picture a connection counts as recovered


def without_password(address: str) -> str:
    """``rtsp://user:secret@host/x`` as ``rtsp://user:***@host/x``, fit to be printed."""
    return re.sub(r'(://[^/@:]*):[^/@]*@', r'\1:***@', address)


class LiveSource(FrameSource):
    """A camera (number) or a stream address such as ``rtsp://...`` or ``http://...``.

    When the picture is lost, the source is reopened after 0.5, 1, 2, ... seconds, ``max_reopens`` times in a
    row at most, and the numbers of the frames go on. An address that announces how many frames it has (a
    clip on a web server) is not live: it is read whole, and after a loss the frames that were delivered
    before are passed over. One that announces nothing cannot be told from a live stream, so its end is
    taken for a loss.

    Raises SourceError if it cannot be opened, or stays lost.
    """

    def __init__(self, address: int | str, *, max_reopens: int = 5, first_delay_s: float = 0.5) -> None:
        self.name = f'camera {address}' if isinstance(address, int) else without_password(address)
        self._address = address
        self._max_reopens = max_reopens
        self._first_delay_s = first_delay_s
        self._closed = threading.Event()
        self._capture: Capture | None = self._open()
        if self._capture is None:
            raise SourceError(f'{self.name}: cannot be opened; is it there, and not in use elsewhere?')
        self.num_frames, self.fps = self._capture.num_frames, self._capture.fps
        self.is_estimate = self.num_frames is not None
        self.is_live = self.num_frames is None

    def frames(self, start: int = 0) -> Iterator[Frame]:
        self._check_start(start)
        capture, self._capture = self._capture or self._open(), None
        if capture is None:
            raise SourceError(f'{self.name}: cannot be opened again')
        count = losses = 0
        began = time.monotonic()
        try:
            while capture is not None:
                first = count
                while not self._closed.is_set() and capture.grab():
                    image = capture.image() if count >= start else None
                    count += 1
                    if image is not None:
                        time_s = time.monotonic() - began if self.is_live else capture.time_s
                        yield Frame(count - 1, image, time_s)
                if self._is_over(count):
                    break
                if count - first >= (_STEADY_FRAMES if self.is_live else 1):
                    losses = 0
                capture.close()
                capture, losses = self._reopen(count, losses)
        finally:
            if capture is not None:
                capture.close()
        if count <= start and not self._closed.is_set():
            raise self._past_end(start, count)

    def close(self) -> None:
        self._closed.set()
        capture, self._capture = self._capture, None
        if capture is not None:  # opened but never iterated; otherwise the iteration closes it
            capture.close()

    def _open(self) -> Capture | None:
        capture = Capture(self._address)
        if capture.is_open:
            return capture
        capture.close()
        return None

    def _is_over(self, count: int) -> bool:
        return self._closed.is_set() or (not self.is_live and not ends_early(count, self.num_frames))

    def _reopen(self, count: int, losses: int) -> tuple[Capture | None, int]:
        """Return the reopened capture at frame ``count`` and the losses so far; None: there is no more."""
        while losses < self._max_reopens:
            delay = self._first_delay_s * 2**losses
            losses += 1
            if self._closed.wait(delay):
                return None, losses
            capture = self._open()
            if capture is None:
                continue
            if self.is_live or capture.skip(count) == count:
                return capture, losses
            capture.close()
        message = f'{self.name}: lost after {count} frames; {self._max_reopens} attempts to reopen it failed'
        if self.is_live or count == 0:
            raise SourceError(message)
        warnings.warn(f'{message} ({self.num_frames} frames were announced)', SourceWarning, stacklevel=2)
        return None, losses

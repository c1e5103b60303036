"""Frames of a video file."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from mmgtrack.apis.sources.base import Frame, FrameSource, SourceWarning
from mmgtrack.apis.sources.capture import Capture, ends_early
from mmgtrack.errors import SourceError


class VideoFile(FrameSource):
    """A video file, read with OpenCV; each iteration reads it from its start.

    Raises SourceError if the file is missing, empty, or no video.
    """

    is_estimate = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        capture = self._open()
        self.num_frames, self.fps = capture.num_frames, capture.fps
        capture.close()

    def frames(self, start: int = 0) -> Iterator[Frame]:
        self._check_start(start)
        capture = self._open()
        try:
            count = capture.skip(start)
            unreadable = 0
            while capture.grab():
                image = capture.image()
                if image is None:
                    unreadable += 1  # counted, so that the numbers of later frames do not shift
                else:
                    yield Frame(count, image, capture.time_s)
                count += 1
        finally:
            capture.close()
        self._check_end(start, count, unreadable)

    def _open(self) -> Capture:
        if not self._path.is_file():
            raise SourceError(f'{self.name}: no such file')
        if not os.access(self._path, os.R_OK):
            raise SourceError(f'{self.name}: no permission to read it')
        if self._path.stat().st_size == 0:
            raise SourceError(f'{self.name}: the file is empty (0 bytes)')
        capture = Capture(self._path)
        if not capture.is_open:
            capture.close()
            raise SourceError(f'{self.name}: not a video, or damaged so that it cannot be opened')
        return capture

    def _check_end(self, start: int, count: int, unreadable: int) -> None:
        if count - start <= unreadable:
            raise self._past_end(start, 0 if unreadable else count)
        if ends_early(count, self.num_frames):
            warnings.warn(
                f'{self.name}: the file ends early: its header announces {self.num_frames} frames, '
                f'{count} could be read',
                SourceWarning,
                stacklevel=2,
            )
        if unreadable:
            message = f'{self.name}: {unreadable} frames could not be decoded'
            warnings.warn(message, SourceWarning, stacklevel=2)

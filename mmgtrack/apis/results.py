"""Sinks: rows and video frames leave as they are made."""

import contextlib
import math
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import cv2
import numpy as np

from mmgtrack.apis.sources import Frame
from mmgtrack.errors import MissingDependencyError, OutputError
from mmgtrack.structures import Tracks
from mmgtrack.visualization import draw_tracks

CSV_HEADER = 'frame,x,y,w,h,score,present'
DEFAULT_FPS = 25.0
_SMPTE170M = 6  # ITU-T H.273, matrix coefficients of BT.601


class Sink(Protocol):
    """Something that takes each frame with its tracks."""

    def put(self, frame: Frame, tracks: Tracks) -> None:
        """Take one frame and its tracks (N = 1)."""

    def close(self) -> None:
        """Finish; a second call does nothing."""


class TrackCsv:
    """One target's track as ``frame,x,y,w,h,score,present``.

    Box in pixels to 1/1000, score to 1/10000, present 1 or 0. The file has its final name from the start and
    is handed to the system line by line, so a row survives whatever happens to the process after it.

    path: file to write (replaced if there). target: column m of the tracks.
    Raises OutputError if the file cannot be written.
    """

    def __init__(self, path: Path, target: int) -> None:
        self.path = path
        self._target = target
        try:
            # buffering=1: every line is flushed when it is complete
            self._file = open(path, 'w', buffering=1, encoding='ascii', newline='\n')  # noqa: SIM115
        except OSError as error:
            raise _output_error(path, error) from error
        self._write(CSV_HEADER)

    def put(self, frame: Frame, tracks: Tracks) -> None:
        x1, y1, x2, y2 = tracks.boxes[0, self._target].tolist()
        score = float(tracks.scores[0, self._target])
        present = int(tracks.present[0, self._target])
        self._write(f'{frame.index},{x1:.3f},{y1:.3f},{x2 - x1:.3f},{y2 - y1:.3f},{score:.4f},{present}')

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise _output_error(self.path, error) from error

    def _write(self, row: str) -> None:
        try:
            self._file.write(row + '\n')
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.close()
            raise _output_error(self.path, error) from error


class VideoWriter:
    """Write H.264 video that browsers play: yuv420p, even sides, index in front of the pictures.

    The first frame sets the size (odd sides are padded by one pixel); later frames of another size are fitted
    into it with black bars. The file is written under ``<name>.part`` and renamed by `close`, so the final
    name always holds a playable video; without any frame there is no file.

    path: file to write (replaced if there). fps: frames a second, 25 if None or not believable.
    Raises OutputError if it cannot be written, MissingDependencyError without PyAV.
    """

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self._av = require_av()
        self.path = path
        self.num_frames = 0
        self._fps = _rate(fps)
        self._part = path.with_name(path.name + '.part')
        self._container: Any = None
        self._stream: Any = None
        self._last = -1
        try:
            self._part.touch()  # PyAV opens the file with the first frame, which is late for an error
            self._container = self._av.open(
                os.fspath(self._part), 'w', format='mp4', options={'movflags': '+faststart'}
            )
        except (OSError, self._av.FFmpegError) as error:
            raise _output_error(path, error) from error

    def write(self, image: np.ndarray, index: int | None = None) -> None:
        """Append a frame.

        image: (H, W, 3) uint8 BGR. index: its place in time in units of 1 / fps, larger than the last one's;
        default the next. Where indices jump, as in a live source that drops frames, the frame before stays
        on screen, so that the video keeps the speed of the world.
        """
        if self._container is None:
            raise OutputError(f'{self.path}: the video is already closed')
        self._last = max(self._last + 1, index if index is not None else 0)
        try:
            if self._stream is None:
                self._stream = self._add_stream(image.shape[0], image.shape[1])
            picture = letterbox(image, (self._stream.height, self._stream.width))
            frame = self._av.VideoFrame.from_ndarray(picture, format='bgr24')
            frame.pts = self._last
            frame.time_base = 1 / self._fps
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, self._av.FFmpegError) as error:
            self._discard()
            raise _output_error(self.path, error) from error
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._container is None:
            return
        if self._stream is None:
            self._discard()
            return
        try:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            self._container = None
            os.replace(self._part, self.path)
        except (OSError, self._av.FFmpegError) as error:
            self._discard()
            raise _output_error(self.path, error) from error

    def __enter__(self) -> 'VideoWriter':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add_stream(self, height: int, width: int) -> Any:
        codec = 'libx264' if 'libx264' in self._av.codecs_available else 'h264'
        stream = self._container.add_stream(codec, rate=self._fps)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = 'yuv420p'
        stream.time_base = 1 / self._fps
        # what the conversion from BGR makes; untagged, players guess another matrix for HD sizes
        stream.codec_context.colorspace = _SMPTE170M
        if codec == 'libx264':  # visually clean, and cheaper than the tracker
            stream.options = {'preset': 'veryfast', 'crf': '20'}
        return stream

    def _discard(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(OSError, self._av.FFmpegError):
                container.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)


class TrackVideo:
    """The frames with their boxes drawn in, as a video; see `VideoWriter` and `draw_tracks`."""

    def __init__(self, path: Path, fps: float | None = None, *, show_absent: bool = True) -> None:
        self.path = path
        self._writer = VideoWriter(path, fps)
        self._show_absent = show_absent
        self._first: int | None = None

    def put(self, frame: Frame, tracks: Tracks) -> None:
        if self._first is None:
            self._first = frame.index
        picture = draw_tracks(frame.image, tracks, show_absent=self._show_absent)
        self._writer.write(picture, frame.index - self._first)

    def close(self) -> None:
        self._writer.close()


def letterbox(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fit a (H, W, 3) uint8 image into (height, width), centred between black bars.

    An image that is at most one pixel smaller a side is not scaled: its last row or column is repeated.
    """
    height, width = size
    missing = (height - image.shape[0], width - image.shape[1])
    if missing == (0, 0):
        return image
    if all(0 <= m <= 1 for m in missing):
        return cv2.copyMakeBorder(image, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    factor = min(height / image.shape[0], width / image.shape[1])
    inner_height = min(height, max(1, round(image.shape[0] * factor)))
    inner_width = min(width, max(1, round(image.shape[1] * factor)))
    shrinks = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    canvas[top : top + inner_height, left : left + inner_width] = cv2.resize(
        image, (inner_width, inner_height), interpolation=shrinks
    )
    return canvas


def _rate(fps: float | None) -> Fraction:
    """Frame rate as a fraction; 29.97 becomes 30000/1001."""
    if fps is None or not math.isfinite(fps) or not 0.1 <= fps <= 1000:
        fps = DEFAULT_FPS
    return Fraction(fps).limit_denominator(1001)


def require_av() -> Any:
    """The PyAV module; MissingDependencyError with the fix if it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError('PyAV is needed to write video: pip install av') from error
    return av


def _output_error(path: Path, error: Exception) -> OutputError:
    reason = getattr(error, 'strerror', None) or str(error) or type(error).__name__
    return OutputError(f'{path}: cannot be written: {reason}')

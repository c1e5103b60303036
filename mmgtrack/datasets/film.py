"""Frames of a video file in any order, each the one that decoding from the beginning gives."""

import os
import threading
from bisect import bisect_left
from collections import OrderedDict
from itertools import pairwise

import cv2
import numpy as np

from mmgtrack.errors import DataError, FrameError

FILM_SUFFIXES = frozenset({'.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg'})
_NEAR = 32
"""Ours: so many frames ahead are reached by decoding on, which costs less than a jump to a key frame."""
_FIRST_STEP_BACK = 16
_SAME_MS = 1e-3
_OPEN_FILMS = 4
"""Ours, for each process: an open decoder holds its reference frames, some 30 MB at 1080p."""


class Film:
    """An open video file.

    Players may jump to a neighbour of the frame asked for, so a jump counts only where the frame's time is
    the one that it had when the film was decoded from the beginning; that is done once, at the first jump.
    Films whose times do not rise are decoded from the beginning each time.

    Raises FrameError where the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._capture = _opened(path)
        self._position = -1  # of the frame that was grabbed last
        self._times: list[float] | None = None

    def frame(self, number: int) -> np.ndarray:
        """(H, W, 3) uint8 BGR of the frame with that number, from 0. Raises FrameError past the end."""
        if not 0 <= number - self._position <= _NEAR:
            self._jump(number)
        while self._position < number:
            if not self._capture.grab():
                raise self._refusal(number, f'it ends after {self._position + 1}')
            self._position += 1
        ok, image = self._capture.retrieve()
        if not ok or image is None:
            raise self._refusal(number, 'it cannot be decoded')
        return image

    def _refusal(self, number: int, reason: str) -> FrameError:
        return FrameError(f'{self.path} has no frame {number}: {reason}', film_path(self.path, number))

    def close(self) -> None:
        """Give back the decoder."""
        self._capture.release()

    def _jump(self, number: int) -> None:
        """Go to the frame, or to one before it."""
        times = self._measured_times()
        target, step = number, _FIRST_STEP_BACK
        while target > 0 and number < len(times):
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, target)
            if self._capture.grab():
                landed = _index_of(self._capture.get(cv2.CAP_PROP_POS_MSEC), times)
                if landed is not None and landed <= number:
                    self._position = landed
                    return
            target, step = target - step, 4 * step
        self._rewind()

    def _measured_times(self) -> list[float]:
        """Time of every frame in milliseconds; none where they do not rise, so that they tell no frame."""
        if self._times is None:
            self._rewind()
            self._times = []
            while self._capture.grab():
                self._times.append(self._capture.get(cv2.CAP_PROP_POS_MSEC))
            if any(later <= earlier for earlier, later in pairwise(self._times)):
                self._times = []
            self._rewind()
        return self._times

    def _rewind(self) -> None:
        self._capture.release()
        self._capture = _opened(self.path)
        self._position = -1


_films: OrderedDict[tuple[str, int], Film] = OrderedDict()
_inherited: list[OrderedDict[tuple[str, int], Film]] = []
_lock = threading.Lock()


def _begin_anew() -> None:
    """In a forked process: the parent's decoders share their place in the file with it, so they are not used;
    nor are they closed, which would wait for threads that only the parent has.
    """
    global _films, _lock
    _inherited.append(_films)
    _films, _lock = OrderedDict(), threading.Lock()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_begin_anew)


def film_path(film: str, number: int) -> str:
    """How a frame of a film stands among the paths of frames."""
    return f'{film}#{number}'


def split_film_path(path: str) -> tuple[str, int] | None:
    """Film and number of a frame's path; None for the path of an image."""
    film, _, number = path.rpartition('#')
    is_film = os.path.splitext(film)[1].lower() in FILM_SUFFIXES
    return (film, int(number)) if is_film and number.isdecimal() else None


def read_film_frame(film: str, number: int) -> np.ndarray:
    """(H, W, 3) uint8 BGR; the films read last stay open, in every process its own.

    Raises FrameError that names the film where it cannot be opened, or has no such frame.
    """
    try:
        changed = os.stat(film).st_mtime_ns
    except (OSError, ValueError) as error:
        raise FrameError(
            f'cannot open the video {film}: {getattr(error, "strerror", None) or error}', film
        ) from error
    key = (film, changed)
    with _lock:
        found = _films.pop(key, None) or Film(film)
        _films[key] = found
        while len(_films) > _OPEN_FILMS:
            _films.popitem(last=False)[1].close()
        return found.frame(number)


def count_film_frames(film: str) -> int:
    """By decoding it once: what the header says may be wrong. Raises DataError for a film without frames."""
    capture = _opened(film)
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    if count == 0:
        raise DataError(f'the video {film} has no frame: it is empty or damaged')
    return count


def _opened(path: str) -> cv2.VideoCapture:
    # naming FFmpeg keeps OpenCV from taking a file name with digits for a pattern of images
    has_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getBackends()
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)
    if not capture.isOpened():
        raise FrameError(f'cannot open the video {path}: it is missing, damaged, or of an unknown kind', path)
    return capture


def _index_of(time: float, times: list[float]) -> int | None:
    place = bisect_left(times, time - _SAME_MS)
    return place if place < len(times) and times[place] <= time + _SAME_MS else None

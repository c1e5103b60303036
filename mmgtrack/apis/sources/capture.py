"""The few things we ask of OpenCV's video reader."""

import math
from pathlib import Path

import cv2
import numpy as np

from mmgtrack.apis.sources.images import to_bgr8

# ours, in milliseconds: OpenCV's default of 30 s is long for somebody who waits
_TIMEOUTS = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 10_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 10_000]
_MAX_FPS = 1000.0  # ours: headers without a rate often hold a clock rate such as 90000


class Capture:
    """An open ``cv2.VideoCapture`` that counts what it reads.

    address: path of a file, stream address, or number of a camera.
    """

    def __init__(self, address: Path | str | int) -> None:
        if isinstance(address, int):
            self._capture = cv2.VideoCapture(address)
        else:
            # naming FFmpeg keeps OpenCV from taking a file name with digits for a pattern of images
            has_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getBackends()
            backend = cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY
            self._capture = cv2.VideoCapture(str(address), backend, _TIMEOUTS if has_ffmpeg else [])

    @property
    def is_open(self) -> bool:
        return bool(self._capture.isOpened())

    @property
    def num_frames(self) -> int | None:
        """The header's number of frames, None if it has none."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if 0 < count < 2**31 else None

    @property
    def fps(self) -> float | None:
        """Frames a second as the header says, None if it has no believable value."""
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        return fps if math.isfinite(fps) and 0 < fps <= _MAX_FPS else None

    @property
    def time_s(self) -> float:
        """Presentation time of the frame read last, in seconds."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def skip(self, count: int) -> int:
        """Pass over up to ``count`` frames without converting them; return how many there were."""
        for done in range(count):
            if not self._capture.grab():
                return done
        return count

    def grab(self) -> bool:
        """Advance by one frame; False at the end or when the stream is lost."""
        return bool(self._capture.grab())

    def image(self) -> np.ndarray | None:
        """The grabbed frame as (H, W, 3) uint8 BGR, None if it cannot be decoded."""
        ok, image = self._capture.retrieve()
        return to_bgr8(image) if ok and image is not None and image.size else None

    def close(self) -> None:
        self._capture.release()


def ends_early(count: int, announced: int | None) -> bool:
    """Whether ``count`` frames are fewer than a header announced by more than a header is usually wrong.

    The tolerance of 2 frames or 2 % is ours: containers round durations and count undisplayed frames.
    """
    return announced is not None and announced - count > max(2.0, 0.02 * announced)

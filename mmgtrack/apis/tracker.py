"""The public tracker: models by name, frames or a video in, tracks out."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from mmgtrack import zoo
from mmgtrack.apis.models import build_tracker
from mmgtrack.apis.sources import LivePolicy, to_bgr8
from mmgtrack.apis.streaming import stream_tracks
from mmgtrack.models.base import BaseTracker
from mmgtrack.structures import Candidates, State, Tracks

Image = np.ndarray | Tensor


class Tracker:
    """Follow given objects through video.

    Args:
        model: name in the zoo (``mmgtrack models``) or path of a config file.
        checkpoint: weights; default the ones shipped for the name.
        device: 'cpu', 'cuda', 'cuda:1', ...

    Raises ModelNotFoundError, CheckpointError, InputError.

    Example::

        tracker = Tracker()
        state = tracker.encode(frames[0], [[10, 20, 50, 80]])
        tracks, state = tracker.track(frames[1:], state)
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = zoo.DEFAULT,
        checkpoint: str | os.PathLike[str] | None = None,
        device: str = 'cpu',
    ) -> None:
        self.model: BaseTracker = build_tracker(model, checkpoint, device)

    @property
    def batch_frames(self) -> int:
        """How many frames a pass of this model likes to get."""
        return self.model.batch_frames

    def encode(self, frame: Image, boxes: Any) -> State:
        """State of M targets.

        frame: (H, W, 3) uint8 BGR; grey, BGRA, 16-bit and float images are converted; tensors are taken
        as they are. boxes: (M, 4) xyxy pixels, continuous (x2 = x + w). Raises InputError.
        """
        return self.model.encode(_image(frame), boxes)

    def track(self, frames: Sequence[Image], state: State) -> tuple[Tracks, State]:
        """Tracks (N, M) in N frames, and the state after them; the given state is not changed."""
        return self.model.track([_image(f) for f in frames], state)

    def track_many(self, clips: Sequence[tuple[Sequence[Image], State]]) -> list[tuple[Tracks, State]]:
        """Several videos at once: (frames, state) each, (tracks, state) back in the same order."""
        return self.model.track_many([([_image(f) for f in frames], s) for frames, s in clips])

    def candidates(self, frames: Sequence[Image], state: State) -> Candidates:
        """All candidates (N, M, K) of each frame, best first, before one is chosen."""
        return self.model.candidates([_image(f) for f in frames], state)

    def stream(
        self,
        source: Any,
        boxes: Any,
        *,
        start_frame: int = 0,
        live: LivePolicy = 'newest',
    ) -> Iterator[tuple[Any, Tracks]]:
        """Track through a file, folder, glob, camera, stream address, or an iterable of frames.

        boxes: (M, 4) xyxy pixels in frame ``start_frame``. Yields ``(frame, track)`` as they are made,
        frame with ``index`` and ``image``, track (1, M); the first is the start frame with the given
        boxes. live: for cameras and streams, 'newest' skips frames that came while tracking, 'every'
        keeps them all. Raises SourceError, InputError.
        """
        return stream_tracks(self, source, boxes, start_frame=start_frame, live=live)


def _image(frame: Image) -> Image:
    return frame if isinstance(frame, Tensor) else to_bgr8(frame)

"""The public tracker: models by name, frames or a video in, tracks out."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from mmgtrack.apis.models import build_tracker
from mmgtrack.apis.sources import LivePolicy, to_bgr8
from mmgtrack.apis.streaming import stream_tracks
from mmgtrack.errors import InputError
from mmgtrack.models.base import BaseTracker
from mmgtrack.structures import Candidates, State, Tracks

Image = np.ndarray | Tensor


class Tracker:
    """Follow given objects through video.

    Args:
        model: name in the zoo (``mmgtrack models``) or path of a config file; default the one that the
            checkpoint was made for, else the included light model.
        checkpoint: weights; default the ones shipped for the name.
        device: 'cpu', 'cuda', 'cuda:1', ...
        precision: what the network computes in: 'float32', 'bfloat16', or on a GPU 'float16'. Half precision
            is faster where the processor has units for it, and moves boxes and scores a little.
        compile: torch.compile; faster still, but takes seconds to minutes at the first frames of each size.
        plain: none of the fast path, layers as they are in training: slower, same results up to rounding.

    Raises ModelNotFoundError, CheckpointError, InputError.

    Example::

        tracker = Tracker()
        state = tracker.encode(frames[0], [[10, 20, 50, 80]])
        tracks, state = tracker.track(frames[1:], state)
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        device: str = 'cpu',
        *,
        precision: str = 'float32',
        compile: bool = False,
        plain: bool = False,
    ) -> None:
        self.model: BaseTracker = build_tracker(
            model, checkpoint, device, precision=precision, compile=compile, plain=plain
        )

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
        """All boxes (N, M, K) that the tracker considers in each of N >= 1 frames, before one is chosen.

        Boxes are xyxy pixels of the frame, continuous (x2 = x + w). Each row is sorted by score, best first,
        after suppression of duplicates, and padded at its end with boxes that are not ``valid``. Scores are
        the network's own, in [0, 1]: they order the boxes of one frame, but are no probability that the
        target is there, as ``Tracks.scores`` are. The given state is not changed. Raises InputError for a
        tracker that has no candidates (one that searches a window), or without any frame or target.
        """
        return self._found('candidates', frames, state)

    def proposals(self, frames: Sequence[Image], state: State) -> Candidates:
        """What the first of two stages proposes: like ``candidates``, but more boxes, less well placed.

        Scores are those of the region proposal network. Raises InputError for a tracker of one stage.
        """
        return self._found('proposals', frames, state)

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

    def _found(self, kind: str, frames: Sequence[Image], state: State) -> Candidates:
        if not hasattr(self.model, kind):
            raise InputError(f'the tracker {self.model.name} ({type(self.model).__name__}) has no {kind}')
        return getattr(self.model, kind)([_image(f) for f in frames], state)


def _image(frame: Image) -> Image:
    return frame if isinstance(frame, Tensor) else to_bgr8(frame)

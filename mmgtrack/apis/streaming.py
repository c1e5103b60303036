"""From a source and boxes to tracks, a frame at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mmgtrack.apis.sources import Frame, FrameReader, LivePolicy, open_source
from mmgtrack.errors import InputError
from mmgtrack.geometry import check_boxes
from mmgtrack.structures import Tracks

if TYPE_CHECKING:
    from mmgtrack.apis.tracker import Tracker


def stream_tracks(
    tracker: 'Tracker', source: Any, boxes: Any, *, start_frame: int = 0, live: LivePolicy = 'newest'
) -> Iterator[tuple[Frame, Tracks]]:
    """Track targets through a source: yield every frame with its tracks, as soon as they are known.

    source: whatever `open_source` takes; frames are read ahead in a thread, and files are tracked in chunks
    of ``tracker.batch_frames``, live sources frame by frame. Leaving the loop early stops the thread.
    boxes: (M, 4) xyxy pixels of frame ``start_frame``, array-like.
    live: 'newest' or 'every', see `FrameReader`.

    Yields (frame, tracks) with N = 1, tracks on the CPU; the first is the start frame with the given boxes
    and score 1. Raises SourceError and InputError when the first frame is asked for.
    """
    with FrameReader(open_source(source), start_frame, live) as reader:
        start = next(reader)
        yield from track_reader(tracker, reader, start, boxes)


def track_reader(
    tracker: 'Tracker', reader: FrameReader, start: Frame, boxes: Any
) -> Iterator[tuple[Frame, Tracks]]:
    """Like `stream_tracks`, for a reader whose start frame was already taken (to look at it, say)."""
    targets = check_start_boxes(boxes, start)
    state = tracker.encode(start.image, targets)
    certain = torch.ones(1, len(targets))
    yield start, Tracks(targets[None], certain, certain > 0)
    chunk_size = 1 if reader.source.is_live else max(1, tracker.batch_frames)
    while chunk := reader.take(chunk_size):
        tracks, state = tracker.track([frame.image for frame in chunk], state)
        tracks = tracks.to('cpu')
        for i, frame in enumerate(chunk):
            yield frame, tracks[i : i + 1]


def check_start_boxes(boxes: Any, start: Frame) -> Tensor:
    """Boxes as (M, 4) float32 xyxy on the CPU; InputError if they cannot be targets in the start frame."""
    try:
        given = boxes.detach().cpu() if isinstance(boxes, Tensor) else boxes
        targets = torch.as_tensor(np.array(given, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise InputError(f'boxes must be (M, 4) numbers xyxy, got {boxes!r}') from error
    height, width = start.image.shape[:2]
    return check_boxes(targets, (height, width))

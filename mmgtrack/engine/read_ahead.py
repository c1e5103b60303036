"""Frames of a video, decoded by a thread while the tracker is busy with those before."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future

import numpy as np

from mmgtrack.datasets.sequence import read_frame

_CHUNKS_AHEAD = 2
"""Ours: one is being decoded while the next waits; what is in memory does not grow with the video."""


def read_ahead(paths: Sequence[str], size: int, executor: Executor) -> Iterator[list[np.ndarray]]:
    """Chunks of ``size`` frames (H, W, 3) uint8 BGR, the last one shorter; each frame is read once.

    Where a frame cannot be read, its chunk raises what ``read_frame`` raised, and is the last one.
    """
    chunks = (paths[start : start + size] for start in range(0, len(paths), size))
    waiting: deque[Future[list[np.ndarray]]] = deque()
    for chunk in chunks:
        waiting.append(executor.submit(_read, chunk))
        if len(waiting) > _CHUNKS_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read(paths: Sequence[str]) -> list[np.ndarray]:
    return [read_frame(path) for path in paths]

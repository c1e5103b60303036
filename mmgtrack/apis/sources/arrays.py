"""Frames that the caller hands over."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np
from torch import Tensor

from mmgtrack.apis.sources.base import Frame, FrameSource
from mmgtrack.apis.sources.images import to_bgr8
from mmgtrack.errors import InputError


class ArraySource(FrameSource):
    """Any iterable of images: arrays as `to_bgr8` takes them, tensors (H, W, 3) uint8 BGR on any device
    (handed on untouched), or `Frame` objects, which keep their own number and time.

    Arrays are copied: frames wait in a queue while the next is made, and iterators like to reuse a buffer.
    Raises InputError that names the frame if an image does not fit.
    """

    def __init__(self, images: Iterable[Any]) -> None:
        self.name = f'iterator of frames ({type(images).__name__})'
        self._images = images
        self.num_frames = len(images) if isinstance(images, Sized) else None

    def frames(self, start: int = 0) -> Iterator[Frame]:
        self._check_start(start)
        count = 0
        for item in self._images:
            if count >= start:
                yield self._frame(item, count)
            count += 1
        if count <= start:
            raise self._past_end(start, count)

    def _frame(self, item: Any, index: int) -> Frame:
        if isinstance(item, Frame):
            return item
        if isinstance(item, Tensor):
            return Frame(index, item)  # type: ignore[arg-type]
        try:
            image = to_bgr8(item)
        except InputError as error:
            raise InputError(f'frame {index}: {error}') from error
        return Frame(index, np.array(image) if image is item else image)

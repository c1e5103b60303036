"""What every source of frames offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import InputError, SourceError


class SourceWarning(UserWarning):
    """The frames that could be read were delivered, but the source is not whole."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source.

    index: number of the frame in its source, from 0, counted by reading and never by a header.
    image: (H, W, 3) uint8 BGR; only an iterator that itself yields torch tensors yields them here too.
    time_s: seconds since the first frame (files: the presentation time), None where nobody knows.
    """

    index: int
    image: np.ndarray
    time_s: float | None = None


class FrameSource(ABC):
    """An opened source. Iterating it yields every `Frame`; `FrameReader` does so ahead, in a thread.

    name: what error messages call it.
    is_live: frames appear in real time, whether or not anybody reads them.
    num_frames: how many frames to expect, None if unknown. For the total of a progress bar only.
    is_estimate: ``num_frames`` comes from a header and may be wrong.
    fps: frames a second, None if unknown.
    """

    name: str
    is_live: bool = False
    num_frames: int | None = None
    is_estimate: bool = False
    fps: float | None = None

    @abstractmethod
    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the frames from number ``start`` on.

        Raises SourceError if no frame can be read, if ``start`` is past the end, and for a frame that
        should be there and is not. Warns with SourceWarning if the source ends before it should.
        """

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def close(self) -> None:  # noqa: B027 (most sources hold nothing open between iterations)
        """Stop waiting and give back what is held open; may be called from another thread."""

    def _check_start(self, start: int) -> None:
        if isinstance(start, bool) or not isinstance(start, int) or start < 0:
            raise InputError(f'start frame must be a whole number >= 0, got {start!r}')

    def _past_end(self, start: int, count: int) -> SourceError:
        if count == 0:
            return SourceError(f'{self.name}: no frame could be read; the source is empty or damaged')
        return SourceError(
            f'{self.name}: start frame {start} is past the end, the source has {count} frame'
            f'{"s" if count > 1 else ""} (0 to {count - 1})'
        )

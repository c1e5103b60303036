"""Numbers of targets over all clips of a training set: the classes that a re-id head learns to tell apart."""

from collections.abc import Sequence as Items
from dataclasses import dataclass, replace

import numpy as np

from mmgtrack.datasets.sequence import NO_IDENTITY, Reader, Sequence
from mmgtrack.errors import InputError


@dataclass(frozen=True)
class IdentityRange:
    """The numbers of one source: ``width`` for each of its clips, ``first`` up to ``end`` - 1."""

    first: int
    width: int
    end: int

    def number(self, clip: Sequence, index: int) -> Sequence:
        """The source's clip of that index, its first ``width`` targets numbered."""
        if self.width == 0:
            return clip
        columns = np.arange(clip.num_targets)
        numbers = self.first + index * self.width + columns
        return replace(clip, identities=np.where(columns < self.width, numbers, NO_IDENTITY))


def number_sources(readers: Items[Reader], widths: Items[int]) -> list[IdentityRange]:
    """A range for each source, one after the other; widths: targets of a clip that are numbered, from 0.

    Raises InputError for a width that is no such number.
    """
    ranges: list[IdentityRange] = []
    first = 0
    for reader, width in zip(readers, widths, strict=True):
        if isinstance(width, bool) or not isinstance(width, int) or width < 0:
            raise InputError(f'identities must be how many targets of a clip are numbered, got {width!r}')
        end = first + len(reader) * width
        ranges.append(IdentityRange(first, width, end))
        first = end
    return ranges

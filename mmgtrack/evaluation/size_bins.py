"""How large targets are: sizes in pixels and relative to the frame, bins and classes of them."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from mmgtrack.errors import InputError


def box_sizes(boxes: np.ndarray) -> np.ndarray:
    """Sizes sqrt(w*h) in pixels, float64 (...), of xyxy boxes (..., 4); nan where a box is nan."""
    sides = np.maximum(boxes[..., 2:].astype(np.float64) - boxes[..., :2], 0)
    sizes: np.ndarray = np.sqrt(sides.prod(-1))
    return sizes


def relative_sizes(boxes: np.ndarray, frames: np.ndarray | tuple[int, int]) -> np.ndarray:
    """r = sqrt(wh / WH), float64 (...), of xyxy boxes (..., 4) in frames of (..., 2) height, width."""
    relative: np.ndarray = box_sizes(boxes) / np.sqrt(np.asarray(frames, dtype=np.float64).prod(-1))
    return relative


def chance_level(relative: np.ndarray) -> np.ndarray:
    """How often a random point of the frame is inside a box of relative size r: r^2, at most 1."""
    return np.minimum(np.square(relative), 1.0)


@dataclass(frozen=True)
class SizeBins:
    """Bins of a size; the first has no lower and the last no upper limit.

    edges: (B - 1,) above 0 and rising, of B bins; an edge belongs to the bin above it. names: of the B bins,
    where they have any. Raises InputError for edges or names that do not fit.
    """

    edges: tuple[float, ...]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.edges or self.edges[0] <= 0 or not (np.diff(self.edges) > 0).all():
            raise InputError(f'edges of size bins must be above 0 and rising, got {list(self.edges)}')
        if self.names and len(self.names) != len(self):
            raise InputError(f'{len(self)} size bins need as many names, got {list(self.names)}')

    @classmethod
    def octaves(cls, first: float, last: float, parts: int = 1) -> 'SizeBins':
        """Edges from ``first`` to ``last`` at least, each twice the one ``parts`` before it."""
        if not 0 < first < last or parts < 1:
            raise InputError(f'octaves need 0 < first < last and parts >= 1, got {first}, {last}, {parts}')
        count = int(np.ceil(parts * np.log2(last / first) - 1e-9))
        return cls(tuple(float(first * 2 ** (k / parts)) for k in range(count + 1)))

    def __len__(self) -> int:
        return len(self.edges) + 1

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """(B,) what to call each bin: its name, or its limits such as ``4-8``."""
        if self.names:
            return self.names
        edges = [f'{edge:.3g}' for edge in self.edges]
        inner = [f'{low}-{high}' for low, high in pairwise(edges)]
        return (f'< {edges[0]}', *inner, f'>= {edges[-1]}')

    def index(self, sizes: np.ndarray) -> np.ndarray:
        """Bin (...) int64 of every size (...); -1 where a size is nan."""
        found = np.searchsorted(self.edges, sizes, side='right')
        return np.where(np.isnan(sizes), -1, found)

    def counts(self, sizes: np.ndarray) -> np.ndarray:
        """(B,) int64 sizes in each bin; nan counts nowhere."""
        found = self.index(np.asarray(sizes))
        return np.bincount(found[found >= 0].ravel(), minlength=len(self))

    def shares(self, sizes: np.ndarray) -> np.ndarray:
        """(B,) share of the sizes in each bin; nan without a size."""
        counts = self.counts(sizes)
        return counts / counts.sum() if counts.sum() else np.full(len(self), np.nan)


STUDY_BINS = SizeBins.octaves(4, 256)
"""Of the size study, in pixels: the octaves that training draws from."""

COCO_CLASSES = SizeBins((32, 96), ('small', 'medium', 'large'))
"""In pixels: COCO's area limits 32^2 and 96^2, of boxes instead of masks."""

RELATIVE_CLASSES = SizeBins((0.02, 0.05, 0.15), ('tiny', 'small', 'medium', 'large'))
"""In r = sqrt(wh / WH)."""

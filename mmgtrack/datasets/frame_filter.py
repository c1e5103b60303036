"""Which frames of a video are fit for training."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FrameFilter:
    """Rules for the box of a frame; left alone, they let every box pass.

    The official GlobalTrack code trains on frames with min_area=20, sides=(10, 960), shares=(0.01, 0.75),
    aspect=(0.2, 5) and min_cover=(1, 0.3).

    Args:
        min_area: the area must exceed this, in square pixels.
        sides: least and largest width and height, in pixels.
        shares: least and largest share of the image's width and height.
        aspect: width / height must be in [least, largest).
        min_cover: (a, b): where the data say how much of the target is to be seen (GOT-10k: in eighths),
            it must exceed a, and b times the most that is seen of it in this video.
    """

    min_area: float = 0.0
    sides: tuple[float, float] = (0.0, np.inf)
    shares: tuple[float, float] = (0.0, np.inf)
    aspect: tuple[float, float] = (0.0, np.inf)
    min_cover: tuple[float, float] | None = None

    def fits(self, boxes: np.ndarray, size: tuple[int, int], cover: np.ndarray | None = None) -> np.ndarray:
        """(F,) bool for boxes (F, 4) xyxy pixels in images of (height, width); nan rows do not fit.

        cover: (F,) visible part of the target in each frame, in any unit.
        """
        fit = np.isfinite(boxes).all(1)
        for passed in self._passed(boxes, size, cover).values():
            fit &= passed
        return fit

    def removed(
        self, boxes: np.ndarray, size: tuple[int, int], cover: np.ndarray | None = None
    ) -> dict[str, int]:
        """How many of the boxes each rule takes out, arguments as of ``fits``.

        A box that breaks several rules counts for the first of them, nan rows for none.
        """
        left = np.isfinite(boxes).all(1)
        counts = {}
        for rule, passed in self._passed(boxes, size, cover).items():
            number = int((left & ~passed).sum())
            left &= passed
            if number:
                counts[f'{rule}={getattr(self, rule)}'] = number
        return counts

    def _passed(
        self, boxes: np.ndarray, size: tuple[int, int], cover: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """(F,) bool by rule."""
        # corners in float32: to a thousandth of a pixel, or a side of 10 would miss its own limit
        sides = (boxes[:, 2:].astype(np.float64) - boxes[:, :2]).round(3)
        with np.errstate(divide='ignore', invalid='ignore'):
            aspect = sides[:, 0] / sides[:, 1]
        passed = {
            'min_area': sides.prod(1) > self.min_area,
            'sides': _within(sides, self.sides),
            'shares': _within(sides / [size[1], size[0]], self.shares),
            'aspect': (aspect >= self.aspect[0]) & (aspect < self.aspect[1]),
        }
        if cover is not None and self.min_cover is not None:
            passed['min_cover'] = cover > max(self.min_cover[0], self.min_cover[1] * cover.max(initial=0.0))
        return passed


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return np.logical_and.reduce((values >= limits[0]) & (values <= limits[1]), axis=1)

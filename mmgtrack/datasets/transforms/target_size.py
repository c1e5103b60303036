"""Every size in training: the target's size is drawn, whatever it is in the picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmgtrack.datasets.sequence import read_frame
from mmgtrack.datasets.transforms.margin import mirrored_tiles, put_decoy
from mmgtrack.datasets.transforms.zoom import RandomZoom
from mmgtrack.errors import InputError
from mmgtrack.registry import TRANSFORMS

LEAST_SIDE = 1e-3
"""Of a box, in pixels: one without an area has some size, too."""
_STREAM = 1_000_000
"""Goes with a sample's key: source, clip and frames come from the key alone, and would then say the size."""


@TRANSFORMS.register_module()
class RandomTargetSize(RandomZoom):
    """Draw the size sqrt(w*h) of one target uniformly in log scale, from a few pixels to half the frame.

    The picture is scaled by whatever the size drawn asks for, however far: a source of small objects gives
    blurred large ones. It is stretched without changing the area, and placed as in ``RandomZoom``. A size
    that is wider or higher than the canvas is lowered to fit. All roles of a sample share the size and,
    where they show the same ones, the target; each role then changes the size by up to ``change``, so that
    a sample of a video or of a still image shows its target small in all roles or large in all.

    A margin is filled with a frame of another clip (``other_path``), mirrored as often as it takes, and up
    to ``decoys`` parts of that frame lie on it as pictures of any size: else a small target would be found
    by the edge of the picture that it is in.

    Args:
        scale: (long, short) side limits of the canvas, see ResizeRule.
        min_size: smallest size, in pixels of the canvas.
        max_share: largest area, as a share of the canvas.
        quantiles: sizes at equally spaced quantiles, the smallest first, in pixels of the canvas, whose
            distribution is drawn instead of the uniform one: such as that of a data set. At least two.
        change: factor by which a role's size may differ from the sample's, either way; the limits throw it
            back. 1: the sizes of all roles are equal.
        decoys: largest number of other pictures in the margin, none smaller than ``min_size``.
        stretch, min_visible, mix_prob: as in ``RandomZoom``.
        prob: probability of drawing a size; otherwise a plain resize to the canvas.

    Raises InputError for limits that cannot be. Source: the small-object global tracking note, section 1
    ("have every size").
    """

    def __init__(
        self,
        scale: tuple[int, int],
        min_size: float = 4.0,
        max_share: float = 0.5,
        quantiles: Sequence[float] | None = None,
        change: float = 1.0,
        decoys: int = 8,
        stretch: float = 0.1,
        min_visible: float = 0.4,
        prob: float = 1.0,
        mix_prob: float = 1.0,
    ) -> None:
        if not (min_size > 0 and 0 < max_share <= 1 and change >= 1 and decoys >= 0):
            raise InputError(
                'RandomTargetSize needs min_size > 0, 0 < max_share <= 1, change >= 1 and decoys >= 0, got '
                f'{min_size}, {max_share}, {change} and {decoys}'
            )
        if quantiles is not None and not (len(quantiles) > 1 and all(np.diff([0, *quantiles]) > 0)):
            raise InputError(f'quantiles must be two or more rising sizes above 0, got {quantiles}')
        super().__init__(scale, stretch=stretch, min_visible=min_visible, prob=prob, mix_prob=mix_prob)
        self.min_size, self.max_share, self.change = min_size, max_share, change
        self.decoys, self.quantiles = decoys, quantiles

    def _anchor(self, boxes: np.ndarray, results: dict[str, Any]) -> np.ndarray | None:
        if len(boxes) == 0:
            return None
        # a number for each target and not one for all: roles may show different ones of them
        return boxes[np.argmin([_shared(results, int(target)) for target in results['gt_bboxes_labels']])]

    def _zoom(self, anchor: np.ndarray | None, factor: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        height, width = self.rule.new_size(results['img'].shape[:2])
        size = self._size(height * width, results)
        limit = np.log1p(self.stretch)
        stretch = np.exp(np.random.uniform(-limit, limit) * np.array([1, -1]) / 2)
        if anchor is None:  # of a frame without any target: as large as one that is an eighth of it
            return size / np.sqrt(height * width) * 8 * stretch
        sides = np.maximum((anchor[2:] - anchor[:2]) * factor, LEAST_SIDE) * stretch
        zoom = size / np.sqrt(sides.prod())
        return min(zoom, width / sides[0], height / sides[1]) * stretch

    def _size(self, area: int, results: dict[str, Any]) -> float:
        """The size of this role's target, in pixels of a canvas of that area."""
        sizes = self.quantiles or [self.min_size, max(self.min_size, np.sqrt(self.max_share * area))]
        low, high = np.log(sizes[0]), np.log(sizes[-1])
        reach = np.log(self.change)
        drawn = np.interp(_shared(results), np.linspace(0, 1, len(sizes)), np.log(sizes))
        size = drawn + np.random.uniform(-reach, reach)
        return float(np.exp(_reflected(size, low, high)))

    def _canvas(self, results: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
        other = results.get('other_path')
        if other is None or np.random.random() >= self.mix_prob:
            return super()._canvas({**results, 'other_path': None}, size)
        picture = read_frame(other, whole=True)
        canvas = mirrored_tiles(picture, size)
        for _ in range(np.random.randint(self.decoys + 1)):
            put_decoy(picture, canvas, self.min_size)
        return canvas


def _reflected(value: float, low: float, high: float) -> float:
    """Into the limits, thrown back by them, so that what is uniform stays so."""
    span = high - low
    return low + span - abs(span - (value - low) % (2 * span)) if span else low


def _shared(results: dict[str, Any], *what: int) -> float:
    """A number in [0, 1) that all roles of a sample have in common, for each ``what`` another."""
    return float(np.random.default_rng((*results['sample_key'], _STREAM, *what)).random())

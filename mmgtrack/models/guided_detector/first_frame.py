"""The samples a head first learns a target from: its window, moved, scaled and mirrored (section 3.4)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mmgtrack.errors import InputError


@dataclass(frozen=True)
class FirstFrame:
    """Which windows of the first frame are samples: the search window itself, then drawn ones.

    Every second one is mirrored. Draws depend on the seed alone and are the same for every target, in parts
    of its size; the whole target stays inside wherever a window can hold it.

    count: S, windows a target (section 3.4).
    shift: mean sides of the target that a window moves along each axis, at most.
    scale: factor of the window's side, at most, either way.

    The paper gives the count only; how far windows move is ours.
    """

    count: int = 16
    shift: float = 0.5
    scale: float = 1.25
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = math.isfinite(self.shift) and math.isfinite(self.scale) and isinstance(self.count, int)
        if not numbers or self.count < 1 or self.shift < 0 or self.scale < 1:
            raise InputError(
                'samples of the first frame need count >= 1, shift >= 0 and scale >= 1, got '
                f'{self.count}, {self.shift} and {self.scale}'
            )

    def around(self, boxes: Tensor, factor: float) -> Tensor:
        """Boxes (M, S, 4) float64 xyxy frame pixels to cut windows around for targets (M, 4) float64.

        factor: of the ``WindowRule`` that will cut them. The first of a target's boxes is its own.
        """
        moves, scales = (part.to(boxes.device) for part in self._draws())
        sizes = (boxes[:, 2:] - boxes[:, :2])[:, None]
        means = sizes.prod(-1, keepdim=True).sqrt()
        # a pixel less: windows are placed on whole ones
        room = ((means * factor * scales - sizes) / 2 - 1).clamp(min=0)
        shifts = torch.minimum(torch.maximum(moves * means, -room), room)
        centres = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 + shifts
        drawn = torch.cat([centres - sizes * scales / 2, centres + sizes * scales / 2], dim=-1)
        return torch.cat([boxes[:, None], drawn[:, 1:]], dim=1)

    @property
    def mirrored(self) -> Tensor:
        """(S,) bool: which samples are mirrored from left to right."""
        return torch.arange(self.count) % 2 == 1

    def mirror(self, images: Tensor) -> Tensor:
        """Windows (M, S, ..., size), each as its sample wants it."""
        mirrored = self.mirrored.to(images.device)
        return images.flip(-1).where(mirrored[(...,) + (None,) * (images.ndim - 2)], images)

    def mirror_boxes(self, boxes: Tensor, size: float) -> Tensor:
        """Boxes (M, S, 4) xyxy in windows of that size, each as its sample wants it."""
        left, top, right, bottom = boxes.unbind(-1)
        flipped = torch.stack([size - right, top, size - left, bottom], dim=-1)
        return flipped.where(self.mirrored.to(boxes.device)[:, None], boxes)

    def _draws(self) -> tuple[Tensor, Tensor]:
        """Moves (S, 2) in mean sides and scales (S, 1), the first of which stay unused."""
        generator = torch.Generator().manual_seed(self.seed)
        uniform = torch.rand((self.count, 3), generator=generator, dtype=torch.float64) * 2 - 1
        return uniform[:, :2] * self.shift, torch.exp(uniform[:, 2:] * math.log(self.scale))

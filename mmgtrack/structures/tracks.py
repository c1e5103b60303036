"""What a tracker says about N frames and M targets."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tracks:
    """Boxes and presence of M targets in N frames.

    boxes: (N, M, 4) float xyxy pixels of the frame, always the best hypothesis of that frame.
    scores: (N, M) float in [0, 1], calibrated probability that the target is in the frame.
    present: (N, M) bool, ``scores >= threshold`` of the model: whether to believe the box.
    """

    boxes: Tensor
    scores: Tensor
    present: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.scores.shape)
        if len(shape) != 2 or self.boxes.shape != (*shape, 4) or self.present.shape != shape:
            raise ValueError(
                'Tracks need boxes (N, M, 4), scores (N, M) and present (N, M), got '
                f'{tuple(self.boxes.shape)}, {shape} and {tuple(self.present.shape)}'
            )

    def __len__(self) -> int:
        """Number of frames N."""
        return len(self.scores)

    def __repr__(self) -> str:
        """One line: how many frames and targets, and in how many of the frames they are."""
        found = int(self.present.sum())
        return f'Tracks({len(self)} frames, {self.num_targets} targets: {found} boxes present)'

    @property
    def num_targets(self) -> int:
        """Number of targets M."""
        return self.scores.shape[1]

    def __getitem__(self, frames: slice) -> 'Tracks':
        """The tracks of a slice of the frames."""
        return Tracks(self.boxes[frames], self.scores[frames], self.present[frames])

    def to(self, device: torch.device | str) -> 'Tracks':
        """The same tracks on another device."""
        return Tracks(*(getattr(self, field.name).to(device) for field in fields(self)))

    @classmethod
    def cat(cls, parts: Sequence['Tracks']) -> 'Tracks':
        """Join tracks of the same targets along the frames."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

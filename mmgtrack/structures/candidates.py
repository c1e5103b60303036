"""What a detector offers before association chooses."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mmgtrack.errors import InputError


@dataclass(frozen=True)
class Candidates:
    """K candidate boxes for each of M targets in each of N frames, best first.

    boxes: (N, M, K, 4) float xyxy pixels of the frame.
    scores: (N, M, K) float, the detector's own score, not calibrated, descending.
    valid: (N, M, K) bool; rows with fewer than K candidates are padded with invalid ones at the end.
    """

    boxes: Tensor
    scores: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.scores.shape)
        if len(shape) != 3 or self.boxes.shape != (*shape, 4) or self.valid.shape != shape:
            raise ValueError(
                'Candidates need boxes (N, M, K, 4), scores (N, M, K) and valid (N, M, K), got '
                f'{tuple(self.boxes.shape)}, {shape} and {tuple(self.valid.shape)}'
            )

    def __len__(self) -> int:
        """Number of frames N."""
        return len(self.scores)

    def __repr__(self) -> str:
        """One line: how many frames, targets and boxes."""
        frames, targets, count = self.scores.shape
        return f'Candidates({frames} frames, {targets} targets, up to {count} boxes)'

    def __getitem__(self, frames: slice) -> 'Candidates':
        """The candidates of a slice of the frames."""
        return Candidates(self.boxes[frames], self.scores[frames], self.valid[frames])

    def top(self, count: int) -> 'Candidates':
        """The ``count`` best of each row; all of them where K is smaller."""
        if count < 1:
            raise InputError(f'top needs a count of at least 1, got {count}')
        return Candidates(*(getattr(self, field.name)[:, :, :count] for field in fields(self)))

    def to(self, device: torch.device | str) -> 'Candidates':
        """The same candidates on another device."""
        return Candidates(*(getattr(self, field.name).to(device) for field in fields(self)))

    @classmethod
    def cat(cls, parts: Sequence['Candidates']) -> 'Candidates':
        """Join candidates of the same targets along the frames, padded to the largest K."""
        count = max(part.scores.shape[2] for part in parts)
        padded = [part._pad(count - part.scores.shape[2]) for part in parts]
        return cls(*(torch.cat([getattr(p, f.name) for p in padded]) for f in fields(cls)))

    def _pad(self, count: int) -> 'Candidates':
        if count == 0:
            return self
        shape = (*self.scores.shape[:2], count)
        return Candidates(
            torch.cat([self.boxes, self.boxes.new_zeros((*shape, 4))], dim=2),
            torch.cat([self.scores, self.scores.new_zeros(shape)], dim=2),
            torch.cat([self.valid, self.valid.new_zeros(shape)], dim=2),
        )

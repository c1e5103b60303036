"""What a detector offers before association chooses."""

from collections.abc import Callable, Sequence
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
    embeddings: (N, M, K, D) float of unit length, what each looks like; None of a tracker that has none.
    """

    boxes: Tensor
    scores: Tensor
    valid: Tensor
    embeddings: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.scores.shape)
        if len(shape) != 3 or self.boxes.shape != (*shape, 4) or self.valid.shape != shape:
            raise ValueError(
                'Candidates need boxes (N, M, K, 4), scores (N, M, K) and valid (N, M, K), got '
                f'{tuple(self.boxes.shape)}, {shape} and {tuple(self.valid.shape)}'
            )
        if self.embeddings is not None and self.embeddings.shape[:-1] != shape:
            raise ValueError(
                f'Candidates need embeddings (N, M, K, D), got {tuple(self.embeddings.shape)} for {shape}'
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
        return self._map(lambda leaf: leaf[frames])

    def top(self, count: int) -> 'Candidates':
        """The ``count`` best of each row; all of them where K is smaller."""
        if count < 1:
            raise InputError(f'top needs a count of at least 1, got {count}')
        return self._map(lambda leaf: leaf[:, :, :count])

    def padded(self, count: int) -> 'Candidates':
        """With at least ``count`` rows, the new ones not valid."""
        return self._pad(max(0, count - self.scores.shape[2]))

    def to(self, device: torch.device | str) -> 'Candidates':
        """The same candidates on another device."""
        return self._map(lambda leaf: leaf.to(device))

    @classmethod
    def cat(cls, parts: Sequence['Candidates']) -> 'Candidates':
        """Join candidates of the same targets along the frames, padded to the largest K."""
        count = max(part.scores.shape[2] for part in parts)
        padded = [part.padded(count) for part in parts]
        joined = {name: torch.cat([getattr(part, name) for part in padded]) for name, _ in parts[0]._leaves()}
        return cls(**joined)

    def _pad(self, count: int) -> 'Candidates':
        if count == 0:
            return self

        def longer(leaf: Tensor) -> Tensor:
            shape = (*leaf.shape[:2], count, *leaf.shape[3:])
            return torch.cat([leaf, leaf.new_zeros(shape)], dim=2)

        return self._map(longer)

    def _leaves(self) -> list[tuple[str, Tensor]]:
        """Names and values of what is there."""
        leaves = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, leaf) for name, leaf in leaves if leaf is not None]

    def _map(self, function: Callable[[Tensor], Tensor]) -> 'Candidates':
        return Candidates(**{name: function(leaf) for name, leaf in self._leaves()})

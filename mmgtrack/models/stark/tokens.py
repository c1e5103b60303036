"""What the transformer reads: the cells of feature maps as sequences."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """L cells of each of B samples, rows from the top, each from the left.

    features, positions: (B, L, C) float; padding: (B, L) bool, True for cells that show no picture.
    """

    features: Tensor
    positions: Tensor
    padding: Tensor

    @classmethod
    def cat(cls, parts: Sequence['Tokens']) -> 'Tokens':
        """One sequence a sample, made of several."""
        return cls(*(torch.cat([getattr(part, f.name) for part in parts], dim=1) for f in fields(cls)))


@dataclass(frozen=True)
class TransformerOutput:
    """What the heads read.

    search: (B, L, C), the search region's cells. targets: (B, Q, C), the decoded queries; None without a
    decoder.
    """

    search: Tensor
    targets: Tensor | None

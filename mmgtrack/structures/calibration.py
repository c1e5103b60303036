"""From a detector's score to the probability that the target is there."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from mmgtrack.errors import InputError

EDGE = 1e-6  # scores of exactly 0 or 1 would have an infinite log-odds


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: ``p = sigmoid(scale * logit(score) + offset)``, present if ``p >= threshold``.

    It keeps the order of scores as long as ``scale`` is positive. The default changes nothing. Source:
    Platt, Probabilistic outputs for support vector machines, 1999; here on log-odds, so that scale 1 and
    offset 0 are the identity.
    """

    scale: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        values = asdict(self)
        if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values.values()):
            raise InputError(f'calibration needs three finite numbers, got {values}')
        if self.scale <= 0 or not 0 <= self.threshold <= 1:
            raise InputError(f'calibration needs scale > 0 and 0 <= threshold <= 1, got {values}')

    def __call__(self, scores: Tensor) -> Tensor:
        """Probabilities of the same shape as ``scores`` (any shape, values in [0, 1])."""
        if self.scale == 1 and self.offset == 0:
            return scores
        return (self.scale * scores.clamp(EDGE, 1 - EDGE).logit() + self.offset).sigmoid()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as written into a checkpoint's meta."""
        return asdict(self)

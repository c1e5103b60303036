"""What takes the place of GlobalTrack's two modulations where a stage is to ignore the query: for ablations.

A stage without guidance sees the detector's own features. Its kernels hold no number, so that states keep
their fields.
"""

from mmengine.model import BaseModule
from torch import Tensor

from mmgtrack.registry import MODELS


@MODELS.register_module()
class NoCorrelation(BaseModule):
    """In the place of ``DynamicCorrelation``: a plain RPN, which proposes the same for every target."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        del channels

    def generate(self, targets: Tensor) -> Tensor:
        """(M, 0) for the RoI features (M, C, R, R) of M targets."""
        return _nothing_of(targets)

    def forward_pairs(self, features: Tensor, kernels: Tensor, frames: Tensor) -> Tensor:
        """Features (N, C, H, W) of frame ``frames[p]`` for target p: (P, C, H, W)."""
        return features[frames]


@MODELS.register_module()
class NoModulation(BaseModule):
    """In the place of ``RoIModulator``: a plain R-CNN, which tells objects from background."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        del channels

    def encode(self, targets: Tensor) -> Tensor:
        """(M, 0) for the RoI features (M, C, R, R) of M targets."""
        return _nothing_of(targets)

    def forward(self, features: Tensor, kernels: Tensor) -> Tensor:
        """The features (K, C, R, R) of proposals as they are."""
        return features


def _nothing_of(targets: Tensor) -> Tensor:
    return targets.new_zeros(len(targets), 0)

"""How much the two tasks of DMTrack weigh against each other, learnt with them."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmgtrack.registry import MODELS


@MODELS.register_module()
class LearnedTaskWeights(BaseModule):
    """Balance two losses by learnt uncertainties (Kendall et al., CVPR 2018), in FairMOT's form.

    The total is (exp(-s_d) L_d + exp(-s_i) L_i + s_d + s_i) / 2. A task whose loss stays large gets a large
    s, hence a small weight. Totals can be negative: compare runs by the losses themselves.

    Args:
        detection, identity: start values of s_d and s_i (FairMOT: -1.85 and -1.05).
    """

    def __init__(
        self, detection: float = -1.85, identity: float = -1.05, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.log_variances = nn.Parameter(torch.tensor([detection, identity]))

    def forward(self, detection_loss: Tensor, identity_loss: Tensor) -> Tensor:
        """The total () of two losses ()."""
        losses = torch.stack([detection_loss, identity_loss])
        return ((-self.log_variances).exp() * losses + self.log_variances).sum() / 2

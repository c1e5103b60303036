"""The loss of a head on mined rows, as a function of the head's parameters alone (Eq. 1's L)."""

from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.head_rows import HeadLayout, HeadRows
from mmgtrack.registry import MODELS

BOX_LOSSES = ('smooth_l1', 'squared')


@MODELS.register_module()
class HeadLoss(nn.Module):
    """Cross entropy of target against background and a box loss, weighted row by row.

    A pure function of numbers without branches on them, so that torch.func can transform it. Softmax over
    (target, background) is a sigmoid of the difference of the two logits: one formula for both kinds of head.

    Args:
        box: 'smooth_l1', or 'squared': half the sum of squares.
        beta: where smooth L1 turns from squares to lines (mmdet: 1; 0 is L1).
        gamma: of the focal form (Lin et al., ICCV 2017: 2); 0 is plain cross entropy.
        alpha: weight of the target's rows in the focal form, 1 - alpha that of background; None: 1 for both.

    Raises:
        InputError: an option that cannot be.
    """

    def __init__(
        self, box: str = 'smooth_l1', beta: float = 1.0, gamma: float = 0.0, alpha: float | None = None
    ) -> None:
        super().__init__()
        if box not in BOX_LOSSES:
            raise InputError(f'the box loss is one of {", ".join(BOX_LOSSES)}, got {box!r}')
        if not (beta >= 0 and gamma >= 0):
            raise InputError(f'beta and gamma are 0 or more, got beta={beta} and gamma={gamma}')
        if alpha is not None and not 0 <= alpha <= 1:
            raise InputError(f'alpha is None or between 0 and 1, got {alpha}')
        self.box = box
        self.beta = beta
        self.gamma = gamma
        self.alpha = alpha

    def forward(self, theta: Tensor, rows: HeadRows, weights: Tensor, layout: HeadLayout) -> Tensor:
        """The loss (): over S samples, ``weights`` times the sum of the sample's weighted rows.

        theta: (P,). rows: with leading dimension S. weights: (S,).
        """
        logits, deltas = layout.outputs(theta, rows)
        margins = logits[..., 0] if layout.sigmoid else logits[..., 0] - logits[..., 1]
        losses = self.of_classes(margins, rows.labels) * rows.label_weights
        losses = losses + self.of_boxes(deltas, rows.targets) * rows.box_weights
        return (losses.sum((-1, -2)) * weights).sum()

    def of_classes(self, margins: Tensor, labels: Tensor) -> Tensor:
        """Class losses (...) of the target's logits over background (...) and labels (...) 0 or 1."""
        signs = 2 * labels - 1
        right = margins * signs
        losses = -functional.logsigmoid(right)
        if self.gamma:
            # (1 - p)^gamma through logarithms: finite slopes where p rounds to 1
            losses = losses * (self.gamma * functional.logsigmoid(-right)).exp()
        if self.alpha is not None:
            losses = losses * (0.5 + (self.alpha - 0.5) * signs)
        return losses

    def of_boxes(self, deltas: Tensor, targets: Tensor) -> Tensor:
        """Box losses (...) of box outputs (..., 4) and what they should be (..., 4)."""
        if self.box == 'squared':
            return (deltas - targets).square().sum(-1) / 2
        targets = targets.to(deltas.dtype)
        return functional.smooth_l1_loss(deltas, targets, reduction='none', beta=self.beta).sum(-1)

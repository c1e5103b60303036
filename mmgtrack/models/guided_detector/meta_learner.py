"""The head that learned to learn: gradient steps on theta for many targets at once (Eq. 1 to 4)."""

from collections.abc import Callable
from math import isfinite
from textwrap import shorten
from typing import Any, Literal, NamedTuple

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.func import grad_and_value, vmap

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.head_rows import HeadLayout, HeadRows
from mmgtrack.registry import MODELS

ANCHORS = ('first', 'initial')


class Adapted(NamedTuple):
    """What gradient steps made of the parameters of B targets.

    theta: (B, P). losses: (B,) before the first step, without gradient. dropped: (B,) int64, steps whose
    loss, gradient or result was not finite; they changed nothing.
    """

    theta: Tensor
    losses: Tensor
    dropped: Tensor


@MODELS.register_module()
class MetaLearner(nn.Module):
    """MAML on a head's final layers: each target takes its own gradient steps from a shared start.

    theta (P,) and rows are numbers (``head_rows``): nothing here knows the detector, or writes into it. Steps
    are taken in theta's precision, at least float32, whatever autocast is around.

    Args:
        inner_lr: alpha of Eq. 1 (paper: .05).
        inner_steps: N of Eq. 2, the steps in training; 0 trains the head plainly. The paper does not say;
            5, so that training meets the head that the first frame will make (MAML++).
        second_order: differentiate through the steps. Otherwise inner gradients are constants (first-order
            MAML), which costs less memory.
        adapt_boxes: box layers learn, too; otherwise class layers only (Table 1).
        first_steps: N_1, steps on the first frame's samples (paper: 5).
        online_steps: N_tau, steps of an update (paper: 1).
        anchor_weight: lambda of Eq. 4, not in the paper; 0 does without the anchor.
        anchor: what the anchor is: 'initial', theta_0 as Eq. 4 prints, or 'first', theta_1 after the first
            frame, as the text before it says.
        loss: config of the loss, called as ``HeadLoss`` is.

    Raises:
        InputError: an option that cannot be.
    """

    layout: HeadLayout

    def __init__(
        self,
        inner_lr: float = 0.05,
        inner_steps: int = 5,
        second_order: bool = True,
        adapt_boxes: bool = True,
        first_steps: int = 5,
        online_steps: int = 1,
        anchor_weight: float = 0.3,
        anchor: Literal['first', 'initial'] = 'initial',
        loss: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for name, steps in dict(
            inner_steps=inner_steps, first_steps=first_steps, online_steps=online_steps
        ).items():
            if not isinstance(steps, int) or steps < 0:
                raise InputError(f'{name} is a whole number, 0 or more, got {steps}')
        if not (isfinite(inner_lr) and inner_lr > 0):
            raise InputError(f'inner_lr is above 0, got {inner_lr}')
        if not 0 <= anchor_weight <= 1:
            raise InputError(f'anchor_weight is between 0 and 1, got {anchor_weight}')
        if anchor not in ANCHORS:
            raise InputError(f'the anchor is one of {", ".join(ANCHORS)}, got {anchor!r}')
        self.inner_lr = inner_lr
        self.inner_steps = inner_steps
        self.second_order = second_order
        self.adapt_boxes = adapt_boxes
        self.first_steps = first_steps
        self.online_steps = online_steps
        self.anchor_weight = anchor_weight
        self.anchor = anchor
        self.head_loss = MODELS.build(loss or dict(type='mmgtrack.HeadLoss'))
        self.batched = True

    def bind(self, layout: HeadLayout) -> None:
        """Take the head's layout, and find out whether its loss goes through vmap or needs a loop."""
        self.layout = layout
        self.batched = True
        theta = torch.zeros(2, layout.size)
        rows = _one_row(layout)
        try:
            self._gradients(theta, rows, theta.new_ones(2, 1))
        except RuntimeError as error:
            self.batched = False
            self._gradients(theta, rows, theta.new_ones(2, 1))
            name, reason = type(self.head_loss).__name__, shorten(str(error), 120)
            print_log(f'MetaLearner: a loop over targets, vmap refuses {name}: {reason}', logger='current')
        else:
            print_log('MetaLearner: all targets in one call, by vmap', logger='current')

    def adapt(
        self, theta: Tensor, rows: HeadRows, weights: Tensor | None = None, steps: int | None = None
    ) -> Adapted:
        """Eq. 1: gradient steps of B targets, each on its own samples. Differentiable where gradients are on.

        A target whose step is not finite keeps its theta, and no gradient passes through that step.

        Args:
            theta: (P,) for all, or (B, P).
            rows: of S samples a target, leading dimensions (B, S).
            weights: (B, S) of the samples, 0 for those that are none; None: 1 / S each.
            steps: None: ``inner_steps``.
        """
        theta, rows, weights = self._start(theta, rows, weights)
        steps = self.inner_steps if steps is None else steps
        dropped = torch.zeros(len(theta), dtype=torch.int64, device=theta.device)
        if not (steps and len(theta)):
            return Adapted(theta, self.loss(theta, rows, weights).detach(), dropped)
        losses = []
        for _ in range(steps):
            theta, before, is_finite = self._step(theta, rows, weights)
            dropped += ~is_finite
            losses.append(before)
        return Adapted(theta, losses[0], dropped)

    @torch.no_grad()
    def adapt_first(self, theta: Tensor, rows: HeadRows, weights: Tensor | None = None) -> Adapted:
        """theta_1: ``first_steps`` steps on the samples of the first frame. Arguments as in ``adapt``."""
        return self.adapt(theta, rows, weights, self.first_steps)

    @torch.no_grad()
    def anchored(
        self, theta: Tensor, anchor: Tensor, rows: HeadRows, weights: Tensor | None = None
    ) -> Adapted:
        """Eq. 4: the anchor's update and that of the last parameters, mixed.

        An update one of whose steps is not finite is dropped as a whole: a part would pull to the anchor.

        Args:
            theta, anchor: (B, P), theta_{t-1} and what ``anchor_of`` chose.
            rows, weights: as in ``adapt``; both updates see the same samples.
        """
        theta, rows, weights = self._start(theta, rows, weights)
        own = self.adapt(theta, rows, weights, self.online_steps)
        if not self.anchor_weight:
            return own._replace(theta=torch.where(own.dropped[:, None] > 0, theta, own.theta))
        far = self.adapt(anchor, rows, weights, self.online_steps)
        dropped = own.dropped + far.dropped
        mixed = self.anchor_weight * far.theta + (1 - self.anchor_weight) * own.theta
        return Adapted(torch.where(dropped[:, None] > 0, theta, mixed), own.losses, dropped)

    def anchor_of(self, initial: Tensor, first: Tensor) -> Tensor:
        """The anchor (B, P), of theta_0 (P,) or (B, P) and theta_1 (B, P)."""
        return first if self.anchor == 'first' else initial.expand_as(first)

    def loss(self, theta: Tensor, rows: HeadRows, weights: Tensor | None = None) -> Tensor:
        """The summands (B,) of Eq. 2: each target's loss under its parameters. Arguments as in ``adapt``."""
        theta, rows, weights = self._start(theta, rows, weights)
        if not len(theta):
            return theta.sum(1)
        with _without_autocast(theta):
            return self._of_targets(self._loss)(theta, rows, weights)

    def _start(
        self, theta: Tensor, rows: HeadRows, weights: Tensor | None
    ) -> tuple[Tensor, HeadRows, Tensor]:
        targets, samples = rows.slots.shape[:2]
        if theta.dtype not in (torch.float32, torch.float64):
            theta = theta.float()
        theta = theta.expand(targets, self.layout.size)
        if weights is None:
            weights = theta.new_full((targets, samples), 1 / max(samples, 1))
        # once, not at every step
        features = tuple(feature.to(theta.dtype) for feature in rows.features)
        return theta, rows._replace(features=features), weights

    def _step(self, theta: Tensor, rows: HeadRows, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """theta (B, P) after a step, the losses (B,) before it, and whose step (B,) counts."""
        after, losses = self._stepped(theta, rows, weights)
        is_finite = losses.isfinite() & after.detach().isfinite().all(1)
        if not torch.is_grad_enabled():
            return torch.where(is_finite[:, None], after, theta), losses, is_finite
        if not is_finite.any():
            return theta, losses, is_finite
        if not is_finite.all():
            # a masked inf still makes nan in the outer gradient: targets at fault stay out of the graph
            numbers = is_finite.nonzero()[:, 0]
            after, _ = self._stepped(theta[numbers], rows.at(numbers), weights[numbers])
            after = theta.index_copy(0, numbers, after)
        return after, losses, is_finite

    def _stepped(self, theta: Tensor, rows: HeadRows, weights: Tensor) -> tuple[Tensor, Tensor]:
        gradients, losses = self._gradients(theta, rows, weights)
        if not self.second_order:
            gradients = gradients.detach()
        if not self.adapt_boxes:
            gradients = gradients.masked_fill(self.layout.box_entries(theta.device), 0)
        return theta - self.inner_lr * gradients, losses.detach()

    def _gradients(self, theta: Tensor, rows: HeadRows, weights: Tensor) -> tuple[Tensor, Tensor]:
        with _without_autocast(theta):
            return self._of_targets(grad_and_value(self._loss))(theta, rows, weights)

    def _loss(self, theta: Tensor, rows: HeadRows, weights: Tensor) -> Tensor:
        # not as a module: hooks on all modules, as counters of operations have, do not go through torch.func
        return self.head_loss.forward(theta, rows, weights, self.layout)

    def _of_targets(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of one target's theta, rows and weights as one of B targets."""
        if self.batched:
            return vmap(function)

        def loop(theta: Tensor, rows: HeadRows, weights: Tensor) -> Any:
            each = [function(theta[b], rows.at(b), weights[b]) for b in range(len(theta))]
            if isinstance(each[0], tuple):
                return tuple(torch.stack(values) for values in zip(*each, strict=True))
            return torch.stack(each)

        return loop


def _one_row(layout: HeadLayout) -> HeadRows:
    """A row of zeros in each group, of one sample of two targets: enough to try a loss on."""
    widths = {
        layer.feature: layer.inputs for group in layout.groups for layer in (group.classes, group.boxes)
    }
    shape = (2, 1, len(layout.groups), 1)
    return HeadRows(
        features=tuple(torch.zeros(2, 1, 1, width) for _, width in sorted(widths.items())),
        slots=torch.zeros(shape, dtype=torch.int64),
        labels=torch.zeros(shape),
        targets=torch.zeros(*shape, 4),
        label_weights=torch.ones(shape),
        box_weights=torch.zeros(shape),
    )


def _without_autocast(theta: Tensor) -> torch.autocast:
    return torch.autocast(theta.device.type, enabled=False)

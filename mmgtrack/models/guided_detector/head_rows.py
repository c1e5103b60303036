"""A head's final layers as one vector, and the mined priors of an image as rows for them.

Whatever the detector, its last classification and box layers are linear maps of a feature vector a prior: a
convolution of the patch under an anchor, a fully connected layer of a pooled RoI. So the few-shot learner
sees numbers alone: a vector of parameters, and rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor


class HeadRows(NamedTuple):
    """K mined priors in each of the G groups of a head, of any number of images (...).

    features: F tensors (..., K, D_f), the inputs of final layers, patches flattened as (C, kh, kw).
    slots: (..., G, K) int64, which of the A priors of its place a row is.
    labels: (..., G, K) floating, 1 the target, 0 background.
    targets: (..., G, K, 4), what the box layer should say, in the head's own coding.
    label_weights, box_weights: (..., G, K), 0 for padding; whatever the loss is divided by is in them.
    """

    features: tuple[Tensor, ...]
    slots: Tensor
    labels: Tensor
    targets: Tensor
    label_weights: Tensor
    box_weights: Tensor

    def at(self, index: Any) -> 'HeadRows':
        """The rows of some images, or of one: an index of the leading dimensions."""
        return HeadRows(
            tuple(feature[index] for feature in self.features), *(leaf[index] for leaf in self[1:])
        )


class FinalLayer(NamedTuple):
    """A last layer: its name in the detector, outputs a prior, numbers it reads, and where in the rows."""

    name: str
    outputs: int
    inputs: int
    feature: int


class HeadGroup(NamedTuple):
    """The pair of last layers that some of the priors share (SSD: a level), and A, their priors a place."""

    classes: FinalLayer
    boxes: FinalLayer
    slots: int


class GroupParameters(NamedTuple):
    """Weights (..., A * outputs, D) and biases (..., A * outputs) of a group's two layers."""

    class_weight: Tensor
    class_bias: Tensor
    box_weight: Tensor
    box_bias: Tensor


@dataclass(frozen=True)
class HeadLayout:
    """How one vector theta (P,) holds a head's final layers: group by group, classes before boxes.

    Each layer is its weight, row by row, and its bias. sigmoid: classes have one output a prior; otherwise
    two, the target and background, for a softmax (mmdet's order).
    """

    groups: tuple[HeadGroup, ...]
    sigmoid: bool

    @property
    def size(self) -> int:
        """P."""
        return sum(self._sizes())

    def split(self, theta: Tensor) -> list[GroupParameters]:
        """Parameters of each group, as views of theta (..., P)."""
        parts = iter(theta.split(self._sizes(), -1))
        return [
            GroupParameters(
                *(
                    part.unflatten(-1, (-1, layer.inputs)) if is_weight else part
                    for layer in (group.classes, group.boxes)
                    for is_weight, part in ((True, next(parts)), (False, next(parts)))
                )
            )
            for group in self.groups
        ]

    def gather(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """theta (P,) of a detector's named parameters; gradients flow back to them."""
        names = [
            f'{layer.name}.{kind}'
            for group in self.groups
            for layer in (group.classes, group.boxes)
            for kind in ('weight', 'bias')
        ]
        return torch.cat([parameters[name].flatten() for name in names])

    def box_entries(self, device: torch.device | str = 'cpu') -> Tensor:
        """(P,) bool: which numbers of theta belong to box layers."""
        is_box = torch.tensor([False, False, True, True] * len(self.groups), device=device)
        return is_box.repeat_interleave(torch.tensor(self._sizes(), device=device))

    def outputs(self, theta: Tensor, rows: HeadRows) -> tuple[Tensor, Tensor]:
        """Logits (..., G, K, c) and box outputs (..., G, K, 4) of the rows.

        theta: (P,), or (..., P) with leading dimensions that broadcast against those of the rows.
        """
        logits, deltas = [], []
        for g, (group, own) in enumerate(zip(self.groups, self.split(theta), strict=True)):
            slots = rows.slots[..., g, :]
            logits.append(_of_slots(own.class_weight, own.class_bias, group.classes, slots, rows))
            deltas.append(_of_slots(own.box_weight, own.box_bias, group.boxes, slots, rows))
        return torch.stack(logits, -3), torch.stack(deltas, -3)

    def _sizes(self) -> list[int]:
        return [
            count
            for group in self.groups
            for layer in (group.classes, group.boxes)
            for count in (group.slots * layer.outputs * layer.inputs, group.slots * layer.outputs)
        ]


def _of_slots(weight: Tensor, bias: Tensor, layer: FinalLayer, slots: Tensor, rows: HeadRows) -> Tensor:
    """(..., K, outputs): each row's outputs for its own slot."""
    features = rows.features[layer.feature].to(weight.dtype)
    every = (features @ weight.transpose(-1, -2) + bias[..., None, :]).unflatten(-1, (-1, layer.outputs))
    index = slots[..., None, None].expand(*every.shape[:-2], 1, layer.outputs)
    return every.gather(-2, index).squeeze(-2)

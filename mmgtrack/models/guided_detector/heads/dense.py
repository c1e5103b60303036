"""Heads that are convolutions over the detector's maps: anchors or points at every cell."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from mmdet.models.detectors import BaseDetector
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.head_rows import FinalLayer, HeadGroup, HeadLayout, HeadRows
from mmgtrack.models.guided_detector.heads.adapter import HeadAdapter
from mmgtrack.models.guided_detector.heads.final_layers import (
    check_layer,
    convolve,
    patch_corners,
    patches,
    reading,
    side_of,
)
from mmgtrack.models.guided_detector.heads.mining import Match, Mined, Miner, background_loss

CLASSES, BOXES = 0, 1


class DenseInputs(NamedTuple):
    """What the final layers read in B windows.

    features: a level's maps (B, C, h, w): one of both layers, or one of the classes' and one of the boxes'.
    priors: (N, 4) anchors or (N, 2) points of all levels, by level, row, column and slot.
    factors: logits (B, N) whose sigmoid the scores are multiplied with, none if the head has no such.
    """

    features: tuple[tuple[Tensor, ...], ...]
    priors: Tensor
    factors: tuple[Tensor, ...]


class DenseAdapter(HeadAdapter[DenseInputs]):
    """A dense head of mmdet, ``detector.bbox_head``.

    layers: names in the head of the classes' and the boxes' layer of each group. One group: all levels have
    it; otherwise a group is a level. shared: both layers of a group read the same map.
    """

    def __init__(
        self, detector: BaseDetector, layers: Sequence[tuple[str, str]], shared: bool, miner: Miner
    ) -> None:
        self.head = detector.bbox_head
        self._layers: list[nn.Conv2d] = [self.head.get_submodule(name) for pair in layers for name in pair]
        self._slots = [int(count) for count in self.head.prior_generator.num_base_priors]
        self._groups = [min(level, len(layers) - 1) for level in range(len(self._slots))]
        sigmoid, step = self.head.use_sigmoid_cls, 1 if shared else 2
        groups = []
        for number, (classes, boxes) in enumerate(layers):
            first = number * step
            groups.append(
                HeadGroup(
                    self._final_layer(classes, 1 if sigmoid else 2, first),
                    self._final_layer(boxes, 4, first + step - 1),
                    self._slots[number],
                )
            )
        super().__init__(detector, HeadLayout(tuple(groups), sigmoid), miner)

    def read(self, maps: tuple[Tensor, ...], boxes: Tensor | None = None) -> DenseInputs:
        """The towers' outputs; boxes are of no use here."""
        del boxes
        if len(maps) != len(self._slots):
            raise InputError(f'the head has {len(self._slots)} levels, got {len(maps)} maps')
        with reading(self._layers) as calls:
            outputs = self.head(maps)
        features = self._by_level(calls)
        dtype = torch.promote_types(maps[0].dtype, torch.float32)
        priors = self.head.prior_generator.grid_priors(
            [level[0].shape[-2:] for level in features], dtype=dtype, device=maps[0].device
        )
        return DenseInputs(features, torch.cat(priors), self._factors(outputs))

    def detect(self, inputs: DenseInputs, theta: Tensor) -> tuple[Tensor, Tensor]:
        """All N priors' boxes and scores."""
        logits = self._outputs(inputs, theta, CLASSES)
        scores = logits[..., 0].sigmoid() if self.layout.sigmoid else logits.softmax(-1)[..., 0]
        for logits in inputs.factors:
            scores = scores * logits.sigmoid()
        return self._decode(inputs, self._outputs(inputs, theta, BOXES)), scores

    def mine(self, inputs: DenseInputs, boxes: Tensor, theta: Tensor) -> HeadRows:
        """K rows over all groups together; each group has them all, those of the others with weight 0.

        The weights are divided by the window's number of positives, as in the detector's own loss.
        """
        with torch.no_grad():
            boxes = boxes.to(inputs.priors.dtype)
            losses = background_loss(self._outputs(inputs, theta, CLASSES))
            mined = self.miner(self._match(inputs, boxes), losses)
            targets = self._encode(inputs, mined.priors, boxes)
            targets = targets.where(mined.positive[..., None], targets.new_zeros(())).to(losses.dtype)
            own = self._of_prior(inputs, self._groups)[mined.priors][:, None]
            own = own == torch.arange(len(self.layout.groups), device=own.device)[:, None]
            weights = own / mined.positive.sum(1).clamp(min=1).to(losses.dtype)[:, None, None]
        shape = own.shape
        return HeadRows(
            self._patches(inputs, mined),
            self._slot_of_prior(inputs)[mined.priors][:, None] * own,
            mined.positive[:, None].expand(shape).to(losses.dtype),
            targets[:, None].expand(*shape, 4),
            weights * mined.valid[:, None],
            weights * mined.positive[:, None],
        )

    @abstractmethod
    def _match(self, inputs: DenseInputs, boxes: Tensor) -> Match:
        """What the priors are to the boxes (B, 4)."""

    @abstractmethod
    def _encode(self, inputs: DenseInputs, chosen: Tensor, boxes: Tensor) -> Tensor:
        """(B, K, 4): what the box layer should say at the ``chosen`` priors (B, K); anything at negatives."""

    @abstractmethod
    def _decode(self, inputs: DenseInputs, outputs: Tensor) -> Tensor:
        """Boxes (B, N, 4) of what the box layer says."""

    def _factors(self, outputs: tuple[list[Tensor], ...]) -> tuple[Tensor, ...]:
        """``DenseInputs.factors`` of what the head returned."""
        del outputs
        return ()

    def _by_level(self, calls: list[list[Tensor]]) -> tuple[tuple[Tensor, ...], ...]:
        """Maps by level; calls: of the classes' and the boxes' layer of each group, one or many."""
        classes, boxes = (list(chain.from_iterable(calls[part::2])) for part in (CLASSES, BOXES))
        is_shared = self.layout.groups[0].classes.feature == self.layout.groups[0].boxes.feature
        return tuple((one,) if is_shared else (one, two) for one, two in zip(classes, boxes, strict=True))

    def _outputs(self, inputs: DenseInputs, theta: Tensor, part: int) -> Tensor:
        """(B, N, outputs) of the classes' or the boxes' layers."""
        parameters = self.layout.split(theta)
        every = []
        for maps, number in zip(inputs.features, self._groups, strict=True):
            weight, bias = parameters[number][2 * part : 2 * part + 2]
            out = convolve(maps[min(part, len(maps) - 1)], weight, bias)
            outputs = _layers_of(self.layout.groups[number])[part].outputs
            every.append(out.permute(0, 2, 3, 1).reshape(len(out), -1, outputs))
        return torch.cat(every, 1).to(theta.dtype)  # under autocast, layers say it in half precision

    def _patches(self, inputs: DenseInputs, mined: Mined) -> tuple[Tensor, ...]:
        """``HeadRows.features`` of the mined priors."""
        sizes = self._sizes(inputs)
        found = []
        for number, group in enumerate(self.layout.groups):
            chosen = [group_of_level == number for group_of_level in self._groups]
            levels = [level for level, is_read in zip(inputs.features, chosen, strict=True) if is_read]
            for part, maps in enumerate(zip(*levels, strict=True)):  # classes, and boxes if they read another
                side = side_of(_layers_of(group)[part].inputs, maps[0].shape[1])
                corners = patch_corners(sizes, self._slots, chosen, side)
                starts, lengths = (table.to(mined.priors.device)[mined.priors] for table in corners)
                found.append(patches(maps, starts, lengths, side))
        return tuple(found)

    def _of_prior(self, inputs: DenseInputs, values: Sequence[int]) -> Tensor:
        """(N,) int64: each prior's level's value."""
        counts = [h * w * slots for (h, w), slots in zip(self._sizes(inputs), self._slots, strict=True)]
        device = inputs.priors.device
        return torch.tensor(values, device=device).repeat_interleave(torch.tensor(counts, device=device))

    def _slot_of_prior(self, inputs: DenseInputs) -> Tensor:
        """(N,) int64: which of its cell's priors it is."""
        return torch.cat(
            [
                torch.arange(slots, device=inputs.priors.device).repeat(h * w)
                for (h, w), slots in zip(self._sizes(inputs), self._slots, strict=True)
            ]
        )

    @staticmethod
    def _sizes(inputs: DenseInputs) -> list[tuple[int, int]]:
        return [(level[0].shape[-2], level[0].shape[-1]) for level in inputs.features]

    def _final_layer(self, name: str, outputs: int, feature: int) -> FinalLayer:
        conv = self.head.get_submodule(name)
        check_layer(name, conv)
        return FinalLayer(f'bbox_head.{name}', outputs, conv.weight[0].numel(), feature)


def _layers_of(group: HeadGroup) -> tuple[FinalLayer, FinalLayer]:
    return group.classes, group.boxes

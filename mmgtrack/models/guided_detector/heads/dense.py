"""Heads that are convolutions over the detector's maps: anchors or points at every cell."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
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
)
from mmgtrack.models.guided_detector.heads.mining import Match, Mined, Miner, background_loss

CLASSES, BOXES = 0, 1


class DenseInputs(NamedTuple):
    """What the final layers read in B windows.

    features: a level's maps (B, C, h, w): one of both layers, or one of the classes' and one of the boxes'.
    priors: (N, 4) anchors or (N, 2) points of all levels, by level, row, column and slot.
    factors: (B, N) logits whose sigmoid the scores are multiplied with, if the head has such.
    """

    features: tuple[tuple[Tensor, ...], ...]
    priors: Tensor
    factors: Tensor | None = None


class DenseAdapter(HeadAdapter[DenseInputs]):
    """A dense head of mmdet, ``detector.bbox_head``.

    layers: names in the head of the classes' and the boxes' layer of each group. One group: all levels have
    it; otherwise a group is a level. shared: both layers of a group read the same map.
    """

    def __init__(
        self, detector: nn.Module, layers: Sequence[tuple[str, str]], shared: bool, miner: Miner
    ) -> None:
        self.head = detector.bbox_head
        for pair in layers:
            for name in pair:
                check_layer(name, self.head.get_submodule(name))
        self._layers = [tuple(map(self.head.get_submodule, pair)) for pair in layers]
        self._slots = [int(count) for count in self.head.prior_generator.num_base_priors]
        self._groups = [min(level, len(layers) - 1) for level in range(len(self._slots))]
        sigmoid = self.head.use_sigmoid_cls
        groups = []
        for pair, convs, slots in zip(layers, self._layers, self._slots, strict=False):
            first = len({layer.feature for group in groups for layer in group[:2]})
            outputs, features = (1 if sigmoid else 2, 4), (first, first + (not shared))
            groups.append(HeadGroup(*map(_final_layer, pair, convs, outputs, features), slots))
        super().__init__(detector, HeadLayout(tuple(groups), sigmoid), miner)

    def read(self, maps: tuple[Tensor, ...], boxes: Tensor | None = None) -> DenseInputs:
        """The towers' outputs; boxes are of no use here."""
        del boxes
        if len(maps) != len(self._slots):
            raise InputError(f'the head has {len(self._slots)} levels, got {len(maps)} maps')
        with reading([layer for pair in self._layers for layer in pair]) as calls:
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
        if inputs.factors is not None:
            scores = scores * inputs.factors.sigmoid()
        return self._decode(inputs, self._outputs(inputs, theta, BOXES)), scores

    def mine(self, inputs: DenseInputs, boxes: Tensor, theta: Tensor) -> HeadRows:
        """K rows over all groups together; each group has them all, those of the others with weight 0.

        The weights are divided by the window's number of positives, as in the detector's own loss.
        """
        with torch.no_grad():
            boxes = boxes.to(inputs.priors.dtype)
            losses = background_loss(self._outputs(inputs, theta, CLASSES))
            mined = self.miner(self._match(inputs, boxes), losses)
            targets = self._encode(inputs, mined.index, boxes)
            targets = targets.where(mined.positive[..., None], targets.new_zeros(())).to(losses.dtype)
            own = self._of_prior(inputs, self._groups)[mined.index][:, None]
            own = own == torch.arange(len(self.layout.groups), device=own.device)[:, None]
            weights = own / mined.positive.sum(1).clamp(min=1).to(losses.dtype)[:, None, None]
        shape = own.shape
        return HeadRows(
            self._patches(inputs, mined),
            self._slot_of_prior(inputs)[mined.index][:, None] * own,
            mined.positive[:, None].expand(shape).to(losses.dtype),
            targets[:, None].expand(*shape, 4),
            weights * mined.valid[:, None],
            weights * mined.positive[:, None],
        )

    @abstractmethod
    def _match(self, inputs: DenseInputs, boxes: Tensor) -> Match:
        """What the priors are to the boxes (B, 4)."""

    @abstractmethod
    def _encode(self, inputs: DenseInputs, index: Tensor, boxes: Tensor) -> Tensor:
        """(B, K, 4): what the box layer should say at the priors ``index`` (B, K); anything at negatives."""

    @abstractmethod
    def _decode(self, inputs: DenseInputs, outputs: Tensor) -> Tensor:
        """Boxes (B, N, 4) of what the box layer says."""

    def _factors(self, outputs: tuple[list[Tensor], ...]) -> Tensor | None:
        """``DenseInputs.factors`` of what the head returned."""
        del outputs

    def _by_level(self, calls: list[list[Tensor]]) -> tuple[tuple[Tensor, ...], ...]:
        """Maps by level; calls: of the classes' and the boxes' layer of each group, one or many."""
        classes, boxes = (list(chain.from_iterable(calls[part::2])) for part in (CLASSES, BOXES))
        is_shared = self.layout.groups[0].classes.feature == self.layout.groups[0].boxes.feature
        return tuple((one,) if is_shared else (one, two) for one, two in zip(classes, boxes, strict=True))

    def _outputs(self, inputs: DenseInputs, theta: Tensor, part: int) -> Tensor:
        """(B, N, outputs) of the classes' or the boxes' layers."""
        parameters = self.layout.split(theta)
        every = []
        for maps, group in zip(inputs.features, self._groups, strict=True):
            weight, bias = parameters[group][2 * part : 2 * part + 2]
            out = convolve(maps[min(part, len(maps) - 1)], weight, bias)
            every.append(
                out.permute(0, 2, 3, 1).reshape(len(out), -1, self.layout.groups[group][part].outputs)
            )
        return torch.cat(every, 1)

    def _patches(self, inputs: DenseInputs, mined: Mined) -> tuple[Tensor, ...]:
        """``HeadRows.features`` of the mined priors."""
        sizes = self._sizes(inputs)
        found = {}
        for number, (group, layers) in enumerate(zip(self.layout.groups, self._layers, strict=True)):
            chosen = [group_of_level == number for group_of_level in self._groups]
            levels = [level for level, is_read in zip(inputs.features, chosen, strict=True) if is_read]
            for part in (CLASSES, BOXES):
                feature, side = group[part].feature, layers[part].kernel_size[0]
                if feature not in found:
                    maps = [level[min(part, len(level) - 1)] for level in levels]
                    corners = patch_corners(sizes, self._slots, chosen, side)
                    starts, lengths = (table.to(mined.index.device)[mined.index] for table in corners)
                    found[feature] = patches(maps, starts, lengths, side)
        return tuple(found[feature] for feature in sorted(found))

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
        return [level[0].shape[-2:] for level in inputs.features]


def _final_layer(name: str, conv: nn.Module, outputs: int, feature: int) -> FinalLayer:
    return FinalLayer(f'bbox_head.{name}', outputs, conv.weight[0].numel(), feature)

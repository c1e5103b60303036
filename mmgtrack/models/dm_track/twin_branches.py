"""Both branches of a ``DynamicFCOSHead`` as one, for inference: half as many layers, each twice as wide.

On the small maps of a light head calling a layer costs more than what it computes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor, nn

from mmgtrack.models.layers import DynamicCorrelation
from mmgtrack.models.layers.dynamic_correlation import correlate_pairs

if TYPE_CHECKING:
    from mmgtrack.models.dm_track.fcos_head import DynamicFCOSHead


class TwinBranches(nn.Module):
    """The layers of a head whose ``can_be_twins`` holds, with its weights, norms folded.

    Channels of the class branch come first in every map, those of the box branch behind them.
    """

    def __init__(self, head: DynamicFCOSHead) -> None:
        super().__init__()
        branches = [fuse_conv_bn(copy.deepcopy(convs)) for convs in (head.cls_convs, head.reg_convs)]
        self.places = head.places
        self.convs = nn.ModuleList(
            nn.Sequential(*map(_twin, _layers(cls), _layers(reg))) for cls, reg in zip(*branches, strict=True)
        )
        self.encoders = nn.ModuleList(
            nn.Identity() if cls.search_conv is None else _twin(cls.search_conv, reg.search_conv)
            for cls, reg in zip(head.cls_correlations, head.reg_correlations, strict=True)
        )
        self.activations = nn.ModuleList(
            nn.Identity() if layer.activate is None else layer.activate for layer in head.cls_correlations
        )
        self.shapes = [layer.kernel_shape for layer in head.cls_correlations]
        boxes = _stacked(head.conv_reg, head.conv_centerness)
        self.classes = head.conv_cls.out_channels
        self.predict = _apart(head.conv_cls, boxes)

    def forward(
        self, x: Tensor, numbers: Sequence[Tensor], frames: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Class logits, distances before their scale, and centerness logits (P, ·, H, W) of one level.

        x: (N, C, H, W); numbers: kernels (P, n) of the class branch's correlations, then of the others;
        frames: (P,) frame of each, None where x has P maps.
        """
        doubled = False
        middle = len(self.places)
        for place in range(len(self.convs) + 1):
            if place in self.places:
                n = self.places.index(place)
                kernels = [part.unflatten(1, self.shapes[n]).to(x.dtype) for part in numbers[n::middle]]
                x = self.encoders[n](x)
                seen = (
                    x if frames is None else x.expand(len(frames), -1, -1, -1) if len(x) == 1 else x[frames]
                )
                both = _blocks(*kernels) if doubled else torch.cat(kernels, 1)
                x, frames, doubled = self.activations[n](correlate_pairs(seen, both, 1)), None, True
            if place < len(self.convs):
                x = x if doubled else torch.cat([x, x], 1)
                x, doubled = self.convs[place](x), True
        x = x if doubled else torch.cat([x, x], 1)
        scores, distances, centerness = self.predict(x if frames is None else x[frames]).split(
            [self.classes, 4, 1], dim=1
        )
        return scores, distances, centerness


def can_be_twins(head: DynamicFCOSHead) -> bool:
    """Whether its branches have the same foldable layers, full 1x1 kernels, and a common last map."""
    norms = [m for m in head.modules() if isinstance(m, (nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm))]
    return (
        not norms
        and head.centerness_on_reg
        and bool(head.stacked_convs)
        and all(_is_full(layer) for layer in (*head.cls_correlations, *head.reg_correlations))
        and not any(
            place == 0 and layer.search_conv is not None
            for place, layer in zip(head.places, head.cls_correlations, strict=True)
        )
    )


def _is_full(layer: nn.Module) -> bool:
    return (
        isinstance(layer, DynamicCorrelation)
        and layer.groups == 1
        and layer.kernel_shape[2:] == (1, 1)
        and layer.out_conv is None
    )


def _layers(module: Any) -> list[nn.Module]:
    """Convolutions and activations of a ConvModule or a separable one, in order; its norms are folded."""
    parts = [module.depthwise_conv, module.pointwise_conv] if hasattr(module, 'depthwise_conv') else [module]
    layers: list[nn.Module] = []
    for part in parts:
        layers.append(part.conv)
        if part.with_activation:
            layers.append(part.activate)
    return layers


def _twin(first: nn.Module, second: nn.Module) -> nn.Module:
    """One layer for two, each on its half of the channels."""
    if not isinstance(first, nn.Conv2d):
        return first
    assert isinstance(second, nn.Conv2d)
    return _convolution(
        first,
        torch.cat([first.weight, second.weight]),
        torch.cat([_bias(first), _bias(second)]),
        groups=2 * first.groups,
    )


def _stacked(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """Two convolutions of the same input."""
    weight = torch.cat([first.weight, second.weight])
    return _convolution(first, weight, torch.cat([_bias(first), _bias(second)]))


def _apart(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """Two convolutions of different widths, each of its half of the channels; zeros between them."""
    weight = _blocks(first.weight[None], second.weight[None])[0]
    return _convolution(first, weight, torch.cat([_bias(first), _bias(second)]))


def _blocks(first: Tensor, second: Tensor) -> Tensor:
    """(P, O, C, k, k) and (P, O', C', k, k) to (P, O + O', C + C', k, k), zero where they do not meet."""
    above = torch.cat([first, first.new_zeros((*first.shape[:2], second.shape[2], *first.shape[3:]))], 2)
    below = torch.cat([second.new_zeros((*second.shape[:2], first.shape[2], *second.shape[3:])), second], 2)
    return torch.cat([above, below], 1)


def _convolution(like: nn.Conv2d, weight: Tensor, bias: Tensor, groups: int = 1) -> nn.Conv2d:
    made = nn.Conv2d(
        weight.shape[1] * groups,
        len(weight),
        like.kernel_size,  # type: ignore[arg-type]
        padding=like.padding,  # type: ignore[arg-type]
        groups=groups,
    ).to(weight)
    made.weight = nn.Parameter(weight.detach().clone())
    made.bias = nn.Parameter(bias.detach().clone())
    return made


def _bias(conv: nn.Conv2d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias

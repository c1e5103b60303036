"""The final layers of a head: what they read, and what they would say with other parameters."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import get_ident

import torch
from mmcv.cnn.bricks import wrappers
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError

# other layers do something with their weights before they use them
PLAIN = (nn.Conv2d, nn.Linear, wrappers.Conv2d, wrappers.Linear)


@contextmanager
def reading(layers: Sequence[nn.Module]) -> Iterator[list[list[Tensor]]]:
    """Within it, what each of the layers is given is kept, one list of calls a layer.

    The layers themselves only compute a corner of it: nobody uses what they say. Calls of other threads,
    which may use the same detector, are left alone.
    """
    calls: list[list[Tensor]] = [[] for _ in layers]
    keep = partial(_keep, get_ident())
    with ExitStack() as hooks:
        for layer, own in zip(layers, calls, strict=True):
            hooks.enter_context(layer.register_forward_pre_hook(partial(keep, own)))
        yield calls


def _keep(
    thread: int, calls: list[Tensor], layer: nn.Module, args: tuple[Tensor, ...]
) -> tuple[Tensor, ...] | None:
    if get_ident() != thread:
        return None
    calls.append(args[0])
    corner = (slice(1), slice(None), *map(slice, getattr(layer, 'kernel_size', ())))
    return (args[0][corner],)


def check_layer(name: str, layer: nn.Module) -> None:
    """Raises InputError unless the layer is a plain convolution of the map's size, or a plain linear one."""
    is_same = not isinstance(layer, nn.Conv2d) or (
        layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.kernel_size in ((1, 1), (3, 3), (5, 5), (7, 7))
        and layer.padding == (layer.kernel_size[0] // 2,) * 2
    )
    if type(layer) not in PLAIN or layer.bias is None or not is_same:
        raise InputError(
            'a final layer that can adapt is a plain convolution that keeps the size, or a linear layer, '
            f'with a bias, got {name}: {layer}; configure the detector without it'
        )


def convolve(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(B, O, H, W) of maps (B, C, H, W), zero padded.

    weight: (O, C * k * k) and bias (O,) for all, or (B, O, C * k * k) and (B, O), one a map.
    """
    maps = maps.to(weight.dtype)
    side = side_of(weight.shape[-1], maps.shape[1])
    kernels = weight.unflatten(-1, (maps.shape[1], side, side))
    if weight.ndim == 2:
        return functional.conv2d(maps, kernels, bias, padding=side // 2)
    out = functional.conv2d(
        maps.flatten(0, 1)[None], kernels.flatten(0, 1), bias.flatten(), padding=side // 2, groups=len(maps)
    )
    return out[0].unflatten(0, bias.shape)


def side_of(numbers: int, channels: int) -> int:
    """Side of the square kernel that reads so many numbers of maps with so many channels."""
    return math.isqrt(numbers // channels)


def patch_corners(
    sizes: Sequence[tuple[int, int]], slots: Sequence[int], chosen: Sequence[bool], side: int
) -> tuple[Tensor, Tensor]:
    """For ``patches``: the first cell of each prior's patch, and the length of its level's rows, each (N,).

    sizes, slots: (h, w) and priors a cell of each level, all of which have their share of the N priors, in
    mmdet's order; chosen: which of the levels the layer reads. For the others both numbers are 0.
    """
    starts, lengths, first = [], [], 0
    for (height, width), count, is_read in zip(sizes, slots, chosen, strict=True):
        length = (width + side - 1) * is_read
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        starts.append(((first + rows * length + columns) * is_read).flatten().repeat_interleave(count))
        lengths.append(torch.full((height * width * count,), length))
        first += (height + side - 1) * length
    return torch.cat(starts), torch.cat(lengths)


def patches(maps: Sequence[Tensor], starts: Tensor, lengths: Tensor, side: int) -> Tensor:
    """(B, K, C * side * side): what a convolution of this side reads for K priors of maps (B, C, H, W).

    starts, lengths: (B, K) of ``patch_corners``. Only these cells are unfolded.
    """
    cells = torch.cat([functional.pad(level, (side // 2,) * 4).flatten(2) for level in maps], 2)
    steps = torch.arange(side, device=cells.device)
    index = starts[..., None, None] + steps[:, None] * lengths[..., None, None] + steps
    found = cells.gather(2, index.flatten(1)[:, None].expand(-1, cells.shape[1], -1))
    return found.unflatten(2, (-1, side * side)).transpose(1, 2).flatten(2)

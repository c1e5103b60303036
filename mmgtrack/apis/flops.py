"""How large a tracker is and what a frame costs: parameters and operations, whatever its weights are."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.engine.stages import StageMeter, watching
from mmgtrack.errors import InputError
from mmgtrack.models.base import BaseTracker
from mmgtrack.models.stark import Stark


@dataclass(frozen=True)
class Size:
    """Numbers in a module: of its parameters, of those that learn, and of its buffers.

    Affine values of frozen norms are buffers. Buffers that no checkpoint holds do not count.
    """

    parameters: int
    trainable: int
    buffers: int

    @classmethod
    def of(cls, module: nn.Module) -> 'Size':
        """Raises InputError for a tracker on the fast path, whose norms are gone."""
        parameters = dict(module.named_parameters())
        names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        return cls(
            parameters=sum(p.numel() for p in parameters.values()),
            trainable=sum(p.numel() for p in parameters.values() if p.requires_grad),
            buffers=sum(v.numel() for name, v in module.state_dict().items() if name not in names),
        )


class Exposure:
    """A frame with ``targets`` targets, and a tracker that looks at it once.

    The frame fills the network's input; to a tracker that cuts windows its size makes no difference. What
    depends on the picture, such as how many boxes a two-stage detector proposes, is that of a synthetic one.

    Raises InputError for no target.
    """

    def __init__(self, tracker: BaseTracker, targets: int = 1) -> None:
        if targets < 1:
            raise InputError(f'operations are counted for 1 target or more, got {targets}')
        self.tracker = tracker
        width, height = tracker.data_preprocessor.resize.long, tracker.data_preprocessor.resize.short
        self.frame = synthetic_clip(1, (height, width)).frames[0]
        self.boxes = [(width * 3 / 8, height * 3 / 8, width * 5 / 8, height * 5 / 8)] * targets

    def frame_operations(self) -> dict[str, float]:
        """Operations of each stage of the first tracked frame, see ``count_operations``."""
        state = self.tracker.encode(self.frame, self.boxes)
        return count_operations(self.tracker, lambda: self.tracker.track([self.frame], state))

    def encode_operations(self) -> float:
        """Operations of encoding all targets: for a window tracker, those of a template of each."""
        stages = count_operations(self.tracker, lambda: self.tracker.encode(self.frame, self.boxes))
        return sum(stages.values())


def count_operations(tracker: BaseTracker, call: Callable[[], object]) -> dict[str, float]:
    """Operations, 2 a multiply-add, of each stage of the tracker in a call.

    Convolutions and matrix products, those of attention among them (`torch.utils.flop_counter`); element by
    element work, norms, softmax, pooling, resizing and sorting count as none.
    """
    with FlopCounterMode(display=False) as counter:
        meter = StageMeter(counter.get_total_flops)
        with watching(tracker, meter):
            meter.enter('rest')
            call()
            meter.leave()
    return meter.take()


@torch.no_grad()
def count_as_stark_authors(model: Stark) -> dict[str, int]:
    """Multiply-adds of each part of a STARK for one search region, by the rule of the authors' figures.

    That is the rule of the package thop: convolutions and linear layers without biases, 4 an element of layer
    and batch norms (frozen ones are none to it), and of attention the projections of queries, keys and values
    and both products, not the projection behind them. Templates come encoded.

    Raises InputError for a model on the fast path, whose norms are gone.
    """
    if model.is_folded:
        raise InputError(
            "the authors' rule counts norms, which are gone on the fast path: build it with plain=True"
        )
    counts: Counter[str] = Counter()
    view = Exposure(model)
    state = model.encode(view.frame, view.boxes)
    hooks = [
        module.register_forward_hook(partial(_add, counts, part), with_kwargs=True)
        for part, child in model.named_children()
        for module in child.modules()
    ]
    try:
        model.predict_windows(model.crop([view.frame], state), state)
    finally:
        for hook in hooks:
            hook.remove()
    return dict(counts)


def _add(
    counts: Counter[str], part: str, module: nn.Module, args: tuple, kwargs: Mapping[str, Any], output: Any
) -> None:
    """A forward hook."""
    multiply_adds = 0
    if isinstance(module, nn.Conv2d):
        multiply_adds = output.numel() * module.weight[0].numel()
    elif isinstance(module, nn.Linear):
        multiply_adds = output.numel() * module.in_features
    elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
        multiply_adds = 4 * output.numel()
    elif isinstance(module, nn.MultiheadAttention):
        given = dict(zip(('query', 'key'), args, strict=False)) | dict(kwargs)
        multiply_adds = _of_attention(given['query'], given['key'], module.batch_first)
    if multiply_adds:
        counts[part] += multiply_adds


def _of_attention(query: Tensor, key: Tensor, batch_first: bool) -> int:
    """query: (Lq, B, d) or with the batch first; key: (Lk, B, d) likewise."""
    width = query.shape[-1]
    queries, keys = query.numel() // width, key.numel() // width
    length = key.shape[1 if batch_first else 0]
    return width * width * (queries + 2 * keys) + 2 * queries * length * width

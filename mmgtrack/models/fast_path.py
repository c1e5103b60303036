"""The fast path of inference: same results up to rounding, or, asked for, half precision and compilation.

docs/benchmarks.md has each step's gain (tools/analysis/fast_path.py); tests/models/test_fast_path.py compares
each with the plain path.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from mmcv.cnn import fuse_conv_bn
from mmdet.models.layers import FrozenBatchNorm2d
from torch import nn

from mmgtrack.errors import InputError
from mmgtrack.models.base import BaseTracker

PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}


def speed_up(tracker: BaseTracker, precision: str = 'float32', compile: bool = False) -> None:
    """Make a tracker in evaluation mode faster, in place. It can neither be trained nor saved afterwards.

    Norms are folded into convolutions, weights lie channels-last, a query's own factors are multiplied into
    the layers behind them, and on a GPU frames travel as bytes and are resized there.
    precision: what ``network_parts`` compute in; boxes and scores stay in single precision. compile:
    torch.compile, which takes seconds to minutes at the first frames of every size.
    Raises InputError where the tracker or its device does not offer that.
    """
    _check_precision(tracker, precision)
    fold(tracker)
    use_memory_format(tracker, torch.channels_last)
    tracker.data_preprocessor.resize_on_device = tracker.data_preprocessor.mean.is_cuda
    if precision != 'float32':
        lower_precision(tracker, precision)
    if compile:
        compile_parts(tracker)


def slow_down(tracker: BaseTracker) -> None:
    """The plain path: layers as in training, and memory as torch has it by default. For comparison."""
    use_memory_format(tracker, torch.contiguous_format)


def fold(tracker: BaseTracker) -> None:
    """Fold norms into convolutions, and what the tracker itself knows to be constant, once."""
    if tracker.is_folded:
        return
    tracker.fold()
    _thaw_norms(tracker)
    fuse_conv_bn(tracker)
    tracker.is_folded = True
    tracker.register_state_dict_pre_hook(_refuse_to_save)


def use_memory_format(tracker: BaseTracker, memory_format: torch.memory_format) -> None:
    """Lay out weights and images that way."""
    tracker.to(memory_format=memory_format)
    tracker.data_preprocessor.memory_format = memory_format


def lower_precision(tracker: BaseTracker, precision: str) -> None:
    """Compute in 'bfloat16' or 'float16' where the tracker can.

    Weights are cast once, which autocast would do in every pass; it casts what layers make themselves.
    """
    tracker.inference_dtype = PRECISIONS[precision]
    for part in _parts(tracker, tracker.network_parts):
        part.to(tracker.inference_dtype)


def compile_parts(tracker: BaseTracker) -> None:
    """torch.compile where the tracker can."""
    # weights that cannot change may be laid out for the processor beforehand
    options = {'freezing': True} if tracker.data_preprocessor.mean.device.type == 'cpu' else None
    for part in _parts(tracker, tracker.compiled_parts):
        part.compile(options=options)


def _parts(tracker: BaseTracker, names: Sequence[str]) -> list[nn.Module]:
    """Those of the named modules that this tracker has; a head may be left out by its config."""
    return [part for name, part in tracker.named_modules() if name in names]


def _thaw_norms(module: nn.Module) -> None:
    """Ordinary norms in the place of frozen ones, which mmcv does not fold."""
    for name, child in module.named_children():
        if isinstance(child, FrozenBatchNorm2d):
            norm = nn.BatchNorm2d(child.num_features, eps=child.eps).to(child.weight).eval()
            norm.load_state_dict(child.state_dict(), strict=False)  # it counts no batches
            setattr(module, name, norm)
        else:
            _thaw_norms(child)


def _check_precision(tracker: BaseTracker, precision: str) -> None:
    if precision not in PRECISIONS:
        raise InputError(f'precision must be one of {", ".join(PRECISIONS)}, got {precision!r}')
    if precision == 'float32':
        return
    if not tracker.network_parts:
        raise InputError(
            f'{tracker.name or type(tracker).__name__} computes in float32 only, not {precision}'
        )
    if precision == 'float16' and tracker.data_preprocessor.mean.device.type == 'cpu':
        raise InputError('float16 overflows and is slow on a CPU: use bfloat16 there')


def _refuse_to_save(*args: Any) -> NoReturn:
    raise InputError(
        'the weights of a model on the fast path are folded: build it with plain=True to save them'
    )

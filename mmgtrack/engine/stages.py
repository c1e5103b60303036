"""Where a tracker's time and operations go: methods that it has anyway, watched from outside."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry, register_flop_formula

from mmgtrack.models.base import BaseTracker, GlobalSearchTracker, WindowTracker
from mmgtrack.models.dm_track import DMTrack
from mmgtrack.models.global_track import GlobalTrack
from mmgtrack.models.guided_detector import GuidedDetector
from mmgtrack.models.point_track import PointTrack
from mmgtrack.models.stark import Stark

# Which call belongs to which stage: a path from the tracker (a module stands for its forward pass) or
# ``module:function``. A call inside another counts for the inner stage alone. A stage that starts with a
# colon is a part of the one it runs in. What a tracker lacks or never calls has no row.
STAGES: dict[type, dict[str, str]] = {
    GlobalTrack: {
        'data_preprocessor.view': 'preprocess',
        'data_preprocessor.batch': 'preprocess',
        'backbone': 'backbone',
        'neck': 'neck',
        'rpn_head.modulate': 'RPN modulation',
        'rpn_head': 'RPN head',
        'rpn_head.propose_from': 'RPN proposals',
        'roi_head._extract': 'RoI pooling',
        'roi_head.detect': 'RoI head',
        'mmgtrack.models.detections:batched_greedy_nms': ': NMS',
        'associate': 'association',
    },
    DMTrack: {
        'data_preprocessor.view': 'preprocess',
        'data_preprocessor.batch': 'preprocess',
        'backbone': 'backbone',
        'neck': 'neck',
        'neck.modulate': 'dynamic convolutions of the neck',
        're_id_head.read': 're-id map',
        're_id_head.embed': 'embeddings',
        'bbox_head.search': 'head',
        'bbox_head.detect': 'boxes',
        'mmgtrack.models.layers.dynamic_correlation:correlate_pairs': ': dynamic convolutions',
        'mmgtrack.models.dm_track.twin_branches:correlate_pairs': ': dynamic convolutions',
        'mmgtrack.models.detections:batched_greedy_nms': ': NMS',
        'associate': 'association',
    },
    PointTrack: {
        'data_preprocessor.view': 'preprocess',
        'data_preprocessor.batch': 'preprocess',
        'backbone': 'backbone',
        'neck': 'neck',
        'neck.modulate': 'dynamic convolutions',
        'bbox_head': 'head',
        'bbox_head.detect': 'boxes',
        'mmgtrack.models.detections:batched_greedy_nms': ': NMS',
        'associate': 'association',
    },
    GlobalSearchTracker: {
        'data_preprocessor.view': 'preprocess',
        'data_preprocessor.batch': 'preprocess',
        'extract': 'features',
        'detect': 'detection',
        'associate': 'association',
    },
    Stark: {
        'mmgtrack.models.stark.stark:cut_windows': 'crop',
        'backbone': 'backbone',
        'neck': 'neck',
        'template_positions': 'positions',
        'search_positions': 'positions',
        'extract': 'tokens',
        'transformer': 'transformer',  # the whole where it is compiled or has one layer only
        'transformer.encode': 'encoder',
        'transformer.decode': 'decoder',
        'box_head': 'box head',
        'score_head': 'score head',
        'update': 'template update',  # but for its crop and its pass through the backbone
    },
    GuidedDetector: {
        'mmgtrack.models.guided_detector.guided_detector:cut_windows': 'crop',
        'detector.backbone': 'backbone',
        'detector.neck': 'neck',
        'guide': 'guidance',
        'heads.read': 'head',
        'heads.detect': 'adapted layers',
        'selection': 'selection',
        '_collect': 'samples',
        '_adapt': 'head update',
    },
    WindowTracker: {'crop': 'crop', 'predict_windows': 'network', 'update': 'update'},
}


class Watcher(Protocol):
    """Is told where stages begin and end; they nest."""

    def enter(self, stage: str) -> None:
        """A stage begins."""

    def leave(self) -> None:
        """The stage that began last ends."""


class StageMeter:
    """Shares out what a growing total grows by among the stages: to the innermost one that runs.

    Args:
        read: the total so far, in seconds or operations, say.

    Attributes:
        totals: stage to its share. calls: how many stages have been entered.
    """

    def __init__(self, read: Callable[[], float]) -> None:
        self.totals: dict[str, float] = {}
        self.calls = 0
        self._read = read
        self._running: list[str] = []
        self._mark = 0.0

    def enter(self, stage: str) -> None:
        if self._running:
            self._charge()
        if stage.startswith(':'):
            stage = (self._running[-1] if self._running else '') + stage
        self._running.append(stage)
        self.calls += 1
        self._mark = self._read()

    def leave(self) -> None:
        self._charge()
        self._running.pop()
        self._mark = self._read()

    def take(self) -> dict[str, float]:
        """The totals, and start anew."""
        taken, self.totals = self.totals, {}
        return taken

    def _charge(self) -> None:
        stage = self._running[-1]
        self.totals[stage] = self.totals.get(stage, 0.0) + self._read() - self._mark


class StageRanges:
    """Marks stages as ranges in torch's profiler."""

    def __init__(self) -> None:
        self._open: list[torch.profiler.record_function] = []

    def enter(self, stage: str) -> None:
        self._open.append(torch.profiler.record_function(stage.removeprefix(': ')))
        self._open[-1].__enter__()

    def leave(self) -> None:
        self._open.pop().__exit__(None, None, None)


def _attention_operations(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """2 a multiply-add of both matrix products; shapes (B, heads, length, width)."""
    batch, heads, length, width = query
    return 2 * batch * heads * length * key[2] * (width + value[3])


# torch itself counts fused attention on GPUs only
_CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
if _CPU_ATTENTION not in flop_registry:
    register_flop_formula(_CPU_ATTENTION)(_attention_operations)


def stages_of(tracker: BaseTracker) -> dict[str, str]:
    """Call to stage, of the tracker's own class or the nearest one above that has a table."""
    return next((STAGES[kind] for kind in type(tracker).__mro__ if kind in STAGES), {})


@contextmanager
def watching(tracker: BaseTracker, watcher: Watcher) -> Iterator[None]:
    """Tell the watcher about every stage of the tracker, inside the block; the tracker is left as it was."""
    undo: list[Callable[[], object]] = []
    try:
        for call, stage in stages_of(tracker).items():
            place = _place(tracker, call)
            if place is not None:
                undo.append(_replace(*place, stage, watcher))
        yield
    finally:
        for restore in reversed(undo):
            restore()


def _place(tracker: BaseTracker, call: str) -> tuple[nn.Module | ModuleType, str] | None:
    """The object and its attribute that is called; None where there is none."""
    if ':' in call:
        module, name = call.split(':')
        return import_module(module), name
    *path, name = call.split('.')
    owner = reduce(getattr, path, tracker)
    member = getattr(owner, name, None)
    if not isinstance(member, nn.Module):
        return (owner, name) if callable(member) else None
    # after module.compile(), torch calls this in the place of forward
    compiled = getattr(member, '_compiled_call_impl', None) is not None
    return member, '_compiled_call_impl' if compiled else 'forward'


def _replace(owner: nn.Module | ModuleType, name: str, stage: str, watcher: Watcher) -> Callable[[], object]:
    """Put a watched call in the place of an attribute; returns what takes it back."""
    own = vars(owner)  # past nn.Module's and OptimizedModule's own ways of setting attributes
    before = own.get(name)
    own[name] = _watched(getattr(owner, name), stage, watcher)
    if before is None:
        return lambda: own.pop(name)
    return lambda: own.update({name: before})


def _watched(function: Callable[..., Any], stage: str, watcher: Watcher) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():  # part of a compiled stage: counted there
            return function(*args, **kwargs)
        watcher.enter(stage)
        try:
            return function(*args, **kwargs)
        finally:
            watcher.leave()

    return call

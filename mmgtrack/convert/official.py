"""Official checkpoint files: what is read from one, and what a system says about its own."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.convert.key_map import KeyMap
from mmgtrack.errors import CheckpointError

_PROGRESS = ('epoch', 'iter')  # of mmcv's meta; the rest is text about the authors' machine and config


@dataclass(frozen=True)
class OfficialCheckpoint:
    """What a file holds.

    weights: its state dict; progress: how long it was trained, as far as it says; left_out: other parts of
    the file -> why they are not converted.
    """

    weights: dict[str, Tensor]
    progress: dict[str, int]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Layout:
    """What a file holds. config_name: the model that it is for; key_map: what becomes of its keys."""

    config_name: str
    key_map: KeyMap


@dataclass(frozen=True)
class Converter:
    """How the files of a system are converted.

    read: reads a file without executing it; layout: recognises what it holds, raises CheckpointError for
    weights that no model here is for.
    """

    read: Callable[[str | os.PathLike[str]], OfficialCheckpoint]
    layout: Callable[[OfficialCheckpoint], Layout]


def read_openmmlab_file(path: str | os.PathLike[str]) -> OfficialCheckpoint:
    """A checkpoint of mmcv's runner: ``state_dict``, ``meta`` and the optimizer's state.

    Raises CheckpointError for a missing, damaged or unsafe file, and for one that needs no conversion.
    """
    content: dict[str, Any] = load_checkpoint_file(path)
    meta = content['meta']
    if 'config_name' in meta:
        raise CheckpointError(
            f'{path} needs no conversion: it is a checkpoint of mmgtrack, made with the config '
            f'{meta["config_name"]!r}'
        )
    rest = [str(part) for part in content if part not in ('state_dict', 'meta')]
    return OfficialCheckpoint(
        weights=content['state_dict'],
        progress={name: meta[name] for name in _PROGRESS if type(meta.get(name)) is int},
        left_out={part: 'training state' for part in rest},
    )

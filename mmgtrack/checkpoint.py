"""Reading checkpoints of strangers without executing them."""

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from mmgtrack.errors import CheckpointError
from mmgtrack.files import replacing

_multiarray: Any = import_module('numpy._core.multiarray')  # no public name, but in every pickled array


def _statistics_method(owner: Any, name: str) -> Any:
    """Stands in for ``getattr`` while unpickling: HistoryBuffer stores its own methods by name."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise CheckpointError(f'the checkpoint asks for the attribute {name!r} of {owner!r}')
    return getattr(owner, name)


# what mmengine's own checkpoints hold besides tensors: log history and random states
_HARMLESS: Sequence[Any] = (
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    _multiarray._reconstruct,
    _multiarray.scalar,
    *(type(np.dtype(code)) for code in '?bBhHiIlLqQefdS'),
    (_statistics_method, 'builtins.getattr'),
)


def load_checkpoint_file(path: str | os.PathLike[str], map_location: Any = 'cpu') -> dict[str, Any]:
    """The content of a checkpoint file: a dict with at least ``state_dict``.

    Only tensors, numbers, text and mmengine's log history are unpickled. A bare state dict is wrapped,
    and so are the arrays of a ``.npz`` file (floating ones as float32).
    Raises CheckpointError for a missing, damaged, unsafe or foreign file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'no checkpoint file {path}')
    try:
        if path.suffix == '.npz':
            content = _read_arrays(path)
        else:
            with torch.serialization.safe_globals(list(_HARMLESS)):
                content = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged or unsafe file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f'cannot read the checkpoint {path} safely: {reason}') from error
    if isinstance(content, dict) and isinstance(content.get('state_dict'), dict):
        return content
    if isinstance(content, dict) and content and all(torch.is_tensor(v) for v in content.values()):
        return {'state_dict': content, 'meta': {}}
    raise CheckpointError(f'{path} holds no state_dict; expected a checkpoint of mmengine or mmgtrack')


def _read_arrays(path: Path) -> dict[str, torch.Tensor]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file}
    return {name: a.float() if a.is_floating_point() else a for name, a in arrays.items()}


def use_safe_loading() -> None:
    """Make mmengine's Runner (load_from, resume, Pretrained) read local files through this module.

    mmengine 0.10.12 tries the safe way and falls back to executing the file; this does not fall back.
    """

    def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
        return load_checkpoint_file(os.path.expanduser(filename), map_location or 'cpu')

    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)


def save_checkpoint_file(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a checkpoint under a temporary name, then rename: never a half-written file."""
    with replacing(path) as file:
        torch.save(content, file)

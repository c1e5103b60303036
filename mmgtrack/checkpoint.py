"""Reading checkpoints of strangers without executing them."""

import json
import os
from collections.abc import Mapping, Sequence
from copy import copy
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import mmengine
import numpy as np
import torch
from mmengine.dist import barrier, is_distributed
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, get_torchvision_models
from torch import nn

from mmgtrack.errors import CheckpointError, OutputError
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
        # torch's own text advises to execute the file
        raise CheckpointError(
            f'cannot read {path} safely: it is damaged, no checkpoint, or holds objects that are not loaded '
            f'because that would execute it ({type(error).__name__})'
        ) from error
    if isinstance(content, dict) and _is_weights(content.get('state_dict')):
        meta = content.get('meta')
        return {**content, 'meta': meta if isinstance(meta, dict) else {}}
    if content and _is_weights(content):
        return {'state_dict': content, 'meta': {}}
    raise CheckpointError(f'{path} holds no state_dict; expected a checkpoint of mmengine or mmgtrack')


def _is_weights(value: Any) -> bool:
    """A dict from names to tensors."""
    return isinstance(value, dict) and all(
        isinstance(key, str) and torch.is_tensor(weight) for key, weight in value.items()
    )


def _read_arrays(path: Path) -> dict[str, torch.Tensor]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file}
    return {name: a.float() if a.is_floating_point() else a for name, a in arrays.items()}


def use_safe_loading() -> None:
    """Make mmengine's Runner (load_from, resume, Pretrained) read every checkpoint through this module.

    mmengine 0.10.12 tries the safe way and falls back to executing the file; this does not fall back. Files
    and http(s) and torchvision addresses are read; other schemes are refused. Its log shows the names of the
    loaders without their first ten letters.
    """
    for prefix in [prefix for prefix in CheckpointLoader._schemes if prefix]:
        CheckpointLoader.register_scheme(prefixes=prefix, loader=load_from_elsewhere, force=True)
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), loader=load_from_http, force=True)
    CheckpointLoader.register_scheme(prefixes='torchvision://', loader=load_from_torchvision, force=True)


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    return load_checkpoint_file(os.path.expanduser(filename), map_location or 'cpu')


def load_from_http(filename: str, map_location: Any = None, model_dir: str | None = None) -> dict[str, Any]:
    """Download once into torch's cache, then read the file safely; one process a machine downloads."""
    folder = Path(model_dir or Path(torch.hub.get_dir()) / 'checkpoints')
    path = folder / Path(urlparse(filename).path).name
    # not mmengine's local rank, which wants a process group for each machine
    rank = int(os.environ.get('LOCAL_RANK', 0)) if is_distributed() else 0
    failure: OSError | None = None
    if rank == 0 and not path.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(filename, str(path), progress=False)
        except OSError as error:
            failure = error
    barrier()  # also after a failure: the others wait for it
    if not path.is_file():
        raise CheckpointError(
            f'cannot download {filename} ({failure or "see what the first process says"}): get the file by '
            f'other means and put it there as {path}, start from another one with --load-from FILE, or start '
            'without it with --cfg-options load_from=None, or model.backbone.init_cfg=None where it is for '
            'the backbone'
        ) from failure
    return load_checkpoint_file(path, map_location or 'cpu')


def load_from_torchvision(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Weights under torchvision's name for them; for those of 2022 and older, torchvision is not needed."""
    name = filename.removeprefix('torchvision://')
    table = Path(mmengine.__path__[0]) / 'hub' / 'torchvision_0.12.json'
    urls = json.loads(table.read_text())
    if name not in urls:
        try:
            urls = get_torchvision_models()
        except (ImportError, RuntimeError) as error:  # not installed, or made for another torch
            raise CheckpointError(
                f'{filename}: only torchvision knows this address, and its import fails ({error}); install '
                'it, or start without: --cfg-options model.backbone.init_cfg=None'
            ) from error
    if not urls.get(name):
        raise CheckpointError(f'torchvision offers no weights {name!r}')
    return load_from_http(urls[name], map_location)


def load_from_elsewhere(filename: str, map_location: Any = None) -> dict[str, Any]:
    raise CheckpointError(f'{filename}: this scheme cannot be read safely; download the file, give its path')


def without_wrapper(state_dict: Mapping[str, torch.Tensor]) -> Any:
    """A copy with the model's own names, where a distributed wrapper put its own before them."""
    weights: Any = copy(state_dict)
    for key in [key for key in weights if key.startswith('module.')]:
        weights[key.removeprefix('module.')] = weights.pop(key)
    return weights


def unmatched_keys(
    model: nn.Module, state_dict: Mapping[str, torch.Tensor]
) -> tuple[list[str], list[str], list[str]]:
    """What does not fit when weights are loaded into a model, each sorted: missing, unexpected, misshapen.

    Missing keys are in the model only, unexpected ones in the state dict only, misshapen ones in both with
    different shapes. Counters of batches (``num_batches_tracked``) do not count.
    """
    own = {k: w for k, w in model.state_dict().items() if not k.endswith('num_batches_tracked')}
    given = {k: w for k, w in state_dict.items() if not k.endswith('num_batches_tracked')}
    misshapen = sorted(k for k in own.keys() & given.keys() if own[k].shape != given[k].shape)
    return sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys()), misshapen


def save_checkpoint_file(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a checkpoint under a temporary name, then rename: never a half-written file.

    Raises OutputError where it cannot be written.
    """
    with replacing(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # what torch makes of a full disk
            reason = str(error).splitlines()[0]
            raise OutputError(f'cannot write {path}; is there space left? torch says: {reason}') from error

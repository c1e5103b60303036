"""What results depend on, written beside them, so that those of two runs are never mixed."""

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmgtrack.models.base import BaseTracker
from mmgtrack.version import __version__

FORMAT = 1
_PACKAGE = Path(__file__).parents[1]
_DISTRIBUTIONS = ('torch', 'numpy', 'opencv-python-headless', 'opencv-python', 'mmengine', 'mmcv', 'mmdet')
# whose versions say enough
_KNOWN = frozenset({_PACKAGE.name, 'torch', 'mmengine', 'mmcv', 'mmdet', *sys.stdlib_module_names})
# of a model or a reader, what tracks do not depend on; the number of frames a pass takes stands for itself
_WITHOUT_EFFECT = frozenset({'train_cfg', 'init_cfg', 'pretrained', 'batch_frames', 'root', 'cache_size'})
_ABSENT = object()


def describe_run(
    tracker: BaseTracker,
    model: Mapping[str, Any],
    reader: Mapping[str, Any],
    names: Sequence[str],
    groups: Sequence[tuple[int, ...]],
    imports: Sequence[str] = (),
) -> dict[str, Any]:
    """A manifest that json can hold.

    model, reader: their configs; names: of all sequences; groups: those tracked together; imports: modules
    that the config imports. Where the data lie does not count; whether they are the same, each result says
    itself by its first row and length.
    """
    weight = next(tracker.parameters(), torch.zeros(()))
    device = tracker.data_preprocessor.mean.device
    size = max((len(group) for group in groups), default=1)
    content = {
        'format': FORMAT,
        'code': {'version': __version__, 'sources': hash_of_code(tracker.modules(), imports)},
        'packages': dict(_versions()),
        'model': _what_counts(model),
        'device': device_name(device),
        # sums on a GPU are not split among the processor's threads
        'threads': torch.get_num_threads() if device.type == 'cpu' else None,
        'precision': str(tracker.inference_dtype or weight.dtype).removeprefix('torch.'),
        'fast_path': tracker.is_folded,
        'batch_frames': tracker.batch_frames,
        'videos_per_batch': size,
        'data': {
            'reader': _what_counts(reader),
            'sequences': len(names),
            'names': list(names),
            # alone, a sequence has the same result whichever come before it
            'groups': _hash_of(repr(list(groups)).encode()) if size > 1 else None,
        },
        'calibration': tracker.calibration.to_dict(),
        'weights': hash_of_weights(tracker),
    }
    normalised: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return normalised


def device_name(device: torch.device) -> str:
    """``cpu``, or what a GPU calls itself."""
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else device.type


def imported_modules(config: Mapping[str, Any]) -> list[str]:
    """Names of the modules that a config imports."""
    imports = (config.get('custom_imports') or {}).get('imports') or ()
    return [imports] if isinstance(imports, str) else list(imports)


def hash_of_weights(tracker: BaseTracker) -> str:
    """Of names, shapes, types and contents of all tensors, whatever file they came from."""
    digest = hashlib.sha256()
    # not of the state dict, which a model on the fast path does not give away
    for name, tensor in sorted([*tracker.named_parameters(), *tracker.named_buffers()], key=itemgetter(0)):
        digest.update(f'{name} {tuple(tensor.shape)} {tensor.dtype}\n'.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def differences(before: Any, now: Any, where: str = '') -> list[str]:
    """What two manifests disagree in, a phrase each: ``videos_per_batch (1, now 4)``."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        parts = ((before.get(key, _ABSENT), now.get(key, _ABSENT), key) for key in keys)
        return [text for a, b, key in parts for text in differences(a, b, f'{where}.{key}' if where else key)]
    return [] if before == now else [f'{where} ({_shown(before)}, now {_shown(now)})']


def _shown(value: Any) -> str:
    text = 'nothing' if value is _ABSENT else str(value)
    return text if len(text) <= 30 else f'{text[:12]}...'


def _what_counts(settings: Any) -> Any:
    if isinstance(settings, Mapping):
        return {key: _what_counts(value) for key, value in settings.items() if key not in _WITHOUT_EFFECT}
    return [_what_counts(value) for value in settings] if isinstance(settings, (list, tuple)) else settings


def _hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hash_of_code(parts: Iterable[nn.Module], imports: Sequence[str] = ()) -> str:
    """Of this package's modules, of those that the classes of a tracker's parts come from, and of imports."""
    files = {path.relative_to(_PACKAGE).as_posix(): path for path in _PACKAGE.rglob('*.py')}
    classes = {base for part in parts for base in type(part).__mro__}
    for name in {*imports, *(each.__module__ for each in classes)}:
        if name.partition('.')[0] not in _KNOWN:
            files |= _sources(name)
    return _hash_of(b''.join(f'{name}\n'.encode() + files[name].read_bytes() for name in sorted(files)))


def _sources(module: str) -> dict[str, Path]:
    """Source files of a module by name, of a package all that are in it; none where it is not imported."""
    file = getattr(sys.modules.get(module), '__file__', None)
    if file is None or not file.endswith('.py'):
        return {}
    path = Path(file)
    if path.name != '__init__.py':
        return {f'{module}.py': path}
    folder = path.parent
    return {f'{module}/{each.relative_to(folder).as_posix()}': each for each in folder.rglob('*.py')}


def _versions() -> Iterator[tuple[str, str]]:
    for name in _DISTRIBUTIONS:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue

"""Build a tracker from a model name or config, with its weights."""

import copy
import hashlib
import json
import os
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmgtrack import zoo
from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.errors import CheckpointError, InputError, MMGTrackError, ModelNotFoundError, first_line
from mmgtrack.models.base import BaseTracker
from mmgtrack.models.fast_path import slow_down, speed_up
from mmgtrack.packaged_configs import PREFIX, find_config, run_config
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration


def load_config(model: str | os.PathLike[str]) -> tuple[str, Config]:
    """Name and config of a zoo model, of a config file (NAME.py), or of one of ours (mmgtrack::NAME.py)."""
    text = os.fspath(model)
    if text.startswith(PREFIX):
        text = str(find_config(text.removeprefix(PREFIX)))
    if text.endswith('.py'):
        if not Path(text).is_file():
            raise ModelNotFoundError(f'no config file {text}')
        name, path = Path(text).stem, Path(text)
    else:
        info = zoo.find_model(text)
        name, path = info.name, zoo.config_path(info)
    try:
        config = run_config(path)
    except InputError as error:
        raise ModelNotFoundError(str(error)) from error
    if not isinstance(config.get('model'), dict):
        raise ModelNotFoundError(f'the config {path} has no dict named model')
    return name, config


def build_tracker(
    model: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    device: str = 'cpu',
    *,
    precision: str = 'float32',
    compile: bool = False,
    plain: bool = False,
    options: Mapping[str, Any] | None = None,
) -> BaseTracker:
    """A tracker in evaluation mode, prepared for speed.

    model: name in the zoo or path of a config, default the one that the checkpoint was made for, else the
    zoo's default; checkpoint: weights, default those shipped for the name.
    precision, compile: see ``speed_up``; plain: none of that, layers as they are in training.
    options: config keys to override, dotted.
    Raises ModelNotFoundError, CheckpointError (unreadable, or of another architecture: lists the keys),
    InputError (no such device). Without any weights for its layers it warns and stays random.
    """
    target = check_device(device)
    content = _read(checkpoint) if checkpoint is not None else None
    name, config = load_config(model if model is not None else _model_of(content))
    config.merge_from_dict(dict(options or {}))
    source = Path(checkpoint) if checkpoint is not None else _shipped_weights(name)
    tracker = build_network(config)
    digest = hashlib.sha256(json.dumps(_what_counts(config.model), sort_keys=True, default=str).encode())
    if source is not None:
        content = content or load_checkpoint_file(source)
        check_made_for(content['meta'].get('config_name'), name, config, source)
        load_weights(tracker, content, name, str(source))
        digest.update(zoo.file_sha256(source).encode())
    elif tracker.state_dict():
        warnings.warn(
            f'{name} comes without weights and none were given: its weights are RANDOM and its tracks '
            'mean nothing; pass checkpoint=FILE, on the command line --checkpoint FILE',
            stacklevel=3,
        )
    tracker.name = name
    tracker.fingerprint = digest.hexdigest()
    tracker.to(target).eval()
    if plain:
        _check_plain(precision, compile)
        slow_down(tracker)
    else:
        speed_up(tracker, precision, compile)
    return tracker


def build_network(config: Config) -> BaseTracker:
    """The model of a config with no weights loaded, not even those its backbone starts training from."""
    settings = copy.deepcopy(config.model)  # mmdet's layers write into what they are built from
    for detector in (settings, settings.get('detector')):  # which a tracker may have inside
        if isinstance(detector, dict) and 'backbone' in detector:
            detector['backbone'] = dict(detector['backbone'], init_cfg=None)
    try:
        with DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmdet')):
            tracker = MODELS.build(settings)
    except MMGTrackError:
        raise
    except Exception as error:  # whatever a wrong type, shape or name in the config runs into
        raise InputError(
            f'the config builds no model: {first_line(error)}; if it starts from a detector, '
            'docs/detectors.md says which ones cannot be guided'
        ) from error
    if not isinstance(tracker, BaseTracker):
        raise InputError(f'the config builds a {type(tracker).__name__}, which is no tracker')
    return tracker


def _read(checkpoint: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        return load_checkpoint_file(checkpoint)
    except CheckpointError as error:
        if not os.path.isfile(checkpoint):
            raise
        raise CheckpointError(f'{error}; {_CONVERT}') from error


def _model_of(content: dict[str, Any] | None) -> str:
    """The zoo's model that a checkpoint says it was made for; the default where it says nothing."""
    made_for = (content or {}).get('meta', {}).get('config_name')
    known = {info.name for info in zoo.list_models()}
    return made_for if made_for in known else zoo.DEFAULT


def check_made_for(made_for: str | None, name: str, config: Config, source: str | os.PathLike[str]) -> None:
    """Refuse weights of another model with the same layers, whose boxes may be counted otherwise.

    A config derived from the one they were made for is taken where it changes sizes and counts only.
    """
    if made_for is None or made_for == name:
        return
    try:
        official = load_config(made_for)[1]
    except ModelNotFoundError:
        official = None
    if official is None or _arithmetic(official.model) != _arithmetic(config.model):
        raise CheckpointError(
            f'{source} was made with the config {made_for!r}, not {name!r}: give that as the model, or a '
            'config that inherits it'
        )


def _arithmetic(settings: Any) -> Any:
    """What weights must find as they were trained: all that counts but image sizes and numbers of boxes."""
    # configs named by package bring a scope, in which the same types are found
    return _what_counts(settings, but={'test_cfg', 'resize', '_scope_'})


def load_weights(tracker: BaseTracker, content: dict[str, Any], name: str, source: str) -> None:
    """Load a checkpoint's weights and calibration; every key must fit."""
    meta = content['meta']
    weights = {k.removeprefix('module.'): v for k, v in content['state_dict'].items()}
    own = tracker.state_dict()
    # a file of another framework version may lack the counters of batch norms, which nothing reads
    missing = [k for k in own if k not in weights and not k.endswith('num_batches_tracked')]
    unknown = [k for k in weights if k not in own]
    shapes = [k for k in weights if k in own and own[k].shape != weights[k].shape]
    if missing or unknown or shapes:
        raise CheckpointError(
            f'{source} is of another architecture than {name}: '
            f'{_some(missing)} missing, {_some(unknown)} unknown, {_some(shapes)} of another shape'
            + (f'; {_CONVERT}' if missing and unknown else '')
        )
    # half-precision files are read into float32, the precision of the model
    tracker.load_state_dict({k: v.to(own[k].dtype) for k, v in weights.items()}, strict=False)
    if 'calibration' in meta:
        try:
            tracker.calibration = Calibration(**meta['calibration'])
        except (TypeError, InputError) as error:
            raise CheckpointError(f'{source} holds no valid calibration: {error}') from error


def _check_plain(precision: str, compile: bool) -> None:
    if precision != 'float32' or compile:
        raise InputError(
            f'plain means float32 and not compiled, got precision={precision!r} and compile={compile}'
        )


def check_device(device: str) -> torch.device:
    """A device that is there."""
    try:
        target = torch.device(device)
        if target.type == 'meta':
            raise RuntimeError('a meta tensor holds no numbers')
        torch.zeros(1, device=target)
    except Exception as error:  # torch raises whatever its back-end does
        raise InputError(
            f"device must be one that torch can use here, like 'cpu' or 'cuda:0', got {device!r}: "
            f'{first_line(error)}'
        ) from error
    return target


def _what_counts(settings: Any, but: Collection[str] = ()) -> Any:
    """The settings that results depend on: not where training starts, nor how many frames a pass takes.

    How a detector inside a tracker assigns boxes counts, because it goes on learning.
    """
    if isinstance(settings, dict):
        kept = {k: v for k, v in settings.items() if k not in _WITHOUT_EFFECT and k not in but}
        inside = settings.get('detector')
        if isinstance(inside, dict) and 'train_cfg' in inside:
            kept['assignment'] = inside['train_cfg']
        return {k: _what_counts(v, but) for k, v in kept.items()}
    return [_what_counts(v, but) for v in settings] if isinstance(settings, (list, tuple)) else settings


_WITHOUT_EFFECT = {'init_cfg', 'pretrained', 'train_cfg', 'batch_frames', 'calibration', 'frozen_stages'}
_CONVERT = "if a system's official code wrote the file, convert it first: mmgtrack convert"


def _shipped_weights(name: str) -> Path | None:
    try:
        return zoo.weights_path(zoo.find_model(name))
    except ModelNotFoundError:  # a user's own config
        return None


def _some(keys: list[str]) -> str:
    shown = ', '.join(keys[:3])
    return f'{len(keys)} keys' + (f' ({shown}{", ..." if len(keys) > 3 else ""})' if keys else '')

"""From a config file to a Runner, with weights loaded safely."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmgtrack.checkpoint import use_safe_loading
from mmgtrack.engine.broken_images import add_broken_images_hook
from mmgtrack.engine.distributed import prepare_processes
from mmgtrack.engine.options import merge_options, read_config
from mmgtrack.engine.processes import from_first
from mmgtrack.engine.resume import check_can_be_resumed, last_complete_checkpoint
from mmgtrack.engine.runner import TrackerRunner
from mmgtrack.errors import CheckpointError, InputError, OutputError
from mmgtrack.packaged_configs import find_weights


def build_runner(
    config: str | os.PathLike[str],
    *,
    work_dir: str | None = None,
    resume: bool | str = False,
    load_from: str | None = None,
    options: dict[str, Any] | None = None,
    launcher: str = 'none',
    auto_scale_lr: bool = False,
    changes: Sequence[Callable[[Config], None]] = (),
) -> Runner:
    """A Runner for a config file; checkpoints it reads are never executed.

    work_dir: default ``work_dirs/<config name>``. resume: True for the last checkpoint there, or a path.
    load_from: weights to start from. options: config keys to override, dotted. launcher: what started the
    processes of a distributed run. auto_scale_lr: fit the learning rate to the batch of all processes,
    which the config's ``auto_scale_lr`` says for one batch size. changes: what else is done to the config,
    such as by mmgtrack/engine/switches.py.

    A config may name two starts: ``load_from``, and ``load_from_fallback`` for where that is no file.
    """
    settings = read_config(config)
    use_safe_loading()
    merge_options(settings, options or {})
    for change in changes:
        change(settings)
    if not isinstance(settings.get('model'), dict):
        raise InputError(f'the config {config} has no dict named model')
    settings.launcher = launcher
    settings.work_dir = work_dir or settings.get('work_dir') or str(Path('work_dirs') / Path(config).stem)
    make_work_folder(settings.work_dir)
    if launcher != 'none':
        prepare_processes(settings)
    warning = _set_start(settings, resume, load_from)
    # mmdet's configs fix a name, by which all runs of a Python process would log into the folder of the first
    (settings.get('visualizer') or {}).pop('name', None)
    if auto_scale_lr or (settings.get('auto_scale_lr') or {}).get('enable'):
        _enable_lr_scaling(settings)
    add_broken_images_hook(settings)
    settings.custom_hooks = [*(settings.get('custom_hooks') or []), dict(type='mmgtrack.WeightReportHook')]
    runner = TrackerRunner.from_cfg(settings)
    if warning:
        runner.logger.warning(warning)
    return runner


def make_work_folder(path: str | os.PathLike[str]) -> None:
    """The folder, where it is not there yet. Raises OutputError."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f'cannot make the work folder {path}: {error.strerror}; choose another with --work-dir'
        ) from error


def _set_start(settings: Config, resume: bool | str, load_from: str | None) -> str | None:
    """Where the run starts: a named checkpoint, the last one of the work folder, or weights to load.

    Returns a warning where that is not what the config names first.
    """
    start = load_from or settings.get('load_from')
    settings.load_from = find_weights(start) if start else None
    settings.resume = bool(resume or settings.get('resume', False))
    if settings.resume:
        path, warning = from_first(lambda: _find_resumed(settings.work_dir, resume))
        if path is not None:
            if not Path(path).is_file():
                raise CheckpointError(
                    f'the first process resumes from {path}, which is not there for this one: the work '
                    'folder must be the same on all machines'
                )
            # not the config's own load_from, which holds weights and no training state
            settings.load_from = path
            return warning
    settings.resume = False  # nothing to go on with: start as the config says
    if load_from is not None:
        return None
    warning = _fall_back(settings)
    _check_start(settings.load_from)
    return warning


def _find_resumed(folder: str, resume: bool | str) -> tuple[str | None, str | None]:
    """The checkpoint to go on with, None where there is none, and a line to be said."""
    if not isinstance(resume, str):
        return last_complete_checkpoint(folder)
    path = str(Path(resume).expanduser())
    check_can_be_resumed(path)
    return path, None


def _check_start(load_from: str | None) -> None:
    """Say at once, not when the model is built, that a stage lacks what it starts from."""
    if load_from and '://' not in load_from and not Path(load_from).expanduser().is_file():
        raise CheckpointError(
            f'the config starts from {load_from}, which is not there: train the stage before it first, give '
            'another start with --load-from FILE, or none with --cfg-options load_from=None'
        )


def _fall_back(settings: Config) -> str | None:
    """Take the second start of the config where the first is a file that does not exist, and say so."""
    first, second = settings.load_from, settings.get('load_from_fallback')
    if not first or not second or '://' in first or Path(first).expanduser().is_file():
        return None
    settings.load_from = second
    return f'WEIGHTS: there is no {first}; this run starts from {second} instead'


def _enable_lr_scaling(settings: Config) -> None:
    scaling = settings.get('auto_scale_lr') or {}
    if 'base_batch_size' not in scaling:
        raise InputError(
            'the learning rate cannot be scaled: the config lacks auto_scale_lr.base_batch_size, the batch '
            'size that its learning rate is meant for'
        )
    settings.auto_scale_lr = dict(scaling, enable=True)

"""From a config file to a Runner, with weights loaded safely."""

import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner, find_latest_checkpoint

from mmgtrack.checkpoint import use_safe_loading
from mmgtrack.errors import InputError


def build_runner(
    config: str | os.PathLike[str],
    *,
    work_dir: str | None = None,
    resume: bool | str = False,
    load_from: str | None = None,
    options: dict[str, Any] | None = None,
    launcher: str = 'none',
) -> Runner:
    """A Runner for a config file; checkpoints it reads are never executed.

    work_dir: default ``work_dirs/<config name>``. resume: True for the last checkpoint there, or a path.
    load_from: weights to start from. options: config keys to override, dotted.
    """
    path = Path(config)
    if not path.is_file():
        raise InputError(f'no config file {path}')
    use_safe_loading()
    settings = Config.fromfile(path)
    settings.merge_from_dict(options or {})
    settings.launcher = launcher
    settings.work_dir = work_dir or settings.get('work_dir') or str(Path('work_dirs') / path.stem)
    _set_start(settings, resume, load_from)
    _check_epoch(settings.get('train_dataloader'))
    return Runner.from_cfg(settings)


def _set_start(settings: Config, resume: bool | str, load_from: str | None) -> None:
    """Where the run starts: a named checkpoint, the last one of the work folder, or weights to load."""
    settings.load_from = load_from or settings.get('load_from')
    settings.resume = bool(resume or settings.get('resume', False))
    if isinstance(resume, str):
        settings.load_from = resume
    elif settings.resume and find_latest_checkpoint(settings.work_dir):
        # mmengine would resume from load_from, which holds weights and no training state
        settings.load_from = None
    elif settings.resume:
        settings.resume = False  # nothing to go on with: start as the config says


def _check_epoch(loader: Any) -> None:
    """Refuse an epoch without a single batch, which mmengine would only meet as a failed assertion."""
    samples = (loader or {}).get('dataset', {}).get('num_samples')
    if samples is not None and loader.get('drop_last') and samples < loader.get('batch_size', 1):
        raise InputError(
            f'an epoch of {samples} samples holds no batch of {loader.batch_size}: '
            'raise train_dataloader.dataset.num_samples or lower train_dataloader.batch_size'
        )

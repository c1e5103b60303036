"""From a config file to a Runner, with weights loaded safely."""

import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

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
    settings.resume = bool(resume) or settings.get('resume', False)
    settings.load_from = resume if isinstance(resume, str) else load_from or settings.get('load_from')
    return Runner.from_cfg(settings)

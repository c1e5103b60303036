"""Train variants of a config, several seeds each, and measure them; several processes share the work."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmgtrack.apis.ablation import Row, find_row_weights
from mmgtrack.apis.models import load_config
from mmgtrack.apis.size_study import measure_source, measured_rows
from mmgtrack.apis.tracker import Tracker
from mmgtrack.countdown import Countdown
from mmgtrack.datasets.study_clips import StudySource
from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.size_study import FrameRows
from mmgtrack.formats.json_file import write_json

LOCK = 'lock'
DONE = 'trained.json'
LOG = 'train.log'
UNVALIDATED = dict.fromkeys(('val_cfg', 'val_dataloader', 'val_evaluator'))
"""Changes of a config: what comes out is measured here."""


@dataclass(frozen=True)
class Plan:
    """What all runs have in common.

    work_dir: with a folder for every run; sources: by name, what is measured; device: None: a GPU where there
    is one; steps: instead of the config's.
    """

    work_dir: Path
    sources: Mapping[str, StudySource]
    device: str | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Run:
    """A training of a config file with a seed."""

    config: Path
    seed: int

    @property
    def name(self) -> str:
        return f'{self.config.stem}_seed{self.seed}'


def run_options(run: Run, steps: int | None) -> dict[str, Any]:
    """What differs from the config: seeds of weights, data and model, and the number of steps."""
    config = load_config(run.config)[1]
    seeds = ['randomness.seed', 'train_dataloader.dataset.seed']
    seeds += [
        f'custom_hooks.{place}.seed'
        for place, hook in enumerate(config.get('custom_hooks', ()))
        if hook['type'] == 'mmgtrack.SeedHook'
    ]
    options = dict.fromkeys(seeds, run.seed)
    if steps is not None:
        samples = steps * config.train_dataloader.batch_size
        options |= {'train_dataloader.dataset.num_samples': samples, 'train_cfg.max_epochs': 1}
    return options


def digest_of(run: Run, plan: Plan) -> str:
    """Of all that the run's config says, wherever the data lie: equal ones train the same."""
    return _digest(run, plan.steps)


@cache
def _digest(run: Run, steps: int | None) -> str:
    config: Config = load_config(run.config)[1]
    config.merge_from_dict(run_options(run, steps))
    text: str = config.pretty_text
    root = config.get('data_root')
    return hashlib.sha256((text.replace(root, '') if root else text).encode()).hexdigest()


def do_run(run: Run, plan: Plan) -> bool:
    """Train and measure, as far as that was not done before; False where another process is doing it.

    Raises an MMGTrackError where it fails.
    """
    folder = plan.work_dir / run.name
    with locked(folder) as lock:
        if lock is None:
            return False
        train(run, plan, lock)
        for kind, source in plan.sources.items():
            _measure(run, plan, kind, source)
    return True


def results(run: Run, plan: Plan, kind: str) -> FrameRows | None:
    """What was measured of a run on one of the sources; None where it has not come so far."""
    folder = plan.work_dir / run.name
    if _trained(folder) != digest_of(run, plan):
        return None
    return measured_rows(folder / f'{kind}.jsonl', plan.sources[kind])


@contextmanager
def locked(folder: Path) -> Iterator[int | None]:
    """The open lock file of a folder, None where another process has locked it.

    The system frees the lock when all that have it open have ended, so that no dead process keeps it; a
    training that gets the file descriptor keeps the lock where only the queue was killed. Raises
    OutputError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f'cannot write {folder}: {error.strerror}; give another --work-dir') from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        yield None
        return
    try:
        yield file
    finally:
        os.close(file)


def train(run: Run, plan: Plan, lock: int) -> None:
    """Train to the end, from where an earlier process left off; nothing where it did so.

    Raises InputError where the folder has a training of another config, DataError where training fails.
    """
    folder, digest = plan.work_dir / run.name, digest_of(run, plan)
    before = _trained(folder)
    if before not in (None, digest):
        raise InputError(
            f'{folder} was trained by another config or number of steps: remove it, or give '
            'another --work-dir'
        )
    if before is not None and find_weights_of(run, plan) is not None:
        return
    words = [
        sys.executable,
        '-m',
        'mmgtrack',
        'train',
        str(run.config),
        '--resume',
        '--work-dir',
        str(folder),
    ]
    words += ['--device', plan.device] if plan.device is not None else []
    options = run_options(run, plan.steps) | UNVALIDATED
    words += ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]
    with (folder / LOG).open('ab') as log:
        status = subprocess.run(words, stdout=log, stderr=log, pass_fds=[lock], check=False).returncode
    if status != 0:
        raise DataError(f'training ended with status {status}: {_last_line(folder / LOG)} ({folder / LOG})')
    write_json(dict(config=digest, seed=run.seed), folder / DONE)


def find_weights_of(run: Run, plan: Plan) -> Path | None:
    """The last checkpoint of a run."""
    folder = plan.work_dir / run.name
    return find_row_weights(Row(run.name, str(run.config), str(folder.absolute())), plan.work_dir)


def _trained(folder: Path) -> str | None:
    """Digest of the config that a folder was trained by; None where it was not, or not to the end."""
    try:
        found = json.loads((folder / DONE).read_text())
        return str(found['config'])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f'{folder / DONE} is damaged: remove {folder}, and it is trained again') from error


def _last_line(path: Path) -> str:
    lines = path.read_text(errors='replace').strip().splitlines()
    return lines[-1][:300] if lines else 'it said nothing'


def _measure(run: Run, plan: Plan, kind: str, source: StudySource) -> None:
    path = plan.work_dir / run.name / f'{kind}.jsonl'
    if measured_rows(path, source) is not None:
        return
    device = plan.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    tracker = Tracker(run.config, find_weights_of(run, plan), device)
    _, problems = measure_source(tracker, source, path, Countdown(f'{kind} of {run.name}'))
    if problems:
        raise DataError(f'{len(problems)} of {len(source.names)} clips were not tracked: {problems[0]}')

"""Train variants of a config, several seeds each, and measure them; several processes share the work."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmgtrack.apis.models import load_config
from mmgtrack.apis.size_study import key_of, measure_source, measured_rows, rows_path
from mmgtrack.apis.tracker import Tracker
from mmgtrack.countdown import Countdown
from mmgtrack.datasets.study_clips import StudySource
from mmgtrack.engine.manifest import device_name, hash_of_code, imported_modules
from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.size_study import FrameRows
from mmgtrack.formats.json_file import write_json

LOCK = 'lock'
MARK = 'training.json'
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

    @property
    def device_found(self) -> str:
        return self.device or ('cuda' if torch.cuda.is_available() else 'cpu')


@dataclass(frozen=True)
class Run:
    """A training of a config file with a seed."""

    config: Path
    seed: int

    @property
    def name(self) -> str:
        return f'{self.config.stem}_seed{self.seed}'


@dataclass(frozen=True)
class Mark:
    """What a folder is trained by, written before the training and again at its end.

    config: digest of all that the config says; code: hash of it; device: its name; model: fingerprint of what
    came out, None before the end.
    """

    config: str
    code: str
    device: str
    model: str | None = None


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
    content = _without_root(config.to_dict(), config.get('data_root'))
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _without_root(value: Any, root: str | None) -> Any:
    """A config's value, its paths below the root of the data as they are from there."""
    if isinstance(value, dict):
        return {str(key): _without_root(part, root) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_root(part, root) for part in value]
    is_below = root and isinstance(value, str) and f'{value}/'.startswith(f'{root.rstrip("/")}/')
    return value[len(root.rstrip('/')) :] if is_below and root else value


def mark_of(run: Run, plan: Plan) -> Mark:
    """What a training of the run would be marked with now, before its end."""
    device = device_name(torch.device(plan.device_found))
    return Mark(digest_of(run, plan), hash_of_code((), _imports(run)), device)


def _imports(run: Run) -> list[str]:
    return imported_modules(load_config(run.config)[1])


def do_run(run: Run, plan: Plan) -> bool:
    """Train and measure, as far as that was not done before; False where another process is doing it.

    What is measured in full is not trained again, whether its weights are still there or not. Raises an
    MMGTrackError where it fails.
    """
    with locked(plan.work_dir / run.name) as lock:
        if lock is None:
            return False
        mark = check_folder(run, plan)
        missing = [kind for kind in plan.sources if _rows(run, plan, kind, mark) is None]
        if mark.model is None or (missing and find_weights_of(run, plan) is None):
            train(run, plan, lock)
        for kind in plan.sources:
            _measure(run, plan, kind)
    return True


def results(run: Run, plan: Plan, kind: str) -> FrameRows | None:
    """What was measured of a run on one of the sources; None where it has not come so far.

    Raises DataError where a file is damaged.
    """
    mark = read_mark(plan.work_dir / run.name)
    if mark is None or replace(mark, model=None) != mark_of(run, plan):
        return None
    return _rows(run, plan, kind, mark)


def seeds_found(config: Path, plan: Plan) -> list[int]:
    """Of all runs of a config that the work folder has, rising."""
    starts = f'{config.stem}_seed'
    names = [each.name for each in plan.work_dir.glob('*') if each.name.startswith(starts)]
    return sorted(int(name.removeprefix(starts)) for name in names if name.removeprefix(starts).isdecimal())


def _rows(run: Run, plan: Plan, kind: str, mark: Mark) -> FrameRows | None:
    if mark.model is None:
        return None
    source = plan.sources[kind]
    key = key_of(mark.model, source, mark.code, mark.device)
    return measured_rows(rows_path(plan.work_dir / run.name, kind, source), source, key)


@contextmanager
def locked(folder: Path, option: str = '--work-dir') -> Iterator[int | None]:
    """The open lock file of a folder, None where another process has locked it.

    The system frees the lock when all that have it open have ended, so that no dead process keeps it; a
    training that gets the file descriptor keeps the lock where only the queue was killed. option: where the
    folder comes from. Raises OutputError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f'cannot write {folder}: {error.strerror}; give another {option}') from error
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


def check_folder(run: Run, plan: Plan) -> Mark:
    """The mark of the run's folder, the one of now where nothing of a training is there.

    Raises InputError where it has a training by another config, code or device: one that goes on there would
    be of neither; DataError where the mark is damaged.
    """
    folder, now = plan.work_dir / run.name, mark_of(run, plan)
    found = read_mark(folder)
    if (found is None or found.model is None) and find_weights_of(run, plan) is None:
        return now
    if found is None:
        raise InputError(f'{folder} has a training without {MARK}: remove it, or give another --work-dir')
    names = dict(config='config or number of steps', code='version of the code', device='device')
    other = [f'another {name}' for part, name in names.items() if getattr(found, part) != getattr(now, part)]
    if other:
        raise InputError(f'{folder} was trained by {", ".join(other)}: remove it, or give another --work-dir')
    return found


def train(run: Run, plan: Plan, lock: int) -> None:
    """Train to the end and mark the folder with what came out.

    A training that was cut off goes on from its last checkpoint; from its start, where it had none.
    ``check_folder`` first. Raises DataError where training fails.
    """
    folder, mark = plan.work_dir / run.name, mark_of(run, plan)
    write_json(asdict(mark), folder / MARK)
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
    write_json(asdict(replace(mark, model=_tracker(run, plan).model.fingerprint)), folder / MARK)


def find_weights_of(run: Run, plan: Plan) -> Path | None:
    """The last checkpoint of a run."""
    folder = plan.work_dir / run.name
    try:
        # MMEngine's note of it; only the name counts, so that the folder can be moved
        path = folder / Path((folder / 'last_checkpoint').read_text().strip()).name
    except FileNotFoundError:
        return None
    return path if path.is_file() else None


def read_mark(folder: Path) -> Mark | None:
    """None where a folder has none. Raises DataError for a damaged one."""
    try:
        return Mark(**json.loads((folder / MARK).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f'{folder / MARK} is damaged: remove {folder}, and it is trained again') from error


def _tracker(run: Run, plan: Plan) -> Tracker:
    weights = find_weights_of(run, plan)
    if weights is None:
        raise DataError(f'the training of {run.name} ended without a checkpoint')
    return Tracker(run.config, weights, plan.device_found)


def _last_line(path: Path) -> str:
    lines = path.read_text(errors='replace').strip().splitlines()
    return lines[-1][:300] if lines else 'it said nothing'


def _measure(run: Run, plan: Plan, kind: str) -> None:
    if results(run, plan, kind) is not None:
        return
    source = plan.sources[kind]
    path = rows_path(plan.work_dir / run.name, kind, source)
    report = Countdown(f'{kind} of {run.name}')
    _, problems = measure_source(_tracker(run, plan), source, path, report, imports=_imports(run))
    if problems:
        raise DataError(f'{len(problems)} of {len(source.names)} clips were not tracked: {problems[0]}')

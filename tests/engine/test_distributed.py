"""Several processes: the same run as one process, started and stopped by tools/dist_train.sh."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.engine.distributed import end_with_parent
from mmgtrack.engine.launch import build_runner
from tests.configs.conftest import write_official
from tests.configs.test_configs import SMALL_R50
from tests.engine.test_training import clips, options  # noqa: F401  (clips is a fixture)
from tests.models.test_global_track import pair
from tests.trackers import CONFIGS, small_global_track

SCRIPT = CONFIGS.parent / 'tools/dist_train.sh'
LIGHT = CONFIGS / 'globaltrack_mobilenetv2_lite.py'
ROLES = ('query', 'search')
linux = pytest.mark.skipif(sys.platform != 'linux', reason='looks into /proc')

# writes the weights of its own process, of which mmengine saves those of the first alone
RANK_WEIGHTS = """
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class RankWeights(Hook):
    def after_train(self, runner):
        torch.save(runner.model.module.state_dict(), f'{runner.work_dir}/rank{get_rank()}.pth')
"""


def comparable(clips: Path) -> dict[str, Any]:  # noqa: F811
    """Options of a run without draws in the model: focal loss on all anchors, and all RoIs sampled."""
    schedule = Config.fromfile(CONFIGS / '_base_/schedules/globaltrack_12e.py')
    return {
        **options(clips),
        'model.train_cfg.rcnn.sampler.num': 1000,
        'train_dataloader.dataset.num_samples': 6,
        # some pairs without the target in the search image, which have no box loss
        'train_dataloader.dataset.sampler.negative_prob': 0.5,
        'train_cfg.max_epochs': 1,
        'optim_wrapper': dict(_delete_=True, **schedule.globaltrack_optim_wrapper),
        'param_scheduler': [],
        'custom_hooks': [dict(type='mmgtrack.SeedHook')],
    }


def write_config(folder: Path, changes: dict[str, Any]) -> Path:
    config = Config.fromfile(LIGHT)
    config.merge_from_dict(changes)
    config.auto_scale_lr = dict(enable=False, base_batch_size=4)
    config.dump(folder / 'small.py')
    return folder / 'small.py'


def launch(*words: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ['bash', str(SCRIPT), *map(str, words)],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def scalars(work_dir: Path) -> list[dict[str, float]]:
    """Rows of the log: an iteration each, then the validation."""
    (file,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope='module')
def two_processes(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """Work folder of three steps in two processes with one pair each."""
    folder = tmp_path_factory.mktemp('two')
    (folder / 'rank_weights.py').write_text(RANK_WEIGHTS)
    changes = comparable(clips)
    changes |= {
        'train_dataloader.batch_size': 1,
        'custom_hooks': [*changes['custom_hooks'], dict(type='RankWeights')],
        'custom_imports.imports': ['mmgtrack', 'rank_weights'],
    }
    config = write_config(folder, changes)
    words = [config, 2, '--device', 'cpu', '--work-dir', folder / 'work', '--auto-scale-lr']
    run = launch(*words, PYTHONPATH=f'{folder}:{os.environ.get("PYTHONPATH", "")}')
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert 'no CUDA GPU is used: 2 processes on the processor' in said
    return folder / 'work'


@pytest.fixture(scope='module')
def one_process(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The same pairs in batches of two."""
    folder = tmp_path_factory.mktemp('one')
    config = write_config(folder, {**comparable(clips), 'train_dataloader.batch_size': 2})
    build_runner(config, work_dir=str(folder / 'work'), auto_scale_lr=True).train()
    return folder / 'work'


def test_both_processes_end_with_the_same_weights(two_processes: Path) -> None:
    first, second = (torch.load(two_processes / f'rank{rank}.pth') for rank in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_checkpoint_is_written_once(two_processes: Path) -> None:
    files = {path.name for path in two_processes.iterdir() if path.is_file()}
    assert files == {'epoch_1.pth', 'last_checkpoint', 'rank0.pth', 'rank1.pth', 'small.py'}
    saved = load_checkpoint_file(two_processes / 'epoch_1.pth')['state_dict']
    trained = torch.load(two_processes / 'rank0.pth')
    assert saved.keys() == trained.keys()
    assert all(torch.equal(saved[key], trained[key]) for key in saved)


def test_two_processes_learn_what_one_does(two_processes: Path, one_process: Path) -> None:
    several, one = (
        load_checkpoint_file(w / 'epoch_1.pth')['state_dict'] for w in (two_processes, one_process)
    )
    for key, weight in one.items():
        torch.testing.assert_close(several[key], weight, rtol=1e-4, atol=1e-6, msg=key)
    steps, same = scalars(two_processes)[:3], scalars(one_process)[:3]
    for key in ('grad_norm', 'lr'):
        assert [step[key] for step in steps] == pytest.approx([step[key] for step in same], rel=1e-4)
    # the pairs differ, so the steps do
    assert len({step['grad_norm'] for step in steps}) == 3


def test_two_processes_validate_as_one_does(two_processes: Path, one_process: Path) -> None:
    several, one = scalars(two_processes)[-1], scalars(one_process)[-1]
    keys = {key for key in one if key.startswith('success/')}
    assert len(keys) == 4
    assert {key: several[key] for key in keys} == pytest.approx({key: one[key] for key in keys}, abs=0.02)


def test_the_learning_rate_fits_the_number_of_processes(two_processes: Path) -> None:
    """Official rule: 0.01 times GPUs / 8."""
    assert [step['lr'] for step in scalars(two_processes)[:3]] == pytest.approx([0.01 * 2 / 8] * 3)


def test_the_papers_config_trains_in_two_processes(tmp_path: Path) -> None:
    """Two steps of the file itself on data in the official layouts, at an eighth of the width."""
    write_official(tmp_path)
    pipelines = 'train_dataloader.dataset.pipelines'
    changes = {
        **SMALL_R50,
        **{f'{pipelines}.{r}.3.transforms.{n}.0.scale': (96, 64) for r in ROLES for n in range(5)},
        'model.backbone.init_cfg': None,
        'load_from': None,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.num_samples': 4,
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
    }
    words = [CONFIGS / 'globaltrack_r50.py', 2, '--device', 'cpu', '--work-dir', tmp_path / 'work']
    options = ['--cfg-options', *(f'{key}={value}' for key, value in changes.items())]
    run = launch(*words, '--auto-scale-lr', *options, MMGTRACK_DATA=str(tmp_path))
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    steps = scalars(tmp_path / 'work')
    assert [step['step'] for step in steps] == [1, 2]
    assert all(math.isfinite(step['loss']) and step['grad_norm'] > 0 for step in steps)
    # half the batch of the authors: half of their 0.005, of which the first third
    assert steps[0]['lr'] == pytest.approx(0.005 / 2 / 3)
    saved = load_checkpoint_file(tmp_path / 'work/epoch_1.pth')
    assert saved['meta']['iter'] == 2 and len(saved['state_dict']) == 374


def running(mark: str) -> list[int]:
    """Processes whose command line holds the mark."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if mark in (folder / 'cmdline').read_text():
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended
    return found


def wait_until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


@linux
def test_interrupting_it_leaves_no_process(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    changes = {**comparable(clips), 'train_cfg.max_epochs': 10_000, 'train_dataloader.num_workers': 1}
    changes['train_cfg.val_interval'] = 10_000
    config = write_config(tmp_path, changes)
    run = launch(config, 2, '--device=cpu', '--work-dir', tmp_path / 'work')
    try:
        assert wait_until((tmp_path / 'work/epoch_1.pth').is_file, 200)
        # torchrun, two processes, and a loader each
        assert wait_until(lambda: len(running(str(config))) == 5, 30)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=300)
        assert run.returncode == 128 + signal.SIGINT
        assert wait_until(lambda: not running(str(config)), 15)
    finally:
        for process in running(str(config)):
            os.kill(process, signal.SIGKILL)


@linux
def test_a_process_ends_with_its_parent() -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        child = os.fork()
        if child == 0:
            end_with_parent()
            os.write(writer, str(os.getpid()).encode())
        time.sleep(60)
        os._exit(0)
    child = int(os.read(reader, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    state = Path(f'/proc/{child}/stat')
    # where nobody collects orphans, it stays as a zombie
    assert wait_until(lambda: not state.exists() or state.read_text().split()[2] == 'Z', 5)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Any]:
    """An interpreter that answers as on a machine with so many GPUs and cores, and shows what it starts."""

    def make(gpus: int, cores: int = 8) -> dict[str, str]:
        answers = tmp_path / 'python'
        answers.write_text(
            f"""#!/bin/bash
case "$2" in
    *device_count*) echo {gpus} ;;
    *sched_getaffinity*) echo {cores} ;;
    *socket*) echo 40123 ;;
    *) echo "threads=$OMP_NUM_THREADS visible=$CUDA_VISIBLE_DEVICES $*" ;;
esac
"""
        )
        answers.chmod(0o755)
        return {
            'PYTHON': str(answers),
            'OMP_NUM_THREADS': '',
            'MKL_NUM_THREADS': '',
            'CUDA_VISIBLE_DEVICES': '',
        }

    return make


@pytest.mark.parametrize(
    'gpus, words, environment, expected',
    [
        (4, '4', {}, ['threads=1 visible= ', '--nproc-per-node=4', '--master-port=40123', '--nnodes=1']),
        (4, '2 --device cpu', {}, ['on the processor', 'threads=4 visible=-1']),
        (0, '3 --resume --device=cpu', {}, ['threads=2', 'small.py --launcher pytorch --resume']),
        (0, '16 --device cpu', {}, ['threads=1 ']),
        (0, '2 --device cpu', {'OMP_NUM_THREADS': '7'}, ['threads=7 ']),
        (8, '8', {'PORT': '123'}, ['--master-port=123', '--master-addr=127.0.0.1', '--node-rank=0']),
        (
            8,
            '8 --cfg-options a=1 b=2',
            {'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': 'first'},
            ['--nnodes=2', '--node-rank=1', '--master-addr=first', '--master-port=29500', ' a=1 b=2'],
        ),
    ],
)
def test_what_the_script_starts(
    machine: Any, tmp_path: Path, gpus: int, words: str, environment: dict[str, str], expected: list[str]
) -> None:
    (tmp_path / 'small.py').touch()
    run = launch(tmp_path / 'small.py', *words.split(), **{**machine(gpus), **environment})
    said, _ = run.communicate()
    assert run.returncode == 0
    assert [part for part in expected if part not in said] == []


@pytest.mark.parametrize(
    'gpus, words, message',
    [
        (
            2,
            'small.py 4',
            'error: 4 processes need as many CUDA GPUs, but torch can use 2 here',
        ),
        (
            0,
            'small.py 1 --device cuda',
            'error: 1 processes need as many CUDA GPUs, but torch can use 0',
        ),
        (
            0,
            'small.py 2',
            'error: 2 processes need as many CUDA GPUs, but torch can use 0',
        ),
        (2, 'small.py', 'error: expected CONFIG NUM_PROCESSES'),
        (2, 'none.py 2', 'error: no config file none.py'),
        (2, 'small.py two', "error: NUM_PROCESSES must be a whole number from 1, got 'two'"),
        (2, 'small.py 0', "error: NUM_PROCESSES must be a whole number from 1, got '0'"),
        (2, 'small.py 1 --device tpu', "error: --device must be cpu or cuda, got 'tpu'"),
        (2, 'small.py 1 --device', 'error: --device must be cpu or cuda'),
    ],
)
def test_what_the_script_refuses(
    machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, words: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'small.py').touch()
    run = launch(*words.split(), **machine(gpus))
    said, _ = run.communicate()
    assert (run.returncode, said.count('\n')) == (2, 1)
    assert said.startswith(message)


@pytest.mark.parametrize(
    'environment, message',
    [
        ({'NNODES': 'two'}, "NNODES must be a whole number from 1, got 'two'"),
        ({'NNODES': '0'}, "NNODES must be a whole number from 1, got '0'"),
        ({'NNODES': '2', 'NODE_RANK': '-1'}, "NODE_RANK must be a whole number from 0, got '-1'"),
        (
            {'NNODES': '2', 'NODE_RANK': '2', 'MASTER_ADDR': 'first'},
            'NODE_RANK must be below NNODES=2, got 2',
        ),
        ({'NODE_RANK': '1'}, 'NODE_RANK must be below NNODES=1, got 1'),
        ({'NNODES': '2', 'NODE_RANK': '1'}, 'NNODES=2 needs MASTER_ADDR, the address of the first machine'),
    ],
)
def test_which_machines_it_refuses(
    machine: Any, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    (tmp_path / 'small.py').touch()
    run = launch(tmp_path / 'small.py', 2, **machine(2), **environment)
    said, _ = run.communicate()
    assert (run.returncode, said.count('\n')) == (2, 1)
    assert said.startswith(f'error: {message}')


def test_help() -> None:
    run = launch('--help')
    said, _ = run.communicate()
    assert run.returncode == 0 and 'tools/dist_train.sh CONFIG NUM_PROCESSES' in said


def test_a_pair_without_its_target_reaches_every_parameter() -> None:
    """Otherwise the other processes would wait for its gradients."""
    tracker = small_global_track().train()
    images, sample = pair(6, num_targets=2, absent=(0, 1))
    inputs = {role: [image] for role, image in images.items()}
    data = tracker.data_preprocessor({'inputs': inputs, 'data_samples': [sample]}, True)
    total, _ = tracker.parse_losses(tracker(**data, mode='loss'))
    total.backward()
    assert [n for n, p in tracker.named_parameters() if p.requires_grad and p.grad is None] == []

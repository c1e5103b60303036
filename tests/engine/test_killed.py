"""A run that is killed and resumed ends with the weights of the unbroken run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from mmgtrack.checkpoint import load_checkpoint_file
from tests.configs.conftest import data  # noqa: F401  (a fixture)
from tests.configs.test_stark_configs import short_run
from tests.configs.test_stark_configs import small_options as small_stark_options
from tests.engine.test_distributed import SCRIPT, linux, running
from tests.engine.test_many_processes import R50
from tests.trackers import CONFIGS

# ends all processes of the run at the iteration that KILL_AT names, as `kill -9` does; at '<iteration>w'
# while the checkpoint of that iteration is being written
KILLER = """
import os, signal
import yapf.yapflib.yapf_api
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

at = os.environ.get('KILL_AT', '')
iteration, in_writing = int(at.rstrip('w') or -1), at.endswith('w')

@HOOKS.register_module()
class Killer(Hook):
    priority = 'VERY_HIGH'
    done = 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        Killer.done = runner.iter + 1
        if Killer.done == iteration and not in_writing:
            os.kill(os.getpid(), signal.SIGKILL)

write = LocalBackend.put

def put(self, obj, filepath):
    if in_writing and Killer.done == iteration and '.pth' in str(filepath):
        write(self, obj[:len(obj) // 2], filepath)
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, obj, filepath)

LocalBackend.put = put
# laying out a config for the logs takes seconds
yapf.yapflib.yapf_api.FormatCode = lambda text, **_: (text, True)
"""
RUNS: dict[str, dict[str, Any]] = {
    # EMA, clipping, a warm-up by iterations; checkpoints between batches whose gradients are accumulated
    'globaltrack_r50.py': {
        **R50,
        'optim_wrapper.accumulative_counts': 3,
        'custom_hooks': [
            dict(type='mmgtrack.SeedHook', seed=0),
            dict(type='EMAHook', momentum=0.1),
            dict(type='Killer'),
        ],
    },
    'stark_st50_stage1.py': {
        'param_scheduler': [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=9)],
        'custom_hooks': [dict(type='mmgtrack.SeedHook', seed=0), dict(type='Killer')],
    },
}


def write_run(name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """The config made small: three epochs of four batches of two in all, a checkpoint every two batches."""
    small = {} if name == 'globaltrack_r50.py' else small_stark_options(name) | short_run(name)
    config = Config.fromfile(CONFIGS / name)
    config.merge_from_dict(
        {
            **small,
            **RUNS[name],
            'load_from': None,
            'custom_imports.imports': ['mmgtrack', 'killer'],
            'train_dataloader.batch_size': 1,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.num_samples': 8,
            'train_cfg.max_epochs': 3,
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint': dict(
                type='CheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=2
            ),
            **changes,
        }
    )
    (folder / 'killer.py').write_text(KILLER)
    config.dump(folder / name)
    return folder / name


def train(config: Path, work_dir: Path, *words: object, processes: int = 2, kill_at: str = '') -> str:
    """What a run says that ends by itself, or is killed at an iteration."""
    run = subprocess.run(
        ['bash', SCRIPT, config, str(processes), '--device', 'cpu', '--work-dir', work_dir, *map(str, words)],
        env={
            **os.environ,
            'OMP_NUM_THREADS': '1',
            'PYTHON': sys.executable,
            'PYTHONPATH': f'{config.parent}:{os.environ.get("PYTHONPATH", "")}',
            'KILL_AT': kill_at,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert (run.returncode != 0) == bool(kill_at), run.stdout
    return run.stdout


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = (load_checkpoint_file(path) for path in (one, other))
    for part in {'state_dict', 'ema_state_dict'} & first.keys():
        for key, weight in first[part].items():
            torch.testing.assert_close(second[part][key], weight, rtol=0, atol=1e-6, msg=f'{part} {key}')


@linux
@pytest.mark.parametrize('name', RUNS)
def test_killed_and_resumed_is_unbroken(name: str, data: Path, tmp_path: Path) -> None:  # noqa: F811
    """Killed between checkpoints, in the middle of an epoch, then while a checkpoint is written."""
    config = write_run(name, tmp_path, {})
    train(config, tmp_path / 'whole')
    train(config, tmp_path / 'broken', kill_at='7')
    assert running(str(config)) == []
    said = train(config, tmp_path / 'broken', '--resume', kill_at='10w')
    assert 'resumed epoch: 1, iter: 6' in said
    assert (tmp_path / 'broken/iter_10.pth.part').is_file()
    said = train(config, tmp_path / 'broken', '--resume')
    assert 'resumed epoch: 1, iter: 8' in said
    names = {path.name for path in (tmp_path / 'broken').iterdir() if '.pth' in path.name}
    assert names == {'iter_10.pth', 'iter_12.pth'}
    assert_same_weights(tmp_path / 'whole/iter_12.pth', tmp_path / 'broken/iter_12.pth')

"""tools/slurm_train.sh, with a stand-in for srun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmgtrack.checkpoint import load_checkpoint_file
from tests.engine.test_distributed import comparable, scalars, write_config
from tests.engine.test_training import clips  # noqa: F401  (a fixture)
from tests.trackers import CONFIGS

SCRIPT = CONFIGS.parent / 'tools/slurm_train.sh'
SHOW = '#!/bin/bash\necho "$@"\n'
# starts as many processes as it is asked for, with what SLURM tells each of them
START = """#!/bin/bash
while [[ $1 == --* ]]; do
    [[ $1 == --ntasks=* ]] && export SLURM_NTASKS=${1#*=}
    shift
done
pids=()
for ((n = 0; n < SLURM_NTASKS; n++)); do
    SLURM_PROCID=$n SLURM_LOCALID=$n "$@" &
    pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
exit $status
"""


def slurm(folder: Path, *words: object, srun: str = SHOW, **environment: str) -> subprocess.CompletedProcess:
    (folder / 'bin').mkdir(exist_ok=True)
    if srun:
        (folder / 'bin/srun').write_text(srun)
        (folder / 'bin/srun').chmod(0o755)
    path = f'{folder / "bin"}:{os.environ["PATH"]}'
    return subprocess.run(
        ['bash', SCRIPT, *map(str, words)],
        env={**os.environ, 'PATH': path, 'PYTHON': sys.executable, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    'words, environment, expected, absent',
    [
        (
            '',
            {},
            [
                '--partition=part --job-name=job --gres=gpu:8 --ntasks=8 --ntasks-per-node=8',
                '-task=5 ',
            ],
            ' --resume',
        ),
        ('--resume --amp', {'GPUS': '4'}, ['gpu:4 --ntasks=4', '--launcher slurm --resume --amp'], ' cpu'),
        ('', {'GPUS': '16', 'CPUS_PER_TASK': '6'}, ['gpu:8 --ntasks=16', '--cpus-per-task=6'], ' cpu'),
        ('', {'SRUN_ARGS': '--time=2-0 --mem=9G'}, [' --time=2-0 --mem=9G '], ' cpu'),
        ('--device cpu', {'GPUS': '2'}, ['--ntasks=2', '--launcher slurm --device cpu'], '--gres'),
        ('--device=cpu', {'GPUS': '2'}, ['--ntasks=2'], '--gres'),
    ],
)
def test_what_it_asks_for(
    tmp_path: Path, words: str, environment: dict[str, str], expected: list[str], absent: str
) -> None:
    (tmp_path / 'c.py').touch()
    run = slurm(tmp_path, 'part', 'job', tmp_path / 'c.py', 'work', *words.split(), **environment)
    assert run.returncode == 0, run.stdout
    assert [part for part in expected if part not in run.stdout] == []
    assert f'train.py {tmp_path}/c.py --work-dir work --launcher slurm' in run.stdout
    assert absent not in run.stdout


@pytest.mark.parametrize(
    'words, environment, message',
    [
        ('part job c.py', {}, 'error: expected PARTITION JOB_NAME CONFIG WORK_DIR'),
        ('part job none.py work', {}, 'error: no config file none.py'),
        ('part job c.py work', {'GPUS': 'x'}, "error: GPUS must be a whole number from 1, got 'x'"),
        (
            'part job c.py work',
            {'GPUS': '9', 'GPUS_PER_NODE': '8'},
            'error: GPUS=9 is not a multiple of GPUS_PER_NODE=8',
        ),
    ],
)
def test_what_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, environment: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'c.py').touch()
    run = slurm(tmp_path, *words.split(), **environment)
    assert (run.returncode, run.stdout.count('\n')) == (2, 1)
    assert run.stdout.startswith(message)


def test_two_tasks_on_processors_train(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    changes = {**comparable(clips), 'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None}
    config = write_config(tmp_path, {**changes, 'train_dataloader.batch_size': 1})
    environment = {'GPUS': '2', 'MASTER_PORT': '29613', 'OMP_NUM_THREADS': '1'}
    words = ['part', 'job', config, tmp_path / 'work', '--device', 'cpu']
    run = slurm(tmp_path, *words, srun=START, **environment)
    assert run.returncode == 0, run.stdout
    assert len(scalars(tmp_path / 'work')) == 3  # six samples shared by two
    assert load_checkpoint_file(tmp_path / 'work/epoch_1.pth')['meta']['batch_size'] == 2

"""tools/dist_test.sh and tools/slurm_test.sh: what they start, and what they refuse."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(script: str, *words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """With a stand-in for srun that shows what it is asked for."""
    (cwd / 'bin').mkdir()
    (cwd / 'bin/srun').write_text('#!/bin/bash\necho "$@"\n')
    (cwd / 'bin/srun').chmod(0o755)
    for name in ('c.py', 'c.pth'):
        (cwd / name).touch()
    return subprocess.run(
        ['bash', str(ROOT / 'tools' / script), *words],
        cwd=cwd,
        env={
            **os.environ,
            'PATH': f'{cwd / "bin"}:{os.environ["PATH"]}',
            'PYTHON': sys.executable,
            'CUDA_VISIBLE_DEVICES': '-1',
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    'script, words, message',
    [
        ('dist_test.sh', 'c.py c.pth', 'error: expected CONFIG CHECKPOINT NUM_PROCESSES; tools/dist_test.sh'),
        ('dist_test.sh', 'no.py c.pth 2', 'error: no config file no.py'),
        ('dist_test.sh', 'c.py no.pth 2', 'error: no checkpoint file no.pth'),
        ('dist_test.sh', 'c.py c.pth two', "error: NUM_PROCESSES must be a whole number from 1, got 'two'"),
        ('dist_test.sh', 'c.py c.pth 2', 'error: 2 processes need as many CUDA GPUs, but torch can use 0'),
        ('dist_test.sh', 'c.py none 2', 'error: 2 processes need as many CUDA GPUs'),
        ('dist_test.sh', 'named mmgtrack::light.pth 2', 'error: 2 processes need as many CUDA GPUs'),
        ('slurm_test.sh', 'part job c.py', 'error: expected PARTITION JOB_NAME CONFIG CHECKPOINT'),
        ('slurm_test.sh', 'part job c.py no.pth', 'error: no checkpoint file no.pth'),
    ],
)
def test_what_is_refused(script: str, words: str, message: str, tmp_path: Path) -> None:
    done = run(script, *words.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout.count('\n')) == (2, 1)
    assert done.stdout.startswith(message)


@pytest.mark.parametrize('script', ['dist_test.sh', 'slurm_test.sh'])
def test_help(script: str, tmp_path: Path) -> None:
    done = run(script, '--help', cwd=tmp_path)
    assert done.returncode == 0 and f'tools/{script} ' in done.stdout and 'Environment:' in done.stdout


def test_a_job_of_slurm(tmp_path: Path) -> None:
    words = ['part', 'job', 'c.py', 'c.pth', '--data', 'lasot']
    done = run('slurm_test.sh', *words, cwd=tmp_path, GPUS='4', SRUN_ARGS='--time=2-0')
    assert done.returncode == 0
    asked = '--partition=part --job-name=job --gres=gpu:4 --ntasks=4 --ntasks-per-node=4'
    assert done.stdout.startswith(asked) and ' --time=2-0 ' in done.stdout
    assert done.stdout.rstrip().endswith('tools/test.py c.py c.pth --launcher slurm --data lasot')

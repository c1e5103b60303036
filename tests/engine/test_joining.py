"""What a process learns from its launcher, and what several processes compute together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmgtrack.engine.distributed import mean_over_processes, prepare_processes, read_ranks
from mmgtrack.engine.processes import joined_processes
from mmgtrack.errors import InputError

TORCHRUN = {
    'RANK': '1',
    'WORLD_SIZE': '2',
    'LOCAL_RANK': '1',
    'MASTER_ADDR': '127.0.0.1',
    'MASTER_PORT': '29500',
}
SLURM = {'SLURM_PROCID': '5', 'SLURM_NTASKS': '8', 'SLURM_LOCALID': '1'}
MPI = {
    'OMPI_COMM_WORLD_RANK': '5',
    'OMPI_COMM_WORLD_SIZE': '8',
    'OMPI_COMM_WORLD_LOCAL_RANK': '1',
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Of a machine without SLURM; restored with all that is set in between."""
    for name in [*os.environ]:
        if name in TORCHRUN or name.startswith(('SLURM_', 'OMPI_')):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, 'environ', os.environ.copy())
    monkeypatch.setenv('PATH', str(tmp_path))
    return monkeypatch


def give(environment: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        environment.setenv(name, value)


@pytest.mark.parametrize(
    'launcher, given, port',
    [
        ('slurm', SLURM, '29500'),
        ('slurm', {**SLURM, 'SLURM_JOB_ID': '1234567', 'SLURM_NODELIST': 'node7'}, '24567'),
        ('slurm', {**SLURM, 'SLURM_JOB_ID': '1234567', 'MASTER_PORT': '31000'}, '31000'),
        ('mpi', MPI, '29500'),
    ],
)
def test_ranks(environment: pytest.MonkeyPatch, launcher: str, given: dict[str, str], port: str) -> None:
    give(environment, given)
    read_ranks(launcher)
    learnt = {**TORCHRUN, 'RANK': '5', 'WORLD_SIZE': '8', 'MASTER_PORT': port}
    assert {name: os.environ[name] for name in TORCHRUN} == learnt


@pytest.mark.parametrize(
    'launcher, given, message',
    [
        ('pytorch', {}, 'lacks RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT; tools/dist_train.sh'),
        ('pytorch', {**TORCHRUN, 'RANK': ''}, 'lacks RANK; tools'),
        ('slurm', {}, 'lacks SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID; tools'),
        ('mpi', {**MPI, 'OMPI_COMM_WORLD_SIZE': ''}, 'lacks OMPI_COMM_WORLD_SIZE; tools'),
        ('torchrun', TORCHRUN, "expected a launcher among pytorch, slurm, mpi, got 'torchrun'"),
        ('slurm', {**SLURM, 'SLURM_NODELIST': 'node[3-4]'}, r'the machines node\[3-4\]: .* as MASTER_ADDR'),
    ],
)
def test_a_process_that_was_not_started_so_says_it(
    environment: pytest.MonkeyPatch, launcher: str, given: dict[str, str], message: str
) -> None:
    give(environment, {name: value for name, value in given.items() if value})
    with pytest.raises(InputError, match=message), joined_processes(launcher):
        pass
    with pytest.raises(InputError, match=message):
        prepare_processes(Config(dict(launcher=launcher)))


def test_slurm_says_the_first_machine(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    give(environment, {**SLURM, 'SLURM_NODELIST': 'node[3-4]'})
    (tmp_path / 'scontrol').write_text('#!/bin/sh\necho node3\necho node4\n')
    (tmp_path / 'scontrol').chmod(0o755)
    read_ranks('slurm')
    assert os.environ['MASTER_ADDR'] == 'node3'


def test_a_job_that_slurm_does_not_know_is_said(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    give(environment, {**SLURM, 'SLURM_NODELIST': 'node[3-4]'})
    (tmp_path / 'scontrol').write_text('#!/bin/sh\nexit 1\n')
    (tmp_path / 'scontrol').chmod(0o755)
    with pytest.raises(InputError, match='give its address as MASTER_ADDR'):
        read_ranks('slurm')


# two processes that meet at a file; each checks itself
TOGETHER = """
import sys
from datetime import timedelta

import torch
from torch import nn, tensor

from mmgtrack.engine.distributed import mean_over_processes
from mmgtrack.engine.sync_batch_norm import synchronise_on_processor
from mmgtrack.errors import InputError

rank = int(sys.argv[1])
torch.distributed.init_process_group(
    'gloo', init_method=f'file://{sys.argv[2]}', rank=rank, world_size=2, timeout=timedelta(seconds=60)
)

# batch norms in mixed precision, of three images and of one
mine = (slice(3), slice(3, 4))[rank]
images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
torch.manual_seed(1)
alone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
several = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4))
several.load_state_dict(alone.state_dict())
synchronise_on_processor(several)
with torch.autocast('cpu', torch.bfloat16):
    expected = alone(images)[mine]
    found = several(images[mine])
assert found.dtype == torch.bfloat16, found.dtype
torch.testing.assert_close(found, expected, rtol=0, atol=0.02)
found.float().square().sum().backward()
assert several[0].weight.grad.isfinite().all()
for name in ('running_mean', 'running_var'):
    torch.testing.assert_close(getattr(several[1], name), getattr(alone[1], name), rtol=1e-3, atol=1e-4)

# means, of more than fit into one block, too
for count in (1, 2, 63, 64, 100):
    values = {f'loss_{n}': tensor(n + 10.0 * rank) for n in range(count)}
    means = mean_over_processes(values)
    assert list(means) == list(values) and means['loss_0'].dtype == torch.float32
    assert [mean.item() for mean in means.values()] == [n + 5 for n in range(count)]

# other names, another order, another number; only who looks is stopped
one = tensor(1.0)
for mine in (
    {'a': one, 'bc'[rank]: one},
    dict.fromkeys(('ab', 'ba')[rank], one),
    dict.fromkeys('abc'[rank:], one),
):
    try:
        mean_over_processes(mine, check_names=rank == 1)
    except InputError as error:
        said = str(error)
        assert rank == 1 and said.endswith(f'this one does: {", ".join(mine)}') and chr(10) not in said, said
    else:
        assert rank == 0
assert mean_over_processes({'a': one + rank})['a'] == 1.5
torch.distributed.destroy_process_group()
"""


def test_what_two_processes_compute_together(tmp_path: Path) -> None:
    (tmp_path / 'together.py').write_text(TOGETHER)
    words = [sys.executable, tmp_path / 'together.py']
    runs = [
        subprocess.Popen(
            [*words, str(rank), tmp_path / 'meet'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for rank in range(2)
    ]
    said = [run.communicate(timeout=300)[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said


def test_one_process_has_its_own_means() -> None:
    values = {'loss': torch.tensor(0.1), 'accuracy': torch.tensor(90)}
    assert mean_over_processes(values) == {'loss': torch.tensor(0.1), 'accuracy': torch.tensor(90.0)}

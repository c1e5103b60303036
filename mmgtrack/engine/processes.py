"""Joining the processes of a test: they only exchange a few words, and wait for the slowest."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size

from mmgtrack.engine.distributed import end_with_parent
from mmgtrack.errors import InputError, MMGTrackError

T = TypeVar('T')

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
_PATIENCE = timedelta(days=30)  # ours: one process may have a long video left when the others are done
_PORT = '29500'  # torch.distributed's own

# who tells a process its number, the number of processes, and its number on this machine
_TOLD_BY = {
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}


@contextmanager
def joined_processes(launcher: str) -> Iterator[int]:
    """Join those that a launcher has started, by gloo on any device; the number of this one on its machine.

    Raises InputError where this process was not started by that launcher.
    """
    if launcher == 'none':
        yield 0
        return
    _translate(launcher)
    lacking = [name for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR') if name not in os.environ]
    if lacking:
        raise InputError(
            f'--launcher {launcher}: this process was not started by it, {", ".join(lacking)} not set'
        )
    os.environ.setdefault('MASTER_PORT', _PORT)
    end_with_parent()
    torch.distributed.init_process_group('gloo', timeout=_PATIENCE)
    yield int(os.environ['LOCAL_RANK'])
    barrier()  # an error ends the process instead
    torch.distributed.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, for all of them; its error ends them all, and only it says so."""
    if get_world_size() == 1:
        return make()
    box: list[Any] = [None, False]
    if get_rank() == 0:
        try:
            box = [make(), True]
        except MMGTrackError:
            broadcast_object_list(box)
            raise
    broadcast_object_list(box)
    if not box[1]:
        raise SystemExit(2)
    made: T = box[0]
    return made


def _translate(launcher: str) -> None:
    """Say what the launcher says in torchrun's words."""
    for own, told in zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), _TOLD_BY.get(launcher, ()), strict=False):
        if told in os.environ:
            os.environ[own] = os.environ[told]
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ and 'SLURM_NODELIST' in os.environ:
        os.environ['MASTER_ADDR'] = _first_host(os.environ['SLURM_NODELIST'])


def _first_host(nodes: str) -> str:
    """Of a list such as ``node[3-5]``, which only SLURM's own program can spell out."""
    try:
        names = subprocess.run(
            ['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f'cannot ask scontrol for the first host of {nodes}: set MASTER_ADDR') from error
    return names.stdout.split()[0]

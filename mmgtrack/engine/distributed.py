"""Several training processes: what mmengine lacks for processors, and for backbones that freeze late."""

import ctypes
import os
import signal
import subprocess
import sys
import warnings
import zlib
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import all_reduce, init_dist, is_distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmgtrack.engine.sync_batch_norm import synchronise_on_processor
from mmgtrack.errors import InputError
from mmgtrack.registry import MODEL_WRAPPERS

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SLOTS = 64  # ours: numbers of a message, so that processes with unequally many do not wait for ever
_RANKS = {  # of all processes, their number, and of those of this machine; what a launcher says besides
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}


@MODEL_WRAPPERS.register_module()
class TrackerDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper, also for processors, and for backbones that freeze layers in ``train()`` alone.

    It waits in every step for the gradients of all parameters that are not frozen when it is made. On a
    processor torch wants no ``device_ids``, which mmengine's Runner passes to every wrapper.

    What a step returns for the log are means over all processes; mmengine logs those of the first alone.
    """

    def __init__(self, module: nn.Module, device_ids: list[int] | None = None, **kwargs: Any) -> None:
        module.train()
        on_processor = next(module.parameters()).device.type == 'cpu'
        if on_processor:
            synchronise_on_processor(module)
        with warnings.catch_warnings():
            # torch 2.13 has another name for it, which older ones do not know
            warnings.filterwarnings(
                'ignore', message='`broadcast_buffers` is deprecated', category=FutureWarning
            )
            super().__init__(module=module, device_ids=None if on_processor else device_ids, **kwargs)
        self._logged: tuple[str, ...] = ()

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        values = super().train_step(data, optim_wrapper)
        # where names differ, some process has others than in its last step: that one looks
        means = mean_over_processes(values, check_names=tuple(values) != self._logged)
        self._logged = tuple(values)
        return means


@torch.no_grad()
def mean_over_processes(values: dict[str, Tensor], check_names: bool = True) -> dict[str, Tensor]:
    """The mean of each scalar; one message, and a GPU's host waits for it only to check the names.

    Raises InputError where processes have other names than this one, or another order. Which of them look
    does not matter to the others: the message is the same.
    """
    numbers = [value.detach().double() for value in values.values()]
    names = float(zlib.crc32('\n'.join(values).encode()))  # exact in float64, as is the sum of a million
    message = torch.stack([*numbers, numbers[0].new_tensor(names)])
    message = nn.functional.pad(message, (0, -len(message) % _SLOTS))
    all_reduce(message, op='mean')
    if check_names and float(message[len(values)]) != names:
        raise InputError(
            'a step must return the same losses, in the same order, in all processes; others return not what '
            f'this one does: {", ".join(values)}'
        )
    return dict(zip(values, message[: len(values)].float().unbind(), strict=True))


def prepare_processes(settings: Config) -> None:
    """Make the settings of a distributed run fit: the wrapper above, and gloo where there is no GPU.

    mmengine's own start calls CUDA also for gloo; it leaves a process group alone that is there already.
    """
    end_with_parent()
    wrapper = settings.get('model_wrapper_cfg') or dict(
        broadcast_buffers=False,  # mmengine's default; norms are frozen or synchronised
        find_unused_parameters=settings.get('find_unused_parameters', False),
    )
    settings.model_wrapper_cfg = {'type': 'mmgtrack.TrackerDistributedDataParallel', **wrapper}
    if is_distributed():
        return
    read_ranks(settings.launcher)
    if get_device() == 'cpu':
        torch.distributed.init_process_group('gloo')
    else:
        init_dist(settings.launcher, **(settings.get('env_cfg') or {}).get('dist_cfg', dict(backend='nccl')))


def read_ranks(launcher: str) -> None:
    """Tell torch what SLURM or MPI says about this process; ``torchrun`` says it in torch's own words.

    Raises InputError where this process was not started by that launcher.
    """
    if launcher not in _RANKS:
        raise InputError(f'expected a launcher among {", ".join(_RANKS)}, got {launcher!r}')
    missing = [name for name in _RANKS[launcher] if name not in os.environ]
    if missing:
        raise InputError(
            f'--launcher {launcher}: this process was not started by it, as the environment lacks '
            f'{", ".join(missing)}; tools/dist_train.sh and tools/dist_test.sh start several'
        )
    ranks = zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), _RANKS[launcher], strict=False)
    os.environ.update({ours: os.environ[theirs] for ours, theirs in ranks})
    if launcher != 'pytorch':
        # another port for each job, as several may share a machine; 29500 where SLURM did not start this
        port = 20000 + int(os.environ.get('SLURM_JOB_ID', 9500)) % 10000
        os.environ.setdefault('MASTER_PORT', str(port))
        if 'MASTER_ADDR' not in os.environ:
            os.environ['MASTER_ADDR'] = _first_machine()


def _first_machine() -> str:
    """Of a SLURM job; this one where there is no such job."""
    nodes = os.environ.get('SLURM_STEP_NODELIST') or os.environ.get('SLURM_NODELIST') or ''
    if not {',', '['} & set(nodes):
        return '127.0.0.1'
    try:
        asked = subprocess.run(
            ['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True
        )
        return asked.stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise InputError(
            f'scontrol does not say which is the first of the machines {nodes}: give its address as '
            'MASTER_ADDR'
        ) from error


def end_with_parent() -> None:
    """Have this process terminated when its parent ends in whatever way (Linux; elsewhere nothing).

    ``torchrun`` ends its processes when it is interrupted or terminated, but not when it is killed.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))

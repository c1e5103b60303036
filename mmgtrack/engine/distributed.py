"""Several training processes: what mmengine lacks for processors, and for backbones that freeze late."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import warnings
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
_RANKS = {  # of all processes, their number, and of those of this machine
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

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        return mean_over_processes(super().train_step(data, optim_wrapper))


@torch.no_grad()
def mean_over_processes(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean of each scalar; one message, and a GPU's host does not wait for it.

    Every process must have the same names in the same order.
    """
    means = torch.stack([value.detach().float() for value in values.values()])
    all_reduce(means, op='mean')
    return dict(zip(values, means.unbind(), strict=True))


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
    if get_device() == 'cpu':
        read_ranks(settings.get('launcher', 'pytorch'))
        torch.distributed.init_process_group('gloo')
    else:
        init_dist(settings.launcher, **(settings.get('env_cfg') or {}).get('dist_cfg', dict(backend='nccl')))


def read_ranks(launcher: str) -> None:
    """Tell torch what SLURM or MPI says about this process; ``torchrun`` says it in torch's own words."""
    names = dict(zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), _RANKS.get(launcher, ()), strict=False))
    missing = [name for name in names.values() if name not in os.environ]
    if missing:
        raise InputError(f'--launcher {launcher} expects {", ".join(missing)} in the environment, got none')
    os.environ.update({ours: os.environ[theirs] for ours, theirs in names.items()})
    if names:
        os.environ.setdefault('MASTER_PORT', '29500')
        os.environ.setdefault('MASTER_ADDR', _first_machine())


def _first_machine() -> str:
    """Of a SLURM job; this one where there is no such job."""
    nodes = os.environ.get('SLURM_STEP_NODELIST') or os.environ.get('SLURM_NODELIST')
    if not nodes or shutil.which('scontrol') is None:
        return '127.0.0.1'
    asked = subprocess.run(
        ['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True
    )
    return asked.stdout.split()[0]


def end_with_parent() -> None:
    """Have this process terminated when its parent ends in whatever way (Linux; elsewhere nothing).

    ``torchrun`` ends its processes when it is interrupted or terminated, but not when it is killed.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))

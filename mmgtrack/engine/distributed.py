"""Several training processes: what mmengine lacks for processors, and for backbones that freeze late."""

import ctypes
import signal
import sys
import warnings
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import all_reduce, is_distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmgtrack.registry import MODEL_WRAPPERS

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


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
    if get_device() == 'cpu' and not is_distributed():
        torch.distributed.init_process_group('gloo')


def end_with_parent() -> None:
    """Have this process terminated when its parent ends in whatever way (Linux; elsewhere nothing).

    ``torchrun`` ends its processes when it is interrupted or terminated, but not when it is killed.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))

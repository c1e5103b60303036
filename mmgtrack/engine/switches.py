"""What a run's command line changes in a config: device, precision, accumulation, logs."""

import os
from importlib.util import find_spec

import mmengine.device.utils
import torch
from mmengine.config import Config
from mmengine.device import get_device

from mmgtrack.errors import InputError, MissingDependencyError

_PLAIN, _GPU, _CPU = 'OptimWrapper', 'AmpOptimWrapper', 'mmgtrack.CPUAmpOptimWrapper'


def choose_device(name: str) -> None:
    """Keep this process to ``'cpu'`` or make sure that there is ``'cuda'``; before anything uses a device.

    mmengine takes a GPU wherever it finds one.
    """
    if name == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
        mmengine.device.utils.DEVICE = 'cpu'  # found out when mmengine was imported, perhaps before this
    elif not torch.cuda.is_available():
        raise InputError('--device cuda needs a CUDA GPU, but torch can use 0 here; --device cpu needs none')


def use_amp(settings: Config) -> None:
    """Mixed precision: float16 with scaled losses on a GPU, bfloat16 on a processor; all else stays."""
    wrapper = dict(settings.get('optim_wrapper') or {})
    kind = wrapper.pop('type', _PLAIN)
    if kind not in (_PLAIN, _GPU, _CPU):
        raise InputError(f'--amp stands in for optim_wrapper.type {_PLAIN!r}, but the config has {kind!r}')
    if get_device() == 'cpu':
        wrapper = {key: value for key, value in wrapper.items() if key not in ('loss_scale', 'dtype')}
    settings.optim_wrapper = {**wrapper, 'type': _CPU if get_device() == 'cpu' else _GPU}


def accumulate(settings: Config, passes: int) -> None:
    """One update for so many batches."""
    if passes < 1:
        raise InputError(f'--accumulate expects a number of batches from 1, got {passes}')
    settings.merge_from_dict({'optim_wrapper.accumulative_counts': passes})


def log_to_tensorboard(settings: Config) -> None:
    """Beside the logs there are."""
    if find_spec('tensorboard') is None:
        raise MissingDependencyError('--tensorboard needs the package tensorboard: pip install tensorboard')
    visualizer = dict(settings.get('visualizer') or dict(type='Visualizer'))
    backends = list(visualizer.get('vis_backends') or [dict(type='LocalVisBackend')])
    if not any(backend.get('type') == 'TensorboardVisBackend' for backend in backends):
        backends.append(dict(type='TensorboardVisBackend'))
    settings.visualizer = {**visualizer, 'vis_backends': backends}

"""From a training checkpoint to a small file for the zoo."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mmgtrack import zoo
from mmgtrack.apis.models import build_network, check_made_for, load_config, load_weights
from mmgtrack.checkpoint import load_checkpoint_file, save_checkpoint_file


@dataclass(frozen=True)
class Published:
    """What the zoo's index says of a file: bytes, sha256, parameters of the model."""

    size_bytes: int
    sha256: str
    params: int


def publish(
    model: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str],
    target: str | os.PathLike[str],
) -> Published:
    """Write the weights alone, matrices in half precision, with the config's name and the calibration.

    Vectors (norms, biases) stay in single precision: they are few, and running variances can be tiny.
    The training state is left behind. Raises CheckpointError if the weights do not fit the config.
    """
    name, config = load_config(model)
    content = load_checkpoint_file(checkpoint)
    network = build_network(config)
    check_made_for(content['meta'].get('config_name'), name, config, checkpoint)
    load_weights(network, content, name, str(checkpoint))
    meta = {'config_name': name, 'calibration': network.calibration.to_dict()}
    weights = {k: _compact(v) for k, v in network.state_dict().items() if 'num_batches' not in k}
    save_checkpoint_file({'state_dict': weights, 'meta': meta}, target)
    path = Path(target)
    params = sum(p.numel() for p in network.parameters())
    return Published(path.stat().st_size, zoo.file_sha256(path), params)


def _compact(value: Tensor) -> Tensor:
    """A copy without strides or storage of its own past: half precision for matrices."""
    kept = value.detach().clone(memory_format=torch.contiguous_format)
    return kept.half() if kept.ndim > 1 and kept.is_floating_point() else kept

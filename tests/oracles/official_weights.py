"""Weights made by the rule of an oracle folder: every tensor follows from its name, its shape and a salt."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def named_generator(name: str, salt: int) -> np.random.Generator:
    """The generator that draws the tensor of that name."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode('utf-8')) + salt))


def official_weights(folder: Path, salt: int) -> dict[str, Tensor]:
    """All tensors of the official model, named and shaped as in weights_checksum.json."""
    rule = json.loads((folder / 'rule.json').read_text())
    shapes = json.loads((folder / 'weights_checksum.json').read_text())
    return {name: made_weight(name, tuple(entry[0]), rule, salt) for name, entry in shapes.items()}


def made_weight(name: str, shape: tuple[int, ...], rule: dict[str, Any], salt: int) -> Tensor:
    """One tensor, float32; counters of batch norms are int64."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(shape, dtype=torch.long)
    generator = named_generator(name, salt)
    if name.endswith('running_mean'):
        values = 0.1 * generator.standard_normal(shape)
    elif name.endswith('running_var'):
        values = 1 + 0.2 * generator.random(shape)
    elif name.endswith('.bias'):
        values = 0.1 * generator.standard_normal(shape) + np.array(rule['bias_offset'].get(name, 0.0))
    elif len(shape) >= 2:
        gain = next((factor for pattern, factor in rule['gain'] if re.search(pattern, name)), 1.0)
        values = generator.standard_normal(shape) * gain / np.sqrt(np.prod(shape[1:]))
    else:
        values = 1 + 0.1 * generator.standard_normal(shape)
    return torch.from_numpy(np.asarray(values, dtype=np.float32))

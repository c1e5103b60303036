"""Weights of the recorded DMTrack cases: each tensor follows from its official name, its shape and a rule."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.oracles.official_weights import named_generator


def official_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Official name -> shape of all 392 tensors."""
    table = json.loads((folder / 'weights_checksums.json').read_text())
    return {name: tuple(entry[0]) for name, entry in table.items()}


def official_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of the official model under their official names: float32, counters int64."""
    rule = json.loads((folder / 'rule.json').read_text())
    return {name: made_weight(name, shape, rule) for name, shape in official_shapes(folder).items()}


def made_weight(name: str, shape: tuple[int, ...], rule: dict[str, Any]) -> Tensor:
    """One tensor by the rule's ``salt`` and the first of its ``rules`` whose ``key`` is found in the name."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(shape, dtype=torch.long)
    own = next((line for line in rule['rules'] if re.search(line['key'], name)), {})
    values = _drawn(name, shape, own, named_generator(name, rule['salt']))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _drawn(
    name: str, shape: tuple[int, ...], own: dict[str, Any], generator: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Random numbers of the spread that fits the kind of tensor."""
    if name.endswith('running_mean'):
        return 0.1 * generator.standard_normal(shape)
    if name.endswith('running_var'):
        return 1 + 0.2 * generator.random(shape)
    if len(shape) >= 2:
        return generator.standard_normal(shape) * own.get('gain', 1) / np.sqrt(np.prod(shape[1:]))
    if name.endswith('.bias'):
        return 0.1 * generator.standard_normal(shape) * own.get('bias_scale', 1) + np.array(
            own.get('bias_offset', 0.0)
        )
    spread = 1 + 0.1 * generator.standard_normal(shape)
    return np.asarray(spread if shape else spread * own.get('gain', 1))

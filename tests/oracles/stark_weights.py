"""Weights of the recorded STARK cases: every tensor follows from its official name, its shape and a rule."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.oracles.official_weights import named_generator

SCORE_BIAS = 'cls_head.layers.2.bias'  # the only tensor that differs between ST50 and ST101
_BEYOND_R50 = re.compile(r'\.layer3\.([6-9]|\d\d)\.')


def official_shapes(folder: Path, kind: str) -> dict[str, tuple[int, ...]]:
    """Official name -> shape for 'S50', 'ST50', 'ST101' or 'Lightning' (train form)."""
    table = json.loads((folder / 'weight_checksums.json').read_text())
    if kind == 'Lightning':
        return {name: tuple(entry[0]) for name, entry in table['lightning'].items()}
    shapes = {name: tuple(entry[0]) for name, entry in table['common'].items()} | {SCORE_BIAS: (1,)}
    if kind != 'ST101':
        shapes = {name: shape for name, shape in shapes.items() if not _BEYOND_R50.search(name)}
    if kind == 'S50':
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith('cls_head.')}
    return shapes


def official_weights(folder: Path, kind: str, rule: dict[str, Any] | None = None) -> dict[str, Tensor]:
    """All tensors of the official model under their official names: float32, counters int64.

    folder: of the recorded STARK cases; kind: as in ``official_shapes``; rule: the ``rule`` of a case.json,
    by default that of the kind's forward case.
    """
    defaults = json.loads((folder / 'rule.json').read_text())
    if rule is None and kind == 'Lightning':
        rule = defaults['lightning']
    elif rule is None:
        rule = defaults['big_models'] | {'offset': defaults['score_bias_offset'].get(kind, [])}
    shapes = official_shapes(folder, kind)
    return {name: made_weight(name, shape, rule, defaults['salt']) for name, shape in shapes.items()}


def made_weight(name: str, shape: tuple[int, ...], rule: dict[str, Any], salt: int) -> Tensor:
    """One tensor by the rule's lists ``gain``, ``taps``, ``offset`` and ``scale``."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(shape, dtype=torch.long)
    mirrored = len(shape) == 4 and re.match(r'box_head\.conv\d_br\b', name) is not None
    drawn_as = name.replace('_br', '_tl') if mirrored else name
    values = _drawn(name, drawn_as, shape, rule, salt)
    if mirrored:  # the kernels of the bottom right are those of the top left, rotated by 180 degrees
        values = np.rot90(values, 2, axes=(2, 3))
    values = values + sum(_fitting(rule.get('offset', []), name))
    values = values * np.prod(_fitting(rule.get('scale', []), name))
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _drawn(
    name: str, drawn_as: str, shape: tuple[int, ...], rule: dict[str, Any], salt: int
) -> np.ndarray[Any, Any]:
    """Random numbers of the spread that fits the kind of tensor."""
    generator = named_generator(drawn_as, salt)
    if name.endswith('running_var'):
        return 1 + 0.2 * generator.random(shape)
    if name.endswith(('running_mean', 'bias')):
        return 0.1 * generator.standard_normal(shape)
    if name.startswith(('query_embed.', 'pos_emb')):
        return generator.standard_normal(shape)
    if len(shape) == 1:
        return 1 + 0.1 * generator.standard_normal(shape)
    gain = [1.0, *_fitting(rule.get('gain', []), name)][-1]
    values = generator.standard_normal(shape) * gain / np.sqrt(np.prod(shape[1:]))
    for taps in _fitting(rule.get('taps', []), drawn_as):
        values = values * np.array(taps)
    return values


def _fitting(lines: list[list[Any]], name: str) -> list[Any]:
    """Values of the lines whose regex is found in the name, in their order."""
    return [value for pattern, value in lines if re.search(pattern, name)]

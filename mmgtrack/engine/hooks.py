"""Hooks for mmengine's Runner."""

import random
from collections import Counter
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmgtrack.checkpoint import unmatched_keys, without_wrapper
from mmgtrack.registry import HOOKS


@HOOKS.register_module()
class SeedHook(Hook):
    """Seed model-side randomness (samplers, dropout): from (seed, epoch, sample), what has no sample by rank.

    Each sample of a batch gets its ``draw_key``, so that it draws the same whatever batch or process it is in
    (mmgtrack/models/layers/sample_draws.py). The global generators are seeded from (seed, iteration, rank).
    So a run that is resumed draws what the unbroken run would have drawn.

    Under ``activation_checkpointing`` samples get no keys: what is computed again must be drawn again, which
    torch does with its global generators alone.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        sequence = np.random.SeedSequence([self.seed, runner.iter, get_rank()])
        torch_seed, numpy_seed, python_seed = (int(s) for s in sequence.generate_state(3))
        torch.manual_seed(torch_seed)
        np.random.seed(numpy_seed)
        random.seed(python_seed)
        if not runner.cfg.get('activation_checkpointing'):
            for sample in (data_batch or {}).get('data_samples', ()):
                if 'sample_index' in sample:
                    sample.set_metainfo({'draw_key': (self.seed, runner.epoch, sample.sample_index)})


@HOOKS.register_module()
class WeightReportHook(Hook):
    """Say, a line each, which weights a checkpoint leaves as they were initialised and which it has in vain.

    mmengine would list every key, twice with an ``EMAHook``. So this hook comes first, loads what fits,
    and hands on a state dict in which nothing is missing and nothing left over.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        weights = without_wrapper(checkpoint['state_dict'])
        missing, unexpected, misshapen = unmatched_keys(model, weights)
        for key in misshapen:
            del weights[key]
        for what, keys in (
            ('not in the checkpoint, left as initialised', missing),
            ('of another shape in the checkpoint, left as initialised', misshapen),
            ('in the checkpoint only, not used', unexpected),
        ):
            if keys:
                runner.logger.warning(f'weights {what}: {_summary(keys)}')
        model.load_state_dict(weights, strict=False)  # modules may convert what older versions stored
        checkpoint['state_dict'] = {key: weight.clone() for key, weight in model.state_dict().items()}


def _summary(keys: list[str]) -> str:
    """Few keys by name, many by the module two levels down and their number."""
    if len(keys) <= 8:
        return ', '.join(keys)
    counts = Counter('.'.join(key.split('.')[:2]) for key in keys)
    return ', '.join(f'{module} ({count})' for module, count in counts.items())

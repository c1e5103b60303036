"""Hooks for mmengine's Runner."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgtrack.registry import HOOKS


@HOOKS.register_module()
class SeedHook(Hook):
    """Seed model-side randomness (RoI samplers, dropout) from (seed, iteration, rank).

    So a run that is resumed draws what the unbroken run would have drawn.
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

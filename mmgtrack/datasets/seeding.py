"""Random states that depend on a key alone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seed the global generators of python, numpy and torch (CPU) from ``key``, restore them on leaving.

    mmcv's and mmdet's transforms draw from the global generators; inside this block their draws depend
    on nothing but the key. Key: non-negative integers.
    """
    words = np.random.SeedSequence(key).generate_state(3)
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    random.seed(int(words[0]))
    np.random.seed(words[1])
    # not torch.manual_seed: before CUDA is initialised each call would leave an entry in CUDA's queue
    torch.default_generator.manual_seed(int(words[2]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])

"""Draws of a training step that belong to a sample, whatever batch, process or machine it is in.

mmdet's samplers and torch's dropout draw from one generator for the whole batch: what a sample gets depends
on those before it. Here each draws from its own key, which ``SeedHook`` writes into the samples of a run;
samples without one (a loss that is computed by hand) are left to the global generators.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn import functional

DrawKey = tuple[int, ...]

_generators: ContextVar[tuple[torch.Generator, ...] | None] = ContextVar('generators', default=None)


def target_keys(samples: Sequence[BaseDataElement], counts: Sequence[int]) -> list[DrawKey | None]:
    """Keys of the targets of all samples in a row: the sample's own and the target's number in it."""
    return [
        None if 'draw_key' not in sample else (*sample.draw_key, number)
        for sample, count in zip(samples, counts, strict=True)
        for number in range(count)
    ]


def drawing_for(key: DrawKey | None, stage: int) -> AbstractContextManager[None]:
    """Let a sampler inside the block draw from the key; stages of a detector draw apart."""
    # here and not above: tracking needs nothing of the data sets
    from mmgtrack.datasets.seeding import seeded

    return nullcontext() if key is None else seeded(*key, stage)


@contextmanager
def drawing_per_sample(samples: Sequence[BaseDataElement], device: torch.device) -> Iterator[None]:
    """Inside the block, dropout of sample n of a batch draws from the n-th sample's key."""
    if not samples or any('draw_key' not in sample for sample in samples):
        yield
        return
    token = _generators.set(tuple(_generator(sample.draw_key, device) for sample in samples))
    try:
        yield
    finally:
        _generators.reset(token)


def _generator(key: DrawKey, device: torch.device) -> torch.Generator:
    (word,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(word >> np.uint64(1)))


def is_drawing() -> bool:
    """Whether samples draw for themselves here; a compiled step leaves it to the global generator."""
    return not torch.compiler.is_compiling() and _generators.get() is not None


def sample_dropout(values: Tensor, probability: float) -> Tensor:
    """torch's dropout of (B, ...), each sample by its own generator. Only where ``is_drawing``."""
    generators = _generators.get()
    assert generators is not None
    keep = torch.empty(values.shape, dtype=values.dtype, device=values.device)
    for row, generator in zip(keep, generators, strict=True):
        row.bernoulli_(1 - probability, generator=generator)
    return values * keep.div_(1 - probability)


class SampleDropout(nn.Dropout):
    """Dropout of (B, ...) by each sample's generator."""

    def forward(self, values: Tensor) -> Tensor:
        if self.training and 0 < self.p < 1 and is_drawing():
            return sample_dropout(values, self.p)
        return super().forward(values)


class SampleAttention(nn.MultiheadAttention):
    """Attention whose dropout is by each sample's generator; it then keeps the attention maps in memory."""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None]:
        if self.training and 0 < self.dropout < 1 and is_drawing():
            return self._attend(query, key, value, **kwargs), None
        return super().forward(query, key, value, *args, **kwargs)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        attn_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """(L, B, C) of queries (L, B, C), keys and values (S, B, C).

        key_padding_mask: (B, S) bool; attn_mask: (B * heads, L, S) bool; True is not looked at.
        """
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        queries, keys, values = (
            self._heads(functional.linear(*parts))
            for parts in zip((query, key, value), weights, biases, strict=True)
        )
        logits = torch.matmul(queries / self.head_dim**0.5, keys.transpose(2, 3))
        if key_padding_mask is not None:
            logits = logits.masked_fill(key_padding_mask[:, None, None], float('-inf'))
        if attn_mask is not None:
            logits = logits.masked_fill(attn_mask.unflatten(0, (-1, self.num_heads)), float('-inf'))
        shares = sample_dropout(logits.softmax(3), self.dropout)
        seen = torch.matmul(shares.to(values.dtype), values)
        return self.out_proj(seen.permute(2, 0, 1, 3).flatten(2))

    def _heads(self, tokens: Tensor) -> Tensor:
        """(L, B, C) to (B, heads, L, C / heads)."""
        return tokens.unflatten(2, (self.num_heads, -1)).permute(1, 2, 0, 3)


def use_sample_draws(module: nn.Module) -> None:
    """Put layers that draw sample by sample in the place of dropout and attention; weights stay."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Dropout):
                setattr(parent, name, SampleDropout(child.p))
    for brick in module.modules():
        if isinstance(brick, MultiheadAttention) and type(brick.attn) is nn.MultiheadAttention:
            attention = SampleAttention(brick.embed_dims, brick.num_heads, brick.attn.dropout, device='meta')
            for name, child in brick.attn.named_children():
                setattr(attention, name, child)
            for name, parameter in brick.attn.named_parameters(recurse=False):
                setattr(attention, name, parameter)
            brick.attn = attention

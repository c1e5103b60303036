"""Attention for inference: the same sums as mmcv's bricks in another order, up to rounding.

docs/benchmarks.md has the gain; tests/models/test_stark_fast.py compares each with the brick it stands for.
"""

from typing import Any

import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from torch import Tensor, nn
from torch.nn import functional


class _FromBrick(nn.Module):
    """The weights of a brick: W_q, W_k, W_v one above the other, and W_out."""

    def __init__(self, brick: MultiheadAttention) -> None:
        super().__init__()
        self.num_heads = brick.num_heads
        self.weight, self.bias = brick.attn.in_proj_weight, brick.attn.in_proj_bias
        self.out_proj = brick.attn.out_proj

    def _heads(self, tokens: Tensor) -> Tensor:
        """(B, L, C) to (B, heads, L, C / heads)."""
        return tokens.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class SelfAttention(_FromBrick):
    """Every token looks at all: one product makes queries and keys, and batches are not turned around."""

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_pos: Tensor,
        key_pos: Tensor,
        key_padding_mask: Tensor,
        **kwargs: Any,
    ) -> Tensor:
        """query, key and value: the same (B, L, C); key_padding_mask: (B, L) bool."""
        dims = query.shape[2]
        queries, keys = functional.linear(
            query + query_pos, self.weight[: 2 * dims], self.bias[: 2 * dims]
        ).chunk(2, dim=2)
        values = functional.linear(query, self.weight[2 * dims :], self.bias[2 * dims :])
        seen = functional.scaled_dot_product_attention(
            self._heads(queries),
            self._heads(keys),
            self._heads(values),
            attn_mask=~key_padding_mask[:, None, None],
        )
        return query + self.out_proj(seen.transpose(1, 2).flatten(2))


class LoneQueryAttention(_FromBrick):
    """A query that can look at itself alone: all of its attention, whatever queries and keys are."""

    def forward(self, query: Tensor, **kwargs: Any) -> Tensor:
        """query: (B, 1, C)."""
        dims = query.shape[2]
        return query + self.out_proj(functional.linear(query, self.weight[2 * dims :], self.bias[2 * dims :]))


class FewQueryAttention(_FromBrick):
    """A few queries look at many tokens: W_k and W_v are applied to the queries' side.

    q . (W_k t) = (W_k^T q) . t, and a mean of W_v t is W_v of the mean; so no token is multiplied by either.
    The bias of the keys moves all of a query's logits alike, which softmax does not see.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_pos: Tensor,
        key_pos: Tensor,
        key_padding_mask: Tensor,
        **kwargs: Any,
    ) -> Tensor:
        """query: (B, Q, C); key, value: (B, L, C); key_padding_mask: (B, L) bool."""
        dims, count = query.shape[2], query.shape[1]
        w_q, w_k, w_v = self.weight.split(dims)
        b_q, _, b_v = self.bias.split(dims)
        per_head = dims // self.num_heads
        queries = functional.linear(query + query_pos, w_q, b_q) / per_head**0.5
        turned = torch.matmul(self._heads(queries), w_k.unflatten(0, (self.num_heads, per_head)))
        logits = torch.matmul(turned.flatten(1, 2), (key + key_pos).transpose(1, 2))  # (B, heads * Q, L)
        shares = logits.masked_fill(key_padding_mask[:, None], float('-inf')).softmax(2)
        means = torch.matmul(shares, value).unflatten(1, (self.num_heads, count))  # (B, heads, Q, C)
        seen = torch.matmul(means, w_v.unflatten(0, (self.num_heads, per_head)).transpose(1, 2))
        return query + self.out_proj(seen.transpose(1, 2).flatten(2) + b_v)

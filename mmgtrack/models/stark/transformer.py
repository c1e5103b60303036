"""STARK's transformer: templates and search region in one sequence, one query (sections 3.1 and 3.2)."""

from typing import Any

import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from mmdet.models.layers import DetrTransformerDecoder, DetrTransformerEncoder
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.models.layers.sample_draws import SampleAttention, use_sample_draws
from mmgtrack.models.stark.fast_attention import FewQueryAttention, LoneQueryAttention, SelfAttention
from mmgtrack.models.stark.tokens import Tokens, TransformerOutput
from mmgtrack.registry import MODELS


class FusedAttention(SampleAttention):
    """Attention that keeps no attention maps, which nobody reads: torch then has a fused kernel for it.

    Not where samples draw their own dropout.
    """

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        return super().forward(*args, **{**kwargs, 'need_weights': False})


def use_fused_attention(module: nn.Module) -> None:
    """Put ``FusedAttention`` into every attention brick; weights start anew, their names stay."""
    for brick in module.modules():
        if isinstance(brick, MultiheadAttention):
            brick.attn = FusedAttention(brick.embed_dims, brick.num_heads, brick.attn.dropout)


@MODELS.register_module()
class StarkTransformer(BaseModule):
    """Encoder over all tokens, decoder with one query a target; DETR's layers, norms last.

    Args:
        encoder: arguments of mmdet's ``DetrTransformerEncoder``; None: the tokens go on as they are (Table 7
            #1).
        decoder: arguments of mmdet's ``DetrTransformerDecoder``; None: no query is decoded (Table 7 #2).
        embed_dims: C, the width of tokens and queries.
        num_queries: queries a target, Q.

    The decoder starts from zeros, to which the query embedding is added in every layer (official code).
    """

    def __init__(
        self,
        encoder: dict[str, Any] | None,
        decoder: dict[str, Any] | None,
        embed_dims: int = 256,
        num_queries: int = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if encoder is None and decoder is None:
            raise InputError('a transformer needs an encoder or a decoder, got neither')
        self.encoder = None if encoder is None else DetrTransformerEncoder(**encoder)
        self.decoder = None
        if decoder is not None:
            self.decoder = DetrTransformerDecoder(**decoder, return_intermediate=False)
            self.query_embedding = nn.Embedding(num_queries, embed_dims)
            for layer in self.decoder.layers:
                # not among the queries: of a single key the gradient is exactly zero without rounding
                use_fused_attention(layer.cross_attn)
        if self.encoder is not None:
            use_fused_attention(self.encoder)
        use_sample_draws(self)

    def init_weights(self) -> None:
        """Xavier-uniform for all matrices but the query embedding (official code)."""
        super().init_weights()
        for coder in (self.encoder, self.decoder):
            for parameter in coder.parameters() if coder is not None else ():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)

    def fold(self) -> None:
        """For inference only: attention that computes the same with less work."""
        for layer in self.encoder.layers if self.encoder is not None else ():
            layer.self_attn = SelfAttention(layer.self_attn)
        for layer in self.decoder.layers if self.decoder is not None else ():
            layer.cross_attn = FewQueryAttention(layer.cross_attn)
            if self.query_embedding.num_embeddings == 1:
                layer.self_attn = LoneQueryAttention(layer.self_attn)

    def forward(self, templates: Tokens, search: Tokens, queries: Tensor | None = None) -> TransformerOutput:
        """templates: of all templates of a sample in a row; queries: (B, Q, C) in the embedding's place."""
        memory = self.encode(Tokens.cat([templates, search]))
        length = search.features.shape[1]
        targets = None if self.decoder is None else self.decode(memory, queries)
        return TransformerOutput(memory.features[:, -length:], targets)

    def encode(self, tokens: Tokens) -> Tokens:
        """The tokens with features that have seen all others; padded ones are seen by none."""
        if self.encoder is None:
            return tokens
        features = self.encoder(tokens.features, query_pos=tokens.positions, key_padding_mask=tokens.padding)
        return Tokens(features, tokens.positions, tokens.padding)

    def decode(self, memory: Tokens, queries: Tensor | None, unseen: Tensor | None = None) -> Tensor:
        """(B, Q, C) from the memory's tokens; unseen: (B, Q) bool, queries that none looks at."""
        assert self.decoder is not None
        if queries is None:
            queries = self.query_embedding.weight.expand(len(memory.features), -1, -1)
        mask = None
        if unseen is not None:  # one a head, as nn.MultiheadAttention wants it
            heads, count = self.decoder.layers[0].self_attn.num_heads, queries.shape[1]
            mask = unseen.repeat_interleave(heads, 0)[:, None].expand(-1, count, -1)
        return self.decoder(
            torch.zeros_like(queries),
            key=memory.features,
            value=memory.features,
            query_pos=queries,
            key_pos=memory.positions,
            key_padding_mask=memory.padding,
            self_attn_mask=mask,
        )[0]


@MODELS.register_module()
class TemplateQueryTransformer(StarkTransformer):
    """Templates as the decoder's queries (section 4.5, Table 8): no template token is in the memory.

    Templates and search region pass the same encoder apart from each other. The paper leaves open how many
    vectors come out for the corner head; here it is the mean of the decoded template tokens, (B, 1, C).
    Padded ones take no part: no query looks at them and the mean leaves them out.
    """

    def __init__(self, encoder: dict[str, Any], decoder: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(encoder, decoder, **kwargs)
        del self.query_embedding

    def fold(self) -> None:
        """As many queries as templates have cells: too many to spare the keys' projection."""
        for layer in self.encoder.layers if self.encoder is not None else ():
            layer.self_attn = SelfAttention(layer.self_attn)

    def forward(self, templates: Tokens, search: Tokens, queries: Tensor | None = None) -> TransformerOutput:
        memory, encoded = self.encode(search), self.encode(templates)
        shown = (~templates.padding)[..., None].to(memory.features.dtype)
        decoded = self.decode(memory, encoded.features + encoded.positions, unseen=templates.padding)
        mean = (decoded * shown).sum(1, keepdim=True) / shown.sum(1, keepdim=True)
        return TransformerOutput(memory.features, mean)

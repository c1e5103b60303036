"""The transformer of STARK-Lightning: one layer in which the search region looks at all tokens."""

from mmcv.cnn.bricks.transformer import FFN, MultiheadAttention
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmgtrack.models.layers.sample_draws import use_sample_draws
from mmgtrack.models.stark.tokens import Tokens, TransformerOutput
from mmgtrack.models.stark.transformer import use_fused_attention
from mmgtrack.registry import MODELS


@MODELS.register_module()
class LiteTransformer(BaseModule):
    """One encoder layer whose queries are the search region's cells alone; no decoder.

    Args:
        embed_dims: C, the width of tokens.
        num_heads: heads of the attention.
        feedforward_channels: width between the two linear layers.
        dropout: of attention weights, and before each sum.

    The sum behind the attention is with the search tokens *and* their positions (official code), while in
    the layers of the big models it is with the tokens alone.
    """

    def __init__(
        self,
        embed_dims: int = 128,
        num_heads: int = 8,
        feedforward_channels: int = 1024,
        dropout: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.self_attn = MultiheadAttention(
            embed_dims, num_heads, attn_drop=dropout, proj_drop=dropout, batch_first=True
        )
        self.ffn = FFN(embed_dims, feedforward_channels, ffn_drop=dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dims) for _ in range(2))
        use_fused_attention(self)
        use_sample_draws(self)

    def init_weights(self) -> None:
        """Xavier-uniform for all matrices (official code)."""
        super().init_weights()
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, templates: Tokens, search: Tokens, queries: Tensor | None = None) -> TransformerOutput:
        """templates: of all templates of a sample in a row; queries: not looked at, nothing is decoded."""
        keys = Tokens.cat([templates, search])
        placed = search.features + search.positions
        seen = self.self_attn(
            placed,
            key=keys.features,
            value=keys.features,
            key_pos=keys.positions,
            key_padding_mask=keys.padding,
        )
        return TransformerOutput(self.norms[1](self.ffn(self.norms[0](seen))), None)

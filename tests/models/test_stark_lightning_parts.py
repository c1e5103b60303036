"""Parts of STARK-Lightning against plain loops and sums."""

import math
from typing import Any

import pytest
import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor

from mmgtrack.models.stark.lite_corner_head import LiteCornerHead
from mmgtrack.models.stark.lite_transformer import LiteTransformer
from mmgtrack.models.stark.tokens import Tokens
from mmgtrack.registry import MODELS

DIMS, HEADS = 6, 3


def drawn_tokens(length: int, seed: int, padded: int = 0, batch: int = 2) -> Tokens:
    """The last ``padded`` tokens show no picture."""
    generator = torch.Generator().manual_seed(seed)
    features, positions = torch.randn(2, batch, length, DIMS, generator=generator, dtype=torch.float64)
    padding = (torch.arange(length) >= length - padded).expand(batch, -1)
    return Tokens(features, positions, padding)


@pytest.fixture
def transformer() -> Any:
    torch.manual_seed(0)
    module = LiteTransformer(DIMS, HEADS, feedforward_channels=10).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def loop(module: Any, templates: Tokens, search: Tokens) -> Tensor:
    """The layer for one sample and one token at a time, from the definition."""
    weights = module.self_attn.attn.in_proj_weight.split(DIMS)
    biases = module.self_attn.attn.in_proj_bias.split(DIMS)
    keys = [
        torch.cat(pair, dim=1) for pair in zip(vars(templates).values(), vars(search).values(), strict=True)
    ]
    samples = []
    for b in range(len(search.features)):
        seen = [i for i in range(keys[0].shape[1]) if not keys[2][b, i]]
        rows = []
        for q in range(search.features.shape[1]):
            placed = search.features[b, q] + search.positions[b, q]
            query = weights[0] @ placed + biases[0]
            joined = []
            for channels in torch.arange(DIMS).split(DIMS // HEADS):
                logits = []
                for i in seen:
                    key = weights[1] @ (keys[0][b, i] + keys[1][b, i]) + biases[1]
                    logits.append(query[channels] @ key[channels] / math.sqrt(len(channels)))
                shares = torch.stack(logits).exp() / torch.stack(logits).exp().sum()
                values = torch.stack([(weights[2] @ keys[0][b, i] + biases[2])[channels] for i in seen])
                joined.append(shares @ values)
            out = module.self_attn.attn.out_proj
            x = normed(module.norms[0], placed + out.weight @ torch.cat(joined) + out.bias)
            wide, narrow = module.ffn.layers[0][0], module.ffn.layers[1]
            hidden = (wide.weight @ x + wide.bias).clamp(min=0)
            rows.append(normed(module.norms[1], x + narrow.weight @ hidden + narrow.bias))
        samples.append(torch.stack(rows))
    return torch.stack(samples)


def normed(norm: torch.nn.LayerNorm, x: Tensor) -> Tensor:
    deviation = ((x - x.mean()) ** 2).mean().add(1e-5).sqrt()
    return (x - x.mean()) / deviation * norm.weight + norm.bias


@pytest.mark.parametrize('padded', [(0, 0), (1, 0), (0, 3), (2, 2), (4, 0)], ids=str)
@torch.no_grad()
def test_the_layer_is_what_a_plain_loop_computes(
    transformer: LiteTransformer, padded: tuple[int, int]
) -> None:
    templates, search = drawn_tokens(4, 1, padded[0]), drawn_tokens(5, 2, padded[1])
    output = transformer(templates, search)
    assert output.targets is None
    torch.testing.assert_close(output.search, loop(transformer, templates, search), rtol=0, atol=1e-12)


@torch.no_grad()
def test_nothing_but_shown_tokens_counts(transformer: LiteTransformer) -> None:
    """What padded templates hold changes nothing, nor does the order of templates."""
    templates, search = drawn_tokens(6, 1, padded=2), drawn_tokens(5, 2)
    wanted = transformer(templates, search).search
    other = Tokens(templates.features.clone(), templates.positions, templates.padding)
    other.features[:, -2:] = 99
    torch.testing.assert_close(transformer(other, search).search, wanted, rtol=0, atol=1e-12)
    turned = Tokens(*(leaf.flip(1) for leaf in vars(templates).values()))
    torch.testing.assert_close(transformer(turned, search).search, wanted, rtol=0, atol=1e-12)
    shown = Tokens(templates.features, templates.positions, torch.zeros_like(templates.padding))
    assert (transformer(shown, search).search - wanted).abs().max() > 1e-3


def test_dropout_is_in_training_only() -> None:
    torch.manual_seed(0)
    transformer = LiteTransformer(DIMS, HEADS, feedforward_channels=10, dropout=0.5).double()
    tokens = drawn_tokens(4, 1), drawn_tokens(5, 2)
    assert not torch.equal(transformer(*tokens).search, transformer(*tokens).search)
    transformer.eval()
    assert torch.equal(transformer(*tokens).search, transformer(*tokens).search)


def test_weights_start_as_in_the_official_code() -> None:
    """Xavier-uniform: in +-sqrt(6 / (rows + columns)), and reaching nearly that far."""
    torch.manual_seed(0)
    transformer = LiteTransformer()
    transformer.init_weights()
    for name, parameter in transformer.named_parameters():
        if parameter.ndim > 1:
            bound = math.sqrt(6 / sum(parameter.shape))
            assert 0.99 * bound < parameter.abs().max() <= bound, name


@pytest.mark.parametrize('fused_before', [False, True])
@torch.no_grad()
def test_the_head_in_one_convolution_a_block(fused_before: bool) -> None:
    torch.manual_seed(0)
    head = LiteCornerHead(channels=5).double()
    features = torch.randn(3, 5, 4, 6, dtype=torch.float64)
    for _ in range(3):
        head(features)  # statistics away from their start
    wanted = head.eval()(features)
    if fused_before:
        fuse_conv_bn(head)
    head.switch_to_deploy()
    built = LiteCornerHead(channels=5, deploy=True).double()
    built.load_state_dict(head.state_dict())
    for got in (head(features), built(features)):
        torch.testing.assert_close(got.maps, wanted.maps, rtol=0, atol=1e-12)
        torch.testing.assert_close(got.boxes, wanted.boxes, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    'top_left, bottom_right, box',
    [
        # cells stand for their middle: (column + 1/2) / 6, (row + 1/2) / 4
        ((0, 0), (3, 5), (0.5 / 6, 0.5 / 4, 5.5 / 6, 3.5 / 4)),
        ((1, 2), (2, 2), (2.5 / 6, 1.5 / 4, 2.5 / 6, 2.5 / 4)),
        ((3, 5), (0, 0), (5.5 / 6, 3.5 / 4, 0.5 / 6, 0.5 / 4)),  # not trained: nothing turns it over
    ],
)
@torch.no_grad()
def test_corners_are_at_the_middles_of_cells(
    top_left: tuple[int, int], bottom_right: tuple[int, int], box: tuple[float, ...]
) -> None:
    """The last layer alone: it shows channel 0 as the first corner's map and channel 1 as the second's."""
    head = LiteCornerHead(channels=2)
    head.tower[0] = head.tower[1] = torch.nn.Identity()
    torch.nn.init.dirac_(head.tower[2].weight)
    torch.nn.init.zeros_(head.tower[2].bias)
    features = torch.zeros(1, 2, 4, 6)
    for channel, (row, column) in enumerate((top_left, bottom_right)):
        features[0, channel, row, column] = 50
    corners = head(features, None)
    torch.testing.assert_close(corners.boxes, torch.tensor([box]), rtol=0, atol=1e-6)
    assert torch.equal(corners.maps, features)


def test_positions_are_columns_first_whatever_is_padded() -> None:
    """mmdet's learned tables are the official ones."""
    positions = MODELS.build(
        dict(type='mmdet.LearnedPositionalEncoding', num_feats=3, row_num_embed=4, col_num_embed=5)
    )
    torch.manual_seed(0)
    positions.init_weights()
    rows, columns = positions.row_embed.weight, positions.col_embed.weight
    assert min(rows.min(), columns.min()) >= 0 and max(rows.max(), columns.max()) <= 1
    padding = torch.zeros(2, 4, 5, dtype=torch.bool)
    padding[1, 2:, 3:] = True
    got = positions(padding)
    assert got.shape == (2, 6, 4, 5) and torch.equal(got[0], got[1])
    for y in range(4):
        for x in range(5):
            assert torch.equal(got[0, :, y, x], torch.cat([columns[x], rows[y]]))


@pytest.mark.parametrize(
    'build, stored',
    [
        # attention, two linear layers, two norms
        (lambda: LiteTransformer(), 4 * (128**2 + 128) + 2 * 128 * 1024 + 1024 + 128 + 4 * 128),
        # two blocks of 3x3, 1x1 and three norms; the last convolution
        (lambda: LiteCornerHead(), 2 * (128**2 * 10 + 3 * 2 * 128) + 2 * 128 * 9 + 2),
        (lambda: LiteCornerHead(deploy=True), 2 * (128**2 * 9 + 128) + 2 * 128 * 9 + 2),
    ],
)
def test_number_of_weights(build: Any, stored: int) -> None:
    assert sum(p.numel() for p in build().parameters()) == stored


def test_every_weight_gets_a_gradient() -> None:
    torch.manual_seed(0)
    transformer = LiteTransformer(DIMS, HEADS, feedforward_channels=10).double()
    head = LiteCornerHead(DIMS).double()
    memory = transformer(drawn_tokens(4, 1), drawn_tokens(20, 2)).search
    corners = head(memory.transpose(1, 2).unflatten(2, (4, 5)))
    (corners.boxes * torch.tensor([1.0, -2, 3, -4])).sum().backward()
    # the softmax does not see a constant: neither the maps' bias, nor that of all keys (see in_proj_bias)
    blind = {'tower.2.bias'}
    for part in (transformer, head):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert (parameter.grad.abs().max() > 1e-12) == (name not in blind), name

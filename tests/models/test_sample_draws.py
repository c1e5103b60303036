"""Draws that belong to a sample: the same in any batch, and torch's own where samples have no key."""

import pytest
import torch
from torch import Tensor, nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.models.layers.sample_draws import (
    SampleAttention,
    SampleDropout,
    drawing_for,
    drawing_per_sample,
    target_keys,
)
from mmgtrack.structures import ClipSample
from tests.trackers import small_stark

CPU = torch.device('cpu')


def samples(*numbers: int) -> list[ClipSample]:
    return [ClipSample(metainfo={'draw_key': (0, 0, number)}) for number in numbers]


def drawn(layer: nn.Module, values: Tensor, *numbers: int) -> Tensor:
    with drawing_per_sample(samples(*numbers), CPU):
        result: Tensor = layer(values)
    return result


def attended(attention: SampleAttention, tokens: Tensor, *numbers: int) -> Tensor:
    """tokens: (B, L, C)."""
    turned = tokens.transpose(0, 1)
    with drawing_per_sample(samples(*numbers), CPU):
        result: Tensor = attention(turned, turned, turned)[0]
    return result.transpose(0, 1)


def test_dropout_of_a_sample_is_the_same_in_any_batch() -> None:
    layer, ones = SampleDropout(0.3).train(), torch.ones(4, 50, 40)
    whole = drawn(layer, ones, 3, 1, 4, 2)
    torch.testing.assert_close(drawn(layer, ones[:2], 4, 2), whole[2:])
    assert not torch.equal(whole[0], whole[1])
    assert sorted(set(whole.flatten().tolist())) == pytest.approx([0, 1 / 0.7])
    assert float((whole > 0).float().mean()) == pytest.approx(0.7, abs=0.02)


def test_a_sample_draws_on_from_layer_to_layer() -> None:
    layer, ones = SampleDropout(0.5).train(), torch.ones(1, 100)
    with drawing_per_sample(samples(7), CPU):
        first, second = layer(ones), layer(ones)
    assert not torch.equal(first, second)


@pytest.mark.parametrize('masked', [False, True])
def test_attention_without_a_loss_is_torchs(masked: bool) -> None:
    torch.manual_seed(0)
    attention = SampleAttention(8, 2, dropout=1e-12).double().train()
    query, key = torch.randn(3, 4, 8).double(), torch.randn(5, 4, 8).double()
    padding, unseen = torch.zeros(4, 5, dtype=torch.bool), torch.zeros(8, 3, 5, dtype=torch.bool)
    padding[1, 2:], unseen[3, :, 1] = True, True
    masks = dict(key_padding_mask=padding, attn_mask=unseen) if masked else {}
    with drawing_per_sample(samples(0, 1, 2, 3), CPU):
        seen = attention(query, key, key, **masks)[0]
    expected = attention.eval()(query, key, key, **masks)[0]
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-10)


def test_attention_of_a_sample_is_the_same_in_any_batch() -> None:
    attention = SampleAttention(8, 2, dropout=0.4).double().train()
    tokens = torch.randn(4, 6, 8).double()
    whole = attended(attention, tokens, 0, 1, 2, 3)
    torch.testing.assert_close(attended(attention, tokens[1:3], 1, 2), whole[1:3], rtol=0, atol=1e-12)
    assert not torch.allclose(attended(attention, tokens[1:3], 1, 9)[1], whole[2])


def test_samples_without_a_key_are_left_to_torch() -> None:
    ones = torch.ones(2, 30)
    torch.manual_seed(5)
    with drawing_per_sample([ClipSample(), *samples(1)], CPU):
        mixed = SampleDropout(0.5).train()(ones)
    torch.manual_seed(5)
    assert torch.equal(mixed, nn.Dropout(0.5).train()(ones))


def test_nothing_is_dropped_in_inference() -> None:
    ones = torch.ones(2, 30)
    assert torch.equal(drawn(SampleDropout(0.5).eval(), ones, 0, 1), ones)


@pytest.mark.parametrize('config', ['stark_st50_stage2', 'stark_lightning'])
def test_all_dropout_of_stark_belongs_to_samples(config: str) -> None:
    if config == 'stark_lightning':
        from mmgtrack.models.stark.lite_transformer import LiteTransformer

        module: nn.Module = LiteTransformer(16, 2, 32)
    else:
        module = small_stark(config).transformer
    dropouts = [part for part in module.modules() if isinstance(part, nn.Dropout) and part.p]
    attentions = [part for part in module.modules() if isinstance(part, nn.MultiheadAttention)]
    assert dropouts and all(type(part) is SampleDropout for part in dropouts)
    assert attentions and all(isinstance(part, SampleAttention) for part in attentions)


def test_keys_of_targets() -> None:
    mixed = [*samples(8), ClipSample(), *samples(9)]
    assert target_keys(mixed, [2, 1, 1]) == [(0, 0, 8, 0), (0, 0, 8, 1), None, (0, 0, 9, 0)]


def test_samplers_draw_from_the_key_and_leave_the_generator() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    drawn = []
    for key, stage in (((1, 2), 0), ((1, 2), 0), ((1, 2), 1), ((1, 3), 0)):
        with drawing_for(key, stage):
            drawn.append(torch.randperm(50).tolist())
    assert drawn[0] == drawn[1] and drawn[0] != drawn[2] and drawn[0] != drawn[3]
    assert torch.equal(torch.rand(2), expected)

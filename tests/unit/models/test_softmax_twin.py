import math

import pytest
import torch
from small_models import TRANSFORMER, randn, seeded, small_transformer

from linearsr.models.attention import LinearAttention
from linearsr.models.softmax_twin import SoftmaxAttention, softmax_twin


def inputs(side=3):
    return randn(1, TRANSFORMER.latent_channels, side, side), torch.full((1,), 0.5), randn(1, 3, 8 * side, 8 * side)


def test_attention_is_softmax_attention():
    linear = seeded(1, lambda: LinearAttention(16, 2))
    x = randn(2, 9, 16)
    q, k, v = linear.qkv(x).chunk(3, dim=-1)
    q, k, v = (part.unflatten(-1, (2, 8)).transpose(1, 2) for part in (linear.q_norm(q), linear.k_norm(k), v))
    weights = (q @ k.transpose(-1, -2) / math.sqrt(8)).softmax(-1)
    expected = linear.out((weights @ v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(SoftmaxAttention(linear)(x), expected, rtol=1e-4, atol=1e-5)


def test_keys_and_values_can_be_of_other_tokens():
    attention = SoftmaxAttention(seeded(1, lambda: LinearAttention(16, 2)))
    x = randn(1, 9, 16)
    whole = attention(x)
    torch.testing.assert_close(attention.read(x[:, :4], attention.summarize(x)), whole[:, :4], rtol=1e-5, atol=1e-6)


def test_the_twin_has_the_same_weights_and_another_attention():
    model = small_transformer()
    twin = softmax_twin(model)
    own, copied = model.state_dict(), twin.state_dict()
    assert own.keys() == copied.keys()
    assert all(torch.equal(own[name], copied[name]) for name in own)
    assert not any(a.data_ptr() == b.data_ptr() for a, b in zip(model.parameters(), twin.parameters(), strict=True))
    v, v_twin = model(*inputs()), twin(*inputs())
    assert v.shape == v_twin.shape
    assert not torch.allclose(v, v_twin)


def test_the_original_keeps_its_attention():
    model = small_transformer()
    before = model(*inputs())
    softmax_twin(model)
    assert torch.equal(model(*inputs()), before)


def test_with_a_single_token_both_attend_to_the_same():
    model = small_transformer()
    with torch.no_grad():
        for block in model.blocks:  # linear attention gives zero where no feature is positive: make all of them so
            block.attention.q_norm.weight.copy_(block.attention.k_norm.weight)
            block.attention.qkv.weight[16:32] = block.attention.qkv.weight[:16]
    torch.testing.assert_close(softmax_twin(model)(*inputs(1)), model(*inputs(1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [2, 5])
def test_the_twin_takes_every_size(side):
    assert softmax_twin(small_transformer())(*inputs(side)).shape == (1, 4, side, side)

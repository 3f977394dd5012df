"""R19: linear attention is exact and linear."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from small_models import randn, seeded
from torch.utils.flop_counter import FlopCounterMode

from linearsr.models.attention import CrossAttention, LinearAttention, attend, linear_attention, summarize
from linearsr.models.blocks import LinearBlock
from linearsr.models.conditioning import Condition

SHAPES = [(1, 1, 1, 4), (2, 3, 7, 8), (1, 2, 257, 16), (1, 1, 2048, 32)]


def quadratic(q, k, v):
    """Definition in O(N^2) and float64: phi(q) phi(k)^T, rows normalised, times v."""
    weights = F.relu(q.double()) @ F.relu(k.double()).transpose(-1, -2)
    total = weights.sum(-1, keepdim=True)
    return torch.where(total > 0, weights / total.clamp(min=1e-300), 0.0) @ v.double()


def inputs(shape, magnitude=1.0, dtype=torch.float32):
    return tuple((randn(*shape, seed=seed) * magnitude).to(dtype) for seed in range(3))


def relative_error(result, reference):
    return float((result.double() - reference).abs().max() / reference.abs().max().clamp(min=1e-12))


@pytest.mark.parametrize("magnitude", [1e-2, 1.0, 1e3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_linear_attention_equals_the_quadratic_definition(shape, magnitude, dtype, bound):
    q, k, v = inputs(shape, magnitude, dtype)
    result = linear_attention(q, k, v)
    assert result.dtype == dtype
    assert relative_error(result, quadratic(q, k, v)) <= bound


def test_summaries_of_disjoint_tokens_add_up():
    q, k, v = inputs((2, 2, 300, 8))
    parts = summarize(k[:, :, :113], v[:, :, :113]) + summarize(k[:, :, 113:], v[:, :, 113:])
    torch.testing.assert_close(parts, summarize(k, v), rtol=1e-5, atol=1e-4)
    assert relative_error(attend(q, parts), quadratic(q, k, v)) <= 1e-5


@pytest.mark.parametrize(("q_sign", "k_sign"), [(-1, 1), (1, -1)])
def test_tokens_without_positive_features_give_zeros(q_sign, k_sign):
    q, k, v = inputs((1, 2, 5, 8))
    assert torch.equal(linear_attention(q_sign * q.abs(), k_sign * k.abs(), v), torch.zeros_like(v))


def test_gradients_are_finite_where_the_normaliser_is_zero():
    q, k, v = (x.requires_grad_() for x in inputs((1, 1, 6, 4)))
    linear_attention(-q.abs(), k, v).sum().backward()
    linear_attention(q, k, v).square().sum().backward()
    assert all(torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0 for x in (k, v))
    assert torch.isfinite(q.grad).all()


def test_sums_stay_float32_under_autocast():
    q, k, v = inputs((1, 2, 2048, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (q @ k.transpose(-1, -2)).dtype == torch.bfloat16, "autocast is on"
        result = linear_attention(q, k, v)
    assert relative_error(result, quadratic(q, k, v)) <= 1e-5


def test_bfloat16_inputs_are_summed_in_float32():
    assert summarize(*(torch.ones(1, 1, 1000, 2, dtype=torch.bfloat16),) * 2)[0, 0, 0, 0] == 1000


def test_module_normalises_queries_and_keys_then_attends():
    module = seeded(1, lambda: LinearAttention(16, 2))
    x = randn(2, 9, 16)
    q, k, v = module.qkv(x).chunk(3, dim=-1)
    q, k = (F.rms_norm(part, (16,), eps=1e-6) for part in (q, k))
    heads = [part.unflatten(-1, (2, 8)).transpose(1, 2) for part in (q, k, v)]
    expected = module.out(quadratic(*heads).float().transpose(1, 2).flatten(2))
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)


def test_module_output_does_not_depend_on_the_scale_of_queries_and_keys():
    module = seeded(1, lambda: LinearAttention(16, 2))
    x = randn(1, 9, 16)
    before = module(x)
    with torch.no_grad():
        module.qkv.weight[:32] *= 1000
    torch.testing.assert_close(module(x), before, rtol=1e-4, atol=1e-5)


def slope(run, sizes=(1024, 4096, 16_384, 65_536)):
    """Log-log slope of the multiply-adds of ``run(tokens)``, counted, not timed."""
    counts = []
    for tokens in sizes:
        with FlopCounterMode(display=False) as counter:
            run(tokens)
        counts.append(counter.get_total_flops())
    return math.log(counts[-1] / counts[0]) / math.log(sizes[-1] / sizes[0])


@torch.no_grad()
def test_cost_is_linear_in_the_number_of_tokens():
    attention = LinearAttention(8, 2)
    assert slope(lambda tokens: attention(torch.zeros(1, tokens, 8))) <= 1.1
    block = LinearBlock(8, 2, 2.0)
    condition = Condition(torch.zeros(1, 8), torch.zeros(1, 6, 8), torch.zeros(1, 3, 8), None)
    assert slope(lambda tokens: block(torch.zeros(1, tokens, 8), (32, tokens // 32), condition)) <= 1.1


@torch.no_grad()
def test_the_cost_count_would_notice_a_quadratic_attention():
    def run(tokens):
        quadratic(*(torch.zeros(1, 1, tokens, 2),) * 3)

    assert slope(run, sizes=(256, 512, 1024)) > 1.9


def test_cross_attention_ignores_masked_tokens():
    module = seeded(1, lambda: CrossAttention(16, 2))
    x, guidance = randn(2, 5, 16), randn(2, 4, 16, seed=1)
    mask = torch.tensor([[True, True, False, False]] * 2)
    torch.testing.assert_close(module(x, guidance, mask), module(x, guidance[:, :2]), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(module(x, guidance, mask), module(x, guidance))


def test_a_lone_guidance_token_gets_all_attention_with_or_without_gradients():
    module = seeded(1, lambda: CrossAttention(16, 2))
    x, guidance = torch.randn(2, 6, 16), torch.randn(2, 1, 16)
    in_training = module(x, guidance)
    with torch.no_grad():
        in_use = module(x, guidance)
        also_masked = module(x, guidance, torch.ones(2, 1, dtype=torch.bool))
    assert in_use.shape == in_training.shape
    torch.testing.assert_close(in_use, in_training.detach(), rtol=0, atol=1e-6)
    torch.testing.assert_close(also_masked, in_use, rtol=0, atol=1e-6)
    in_training.sum().backward()
    assert module.q.weight.grad is not None

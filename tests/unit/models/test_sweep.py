"""Global attention in strips is the global attention of the whole."""

from __future__ import annotations

import pytest
import torch
from small_models import randn, small_transformer

import linearsr.scratch
from linearsr.models.sweep import velocity_in_strips

T = torch.tensor([0.4])


def inputs(height, width, dtype=torch.float32):
    return randn(1, 4, height, width).to(dtype), randn(1, 3, 8 * height, 8 * width, seed=1).tanh()


def reader(lr):
    return lambda top, bottom: lr[:, :, top:bottom]


@torch.inference_mode()
def in_strips(model, z, lr, rows, **guidance):
    return velocity_in_strips(model, z, model.condition(T, **guidance), reader(lr), rows=rows)


@pytest.mark.parametrize("grid", [(1, 1), (1, 6), (5, 3), (7, 4), (24, 2)])
@pytest.mark.parametrize("rows", [1, 2, 3, 64])
def test_strips_equal_the_whole(grid, rows):
    model = small_transformer()
    z, lr = inputs(*grid)
    with torch.inference_mode():
        whole = model(z, T, lr)
    torch.testing.assert_close(in_strips(model, z, lr, rows), whole, rtol=1e-5, atol=1e-5)


def test_guidance_reaches_every_strip():
    model = small_transformer()
    z, lr = inputs(6, 3)
    guidance, mask = randn(1, 4, 8, seed=2), torch.tensor([[True, True, False, True]])
    with torch.inference_mode():
        whole = model(z, T, lr, guidance, mask)
        plain = model(z, T, lr)
    torch.testing.assert_close(in_strips(model, z, lr, 2, guidance=guidance, mask_BL=mask), whole, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(whole, plain, atol=1e-3)


def test_attention_is_global_across_strips():
    model = small_transformer()
    z, lr = inputs(8, 2)
    other = z.clone()
    other[:, :, -1] += 1
    far = (in_strips(model, z, lr, 1) - in_strips(model, other, lr, 1))[:, :, 0]
    assert far.abs().max() > 1e-3


def test_lower_precision_works_in_strips_too():
    model = small_transformer().to(torch.bfloat16)
    z, lr = inputs(6, 3, torch.bfloat16)
    with torch.inference_mode():
        whole = model(z, T, lr.to(torch.bfloat16))
    strips = in_strips(model, z, lr, 2)
    assert strips.dtype == torch.bfloat16
    torch.testing.assert_close(strips, whole, rtol=0.1, atol=0.1)


def test_tokens_in_a_file_give_the_same(monkeypatch):
    model = small_transformer()
    z, lr = inputs(9, 3)
    expected = in_strips(model, z, lr, 2)
    monkeypatch.setattr(linearsr.scratch, "FILE_ABOVE_BYTES", 0)
    assert torch.equal(in_strips(model, z, lr, 2), expected)

"""Errors of the attention kernels against float64, printed as JSON: ``python kernel_errors.py cpu|cuda``.

A program of its own, because Triton decides on import whether it interprets (TRITON_INTERPRET=1) or compiles.
"""

from __future__ import annotations

import itertools
import json
import sys

import torch
import torch.nn.functional as F

SHAPES = [(1, 1, 1, 16), (2, 3, 100, 32), (1, 2, 257, 64), (1, 1, 65, 128), (1, 2, 1500, 16)]
"""B, H, N, C: one token, ends within a block, every head size, several parts."""
DTYPES = ["float32", "bfloat16", "float16"]
MAGNITUDES = [1e-2, 1.0, 1e3]
CASES = list(itertools.product(SHAPES, DTYPES, MAGNITUDES))


def inputs(shape, dtype, magnitude, device):
    """Queries, keys and values as views of one (B, N, 3 H C) tensor, as the transformer has them."""
    batch, heads, tokens, channels = shape
    generator = torch.Generator().manual_seed(tokens)
    fused = (torch.randn(batch, tokens, 3 * heads * channels, generator=generator) * magnitude).to(device, dtype)
    return [part.unflatten(-1, (heads, channels)).transpose(1, 2) for part in fused.chunk(3, dim=-1)]


def relative_error(result, reference):
    difference = (result.double().cpu() - reference).abs().max()
    return float(difference / reference.abs().max().clamp(min=1e-12))


def measure(shape, dtype, magnitude, device):
    from linearsr.models import kernels

    q, k, v = inputs(shape, dtype, magnitude, device)
    summary = kernels.summarize(k, v)
    out = kernels.attend(q, summary)
    assert out.dtype == dtype
    assert out.shape == q.shape
    assert out.transpose(1, 2).is_contiguous()
    q, k, v = (x.double().cpu() for x in (q, k, v))
    weights = F.relu(q) @ F.relu(k).transpose(-1, -2)
    total = weights.sum(-1, keepdim=True)
    expected = torch.where(total > 0, weights / total.clamp(min=1e-300), 0.0) @ v
    ones = F.pad(v, (0, 1), value=1.0)
    return {
        "summary": relative_error(summary, F.relu(k).transpose(-1, -2) @ ones),
        "result": relative_error(out, expected),
    }


def special_cases(device):
    """What the kernels make of no tokens, of features that are all zero, and of NaN."""
    from linearsr.models import kernels

    q, k, v = inputs((1, 2, 70, 16), torch.float32, 1.0, device)
    nothing = kernels.summarize(k[:, :, :0], v[:, :, :0])
    broken = k.clone()
    broken[0, 0, 3, 5] = float("nan")
    return {
        "no_tokens": float(nothing.abs().max()),
        "zero_queries": float(kernels.attend(-q.abs(), kernels.summarize(k, v)).abs().max()),
        "zero_keys": float(kernels.attend(q, kernels.summarize(-k.abs(), v)).abs().max()),
        "nan_key": bool(kernels.summarize(broken, v)[0, 0, 5].isnan().all()),
        "nan_query": bool(kernels.attend(broken, kernels.summarize(k, v))[0, 0, 3].isnan().all()),
    }


def through_the_module(device):
    """Difference of a whole attention layer with kernels and without, and how often it asked for them."""
    from linearsr.models import attention

    torch.manual_seed(0)
    layer, x = attention.LinearAttention(64, 2).to(device), torch.randn(2, 90, 64, device=device)
    attention.kernels_fit = lambda *_: False
    expected = layer(x)
    asked = []
    attention.kernels_fit = lambda *tensors: asked.append(len(tensors)) or True
    return {"error": relative_error(layer(x), expected.double().cpu()), "asked": asked}


@torch.inference_mode()
def main(device):
    # Fills fresh tensors with NaN: an element that no kernel wrote shows.
    torch.use_deterministic_algorithms(True)
    found = {
        "cases": [measure(shape, getattr(torch, dtype), size, device) for shape, dtype, size in CASES],
        "special": special_cases(device),
        "module": through_the_module(device),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

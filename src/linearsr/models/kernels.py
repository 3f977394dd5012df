"""ReLU linear attention as two Triton kernels, for inference on a GPU; ``attention.py`` has the equations.

    summarize:   S_v = sum_j phi(k_j)^T v_j,  s_1 = sum_j phi(k_j)     every key and value read once
    attend:      o_i = phi(q_i) S_v / (phi(q_i) . s_1 + EPS)           every query read once, every result written once

Tokens are cut into parts whose sums are written side by side and then added in one order, without atomics: the same
input gives the same bytes. Arithmetic and sums are float32; keys, values and queries are read where they lie.

Legend: B batch, H heads, N tokens, C channels per head (a power of two from 16 to 128), E = C + 1, P parts.
Only ``kernel_choice.py`` decides who gets here. Importing this file needs Triton.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from linearsr.models.attention import EPS

BLOCK = 64
"""Tokens that a program holds at a time."""
PART_BLOCKS = 4
"""Blocks of the shortest part: shorter ones would write more than they read."""
SUMMARY_PROGRAMS = 1024
"""Programs to sum with, where B H < this: several for each multiprocessor, and few megabytes of partial sums."""


def summarize(k_BHNC: Tensor, v_BHNC: Tensor) -> Tensor:
    """Return the (B, H, C, C+1) float32 summary of keys and values of one dtype, on one GPU."""
    B, H, N, C = k_BHNC.shape
    blocks = triton.cdiv(N, BLOCK)
    parts = max(1, min(blocks // PART_BLOCKS, SUMMARY_PROGRAMS // (B * H)))
    blocks_per_part = triton.cdiv(blocks, parts)
    parts_PBHCE = k_BHNC.new_empty(parts, B, H, C, C + 1, dtype=torch.float32)
    with torch.cuda.device_of(k_BHNC):  # type: ignore[no-untyped-call]  # Triton starts on the current device
        _summarize[(B * H, parts)](
            k_BHNC,
            v_BHNC,
            parts_PBHCE,
            H,
            N,
            blocks_per_part,
            *k_BHNC.stride()[:3],
            *v_BHNC.stride()[:3],
            # 16-bit values are exact in tf32, and their products in the float32 that tf32 is summed in.
            PRECISION="ieee" if k_BHNC.dtype == torch.float32 else "tf32",
            C=C,
            BLOCK=BLOCK,
            num_warps=_warps(C),
            enable_fp_fusion=True,  # said aloud, as the default depends on the version of Triton
        )
    return parts_PBHCE.sum(0)


def attend(q_BHNC: Tensor, summary_BHCE: Tensor) -> Tensor:
    """Read a summary with queries: (B, H, N, C) and (B, H, C, C+1) -> (B, H, N, C) in the dtype of the queries.

    In memory the result is (B, N, H, C), so that merging the heads copies nothing.
    """
    B, H, N, C = q_BHNC.shape
    summary_BHCE = summary_BHCE.contiguous()
    out_BHNC = q_BHNC.new_empty(B, N, H, C).transpose(1, 2)
    with torch.cuda.device_of(q_BHNC):  # type: ignore[no-untyped-call]
        # One axis: the second axis of a grid ends at 65,535.
        _attend[(triton.cdiv(N, BLOCK) * B * H,)](
            q_BHNC,
            summary_BHCE,
            out_BHNC,
            B * H,
            H,
            N,
            *q_BHNC.stride()[:3],
            *out_BHNC.stride()[:3],
            # The summary is not exact in tf32: three products of its upper and lower halves are, nearly.
            PRECISION="ieee" if q_BHNC.dtype == torch.float32 else "tf32x3",
            EPS=EPS,
            C=C,
            BLOCK=BLOCK,
            num_warps=_warps(C),
            enable_fp_fusion=True,
        )
    return out_BHNC


def _warps(channels: int) -> int:
    # A (128, 128) float32 tile over 4 warps would take half of a thread's registers.
    return 8 if channels == 128 else 4


@triton.jit
def _read_tokens(x, n, N, stride_n, C: tl.constexpr):
    """Tokens ``n`` of an (N, C) matrix as float32; those from N on are zeros, which add nothing."""
    # Offsets within a large image exceed 32 bits.
    addresses = x + n.to(tl.int64)[:, None] * stride_n + tl.arange(0, C)[None, :]
    return tl.load(addresses, mask=n[:, None] < N, other=0.0).to(tl.float32)


@triton.jit
def _relu(x):
    # Like torch's, and unlike a maximum, it lets NaN through.
    return tl.where(x < 0, 0.0, x)


@triton.jit(do_not_specialize=("H", "N", "blocks_per_part"))
def _summarize(
    k,
    v,
    parts,
    H,
    N,
    blocks_per_part,
    k_stride_b,
    k_stride_h,
    k_stride_n,
    v_stride_b,
    v_stride_h,
    v_stride_n,
    PRECISION: tl.constexpr,
    C: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One part of the tokens of one head: its (C, C) and (C,) sums go into its own (C, C+1) place."""
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    k += row // H * k_stride_b + row % H * k_stride_h
    v += row // H * v_stride_b + row % H * v_stride_h
    s_CC, s_C = tl.zeros((C, C), tl.float32), tl.zeros((C,), tl.float32)
    first = part * blocks_per_part * BLOCK
    for start in range(first, tl.minimum(first + blocks_per_part * BLOCK, N), BLOCK):
        n = start + tl.arange(0, BLOCK)
        k_NC = _relu(_read_tokens(k, n, N, k_stride_n, C))
        v_NC = _read_tokens(v, n, N, v_stride_n, C)
        s_CC = tl.dot(tl.trans(k_NC), v_NC, s_CC, input_precision=PRECISION)
        s_C += tl.sum(k_NC, axis=0)
    c = tl.arange(0, C)
    parts += (part * tl.num_programs(0) + row) * C * (C + 1)
    tl.store(parts + c[:, None] * (C + 1) + c[None, :], s_CC)
    tl.store(parts + c * (C + 1) + C, s_C)


@triton.jit(do_not_specialize=("rows", "H", "N"))
def _attend(
    q,
    summary,
    out,
    rows,
    H,
    N,
    q_stride_b,
    q_stride_h,
    q_stride_n,
    out_stride_b,
    out_stride_h,
    out_stride_n,
    PRECISION: tl.constexpr,
    EPS: tl.constexpr,
    C: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One block of the tokens of one head; programs of the same tokens follow each other, as heads lie in memory."""
    row, block = (tl.program_id(0) % rows).to(tl.int64), tl.program_id(0) // rows
    q += row // H * q_stride_b + row % H * q_stride_h
    out += row // H * out_stride_b + row % H * out_stride_h
    summary += row * C * (C + 1)
    n, c = block * BLOCK + tl.arange(0, BLOCK), tl.arange(0, C)
    q_NC = _relu(_read_tokens(q, n, N, q_stride_n, C))
    s_CC = tl.load(summary + c[:, None] * (C + 1) + c[None, :])
    s_C = tl.load(summary + c * (C + 1) + C)
    weighted_NC = tl.dot(q_NC, s_CC, input_precision=PRECISION)
    total_N = tl.sum(q_NC * s_C[None, :], axis=1) + EPS
    addresses = out + n.to(tl.int64)[:, None] * out_stride_n + c[None, :]
    result_NC = weighted_NC / total_N[:, None]
    tl.store(addresses, result_NC.to(out.dtype.element_ty), mask=n[:, None] < N)

"""ReLU linear attention: every token attends to every other at a cost linear in their number.

    o_i = phi(q_i) S_v / (phi(q_i) . s_1),   S_v = sum_j phi(k_j)^T v_j,   s_1 = sum_j phi(k_j),   phi = ReLU

A column of ones appended to v makes S_v and s_1 one matrix, the summary. It is a plain sum over tokens: summaries of
parts of an image add up to the summary of the whole. Sums run in float32 whatever the input's precision.
What is written here is the reference; on a GPU, inference computes the same through Triton (``kernels.py``).

Legend: B batch, N tokens, H heads, C channels per head, D = H C width.
References: Katharopoulos et al., 2020 (arXiv:2006.16236); Xie et al., SANA, 2024 (arXiv:2410.10629).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models.dense import Dense, dense
from linearsr.models.kernel_choice import kernels_fit

EPS = 1e-15
"""Added to the normaliser, so that a query whose features are all zero gives zero and not NaN."""


def summarize(k_BHNC: Tensor, v_BHNC: Tensor) -> Tensor:
    """Return the (B, H, C, C+1) float32 summary of keys and values; summaries of disjoint token sets add up."""
    if kernels_fit(k_BHNC, v_BHNC):
        from linearsr.models import kernels

        return kernels.summarize(k_BHNC, v_BHNC)
    k, v = F.relu(k_BHNC.float()), F.pad(v_BHNC.float(), (0, 1), value=1.0)
    return k.transpose(-1, -2) @ v


def attend(q_BHNC: Tensor, summary_BHCE: Tensor) -> Tensor:
    """Read a summary with queries: (B, H, N, C) and (B, H, C, C+1) -> (B, H, N, C) in the dtype of the queries."""
    if kernels_fit(q_BHNC):
        from linearsr.models import kernels

        return kernels.attend(q_BHNC, summary_BHCE)
    weighted = F.relu(q_BHNC.float()) @ summary_BHCE
    return (weighted[..., :-1] / (weighted[..., -1:] + EPS)).to(q_BHNC.dtype)


def linear_attention(q_BHNC: Tensor, k_BHNC: Tensor, v_BHNC: Tensor) -> Tensor:
    """ReLU linear attention of (B, H, N, C) tensors, in O(N); the result has the dtype of ``v``."""
    with _float32_sums(q_BHNC):
        return attend(q_BHNC, summarize(k_BHNC, v_BHNC)).to(v_BHNC.dtype)


def _float32_sums(x: Tensor) -> torch.autocast:
    # Autocast would run the two matrix products in its low precision and lose the float32 sums.
    return torch.autocast(x.device.type, enabled=False)


QK_NORM_EPS = 1e-6
"""Epsilon of the RMS norm of queries and keys, where a configuration names no other."""


class LinearAttention(nn.Module):
    """Multi-head ReLU linear self-attention with RMS-normalised queries and keys. (B, N, D) -> (B, N, D).

    ``forward`` is ``read(x, summarize(x))``; of an image in parts, all are summarized first, then each reads the sum.
    """

    def __init__(self, width: int, heads: int, qk_norm_eps: float | None = QK_NORM_EPS) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Dense(width, 3 * width, bias=False)
        self.q_norm = _qk_norm(width, qk_norm_eps)
        self.k_norm = _qk_norm(width, qk_norm_eps)
        self.out = Dense(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x, self.summarize(x))

    def summarize(self, x: Tensor) -> Tensor:
        """Keys and values of (B, N, D) tokens as a (B, H, C, C+1) float32 summary."""
        k, v = dense(x, self.qkv.weight[x.shape[-1] :]).chunk(2, dim=-1)
        with _float32_sums(x):
            return summarize(split_heads(self.k_norm(k), self.heads), split_heads(v, self.heads))

    def read(self, x: Tensor, summary: Tensor) -> Tensor:
        """Attention of (B, N, D) tokens to whatever the summary was made of."""
        q = split_heads(self.q_norm(dense(x, self.qkv.weight[: x.shape[-1]])), self.heads)
        with _float32_sums(x):
            attended = attend(q, summary)
        out: Tensor = self.out(merge_heads(attended))
        return out


class CrossAttention(nn.Module):
    """Softmax attention from image tokens to guidance tokens. (B, N, D), (B, L, D) -> (B, N, D).

    L is small (tags, not captions), so this too is linear in the number of image tokens.
    """

    def __init__(self, width: int, heads: int, qk_norm_eps: float | None = QK_NORM_EPS) -> None:
        super().__init__()
        self.heads = heads
        self.q = Dense(width, width)
        self.kv = Dense(width, 2 * width)
        self.q_norm = _qk_norm(width, qk_norm_eps)
        self.k_norm = _qk_norm(width, qk_norm_eps)
        self.out = Dense(width, width)

    def forward(self, x: Tensor, guidance: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        k, v = self.kv(guidance).chunk(2, dim=-1)
        if guidance.shape[1] == 1 and mask_BL is None and not torch.is_grad_enabled():
            # All attention goes to a lone token, whatever the queries (in training they still belong to the graph).
            lone: Tensor = self.out(v)
            return lone.expand_as(x)
        q, k, v = (split_heads(part, self.heads) for part in (self.q_norm(self.q(x)), self.k_norm(k), v))
        mask = None if mask_BL is None else mask_BL[:, None, None, :]
        out: Tensor = self.out(merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask)))
        return out


def _qk_norm(width: int, eps: float | None) -> nn.Module:
    """RMS norm across all heads; without an epsilon there is none."""
    return nn.Identity() if eps is None else nn.RMSNorm(width, eps=eps)


def split_heads(x_BND: Tensor, heads: int) -> Tensor:
    """(B, N, H C) -> (B, H, N, C)."""
    return x_BND.reshape(*x_BND.shape[:-1], heads, -1).transpose(1, 2)


def merge_heads(x_BHNC: Tensor) -> Tensor:
    """(B, H, N, C) -> (B, N, H C)."""
    return x_BHNC.transpose(1, 2).flatten(2)

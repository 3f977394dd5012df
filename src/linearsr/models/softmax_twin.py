"""The softmax twin: the same transformer with softmax self-attention, to measure what linear attention saves.

    o_i = sum_j softmax_j(q_i . k_j / sqrt(C)) v_j            in place of  phi(q_i) S_v / (phi(q_i) . s_1)

Its cost grows with N^2, the square of the number of tokens. For comparison only: nothing trains or upscales with it.
Legend: B batch, N tokens, H heads, C channels per head, D = H C width.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models.attention import LinearAttention, merge_heads, split_heads
from linearsr.models.transformer import LinearTransformer


class SoftmaxAttention(nn.Module):
    """Softmax attention with the projections and norms of a linear one. (B, N, D) -> (B, N, D).

    It has the methods of :class:`LinearAttention`, but here the summary is every key and value: nothing adds up.
    """

    def __init__(self, linear: LinearAttention) -> None:
        super().__init__()
        self.heads = linear.heads
        self.qkv, self.q_norm, self.k_norm, self.out = linear.qkv, linear.q_norm, linear.k_norm, linear.out

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x, self.summarize(x))

    def summarize(self, x: Tensor) -> Tensor:
        """Keys and values of (B, N, D) tokens, (2, B, H, N, C)."""
        k, v = F.linear(x, self.qkv.weight[x.shape[-1] :]).chunk(2, dim=-1)
        return torch.stack([split_heads(part, self.heads) for part in (self.k_norm(k), v)])

    def read(self, x: Tensor, keys_and_values: Tensor) -> Tensor:
        """Attention of (B, N, D) tokens to those keys and values."""
        q = split_heads(self.q_norm(F.linear(x, self.qkv.weight[: x.shape[-1]])), self.heads)
        out: Tensor = self.out(merge_heads(F.scaled_dot_product_attention(q, *keys_and_values)))
        return out


def softmax_twin(transformer: LinearTransformer) -> LinearTransformer:
    """Return a copy of ``transformer``, with equal weights, whose self-attention is softmax attention."""
    twin = copy.deepcopy(transformer)
    for block in twin.blocks:
        block.attention = SoftmaxAttention(block.attention)  # type: ignore[arg-type]
    return twin

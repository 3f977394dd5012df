"""Statistics of features in the middle of a transformer: what the training loss does not show.

    kurtosis        mean over tokens of  E_c[x^4] / E_c[x^2]^2      few channels that outgrow the others raise it
    mean square     E[x^2]                                          features that run away raise it
    effective rank  exp(-sum_i p_i ln p_i),  p_i = s_i / sum s      directions that are used, of at most D

x are the tokens (N, D) that leave the middle block, s the singular values of that matrix. LinearSR reports coherent
features at the knee and noisy ones far beyond it, at a lower training loss.
References: Li et al., 2025 (arXiv:2510.08771); Roy and Vetterli, 2007, for the effective rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from linearsr.models.transformer import LinearTransformer

FEATURES = ("kurtosis", "mean_square", "effective_rank")


@contextmanager
def recorded_features(transformer: LinearTransformer) -> Iterator[list[Tensor]]:
    """Collect what leaves the middle block of ``transformer`` as (N, D) float32 matrices, one per forward pass."""
    collected: list[Tensor] = []

    def keep(block: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        collected.append(output.detach().flatten(0, 1).float())

    handle = transformer.blocks[len(transformer.blocks) // 2].register_forward_hook(keep)
    try:
        yield collected
    finally:
        handle.remove()


def feature_statistics(tokens_ND: Tensor) -> dict[str, float]:  # noqa: N803  # shape suffix
    """Return the three statistics of a matrix of tokens."""
    x = tokens_ND.double()
    squares = x.square()
    kurtosis = (squares.square().mean(1) / squares.mean(1).square().clamp(min=1e-30)).mean()
    # Singular values by way of the small D x D matrix: there are many more tokens than channels.
    singular = torch.linalg.eigvalsh(x.T @ x).clamp(min=0).sqrt()
    share = singular / singular.sum().clamp(min=1e-30)
    rank = torch.special.entr(share).sum().exp()
    return {"kurtosis": float(kurtosis), "mean_square": float(squares.mean()), "effective_rank": float(rank)}

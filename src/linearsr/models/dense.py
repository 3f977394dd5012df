"""Linear layers of tokens, by the library that is fast on this processor.

    y = x W^T + b

PyTorch's matrix products on a CPU are MKL's. On an AMD processor with AVX-512 they reach half the speed of oneDNN's
convolutions, so there a linear layer runs as a 1x1 convolution (docs/decisions/0008-strips.md). A fixed rule, so that
the same machine always gives the same bytes.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.processor import processor_name


class Dense(nn.Linear):
    """A linear layer of tokens, (B, N, D_in) -> (B, N, D_out)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return dense(input, self.weight, self.bias)


def dense(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W^T + b for tokens (B, N, D_in) and a weight (D_out, D_in): (B, N, D_out)."""
    suits = x.device.type == "cpu" and x.dtype == torch.float32 and x.ndim == 3
    # What learns keeps to one way on every machine; a compiler chooses its own.
    if not suits or torch.is_grad_enabled() or torch.compiler.is_compiling() or not convolutions_are_faster():
        return F.linear(x, weight, bias)
    image = x.contiguous().unsqueeze(2).permute(0, 3, 1, 2)  # (B, D, N, 1), in channels_last order as it lies
    return F.conv2d(image, weight[:, :, None, None], bias).permute(0, 2, 3, 1).squeeze(2)


@cache
def convolutions_are_faster() -> bool:
    """Whether 1x1 convolutions beat matrix products here."""
    capability = torch.backends.cpu.get_cpu_capability()
    has_mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    return has_mkl and capability == "AVX512" and processor_name().startswith("AMD")

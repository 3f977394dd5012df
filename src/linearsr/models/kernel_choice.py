"""Decides whether linear attention runs through the Triton kernels of ``kernels.py`` or through plain PyTorch.

PyTorch is the reference and runs everywhere. The kernels compute the same with a fraction of the memory traffic
(docs/decisions/0009-gpu-kernels.md). ``LINEARSR_KERNELS=0`` in the environment switches them off.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

SWITCH = "LINEARSR_KERNELS"
"""Name of the environment variable; "0" means plain PyTorch, anything else is ignored."""
HEAD_SIZES = (16, 32, 64, 128)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def kernels_fit(*tensors_BHNC: Tensor) -> bool:
    """Whether the kernels can and should take these (B, H, N, C) tensors, which have the same C."""
    first = tensors_BHNC[0]
    return (
        first.is_cuda
        and not torch.is_grad_enabled()  # the kernels have no backward
        and not torch.compiler.is_compiling()  # the compiler fuses plain operators by itself
        and _get_current_dispatch_mode() is None  # who counts or watches operators would miss what a kernel does
        and os.environ.get(SWITCH) != "0"
        and first.shape[-1] in HEAD_SIZES
        and first.dtype in DTYPES
        and all(x.dtype == first.dtype and x.stride(-1) == 1 for x in tensors_BHNC)
        and kernels_run(first.device, first.dtype, first.shape[-1])
    )


@functools.cache
def kernels_run(device: torch.device, dtype: torch.dtype, channels: int) -> bool:
    """Whether the kernels work here: one token goes through them. If they fail, a warning says why, once."""
    if importlib.util.find_spec("triton") is None:
        return False
    try:
        from linearsr.models import kernels

        token = torch.ones(1, 1, 1, channels, device=device, dtype=dtype)
        kernels.attend(token, kernels.summarize(token, token))
    except Exception as error:  # Triton, the C compiler it calls and the driver each have errors of their own
        warnings.warn(
            f"the GPU kernels of linear attention do not run on {device} ({type(error).__name__}: {error}); "
            f"PyTorch does their work. {SWITCH}=0 in the environment switches them off",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True

"""Tensors that may be too large for main memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from linearsr.scratch import is_large, mapped_file


def roomy_empty(shape: Sequence[int], like: Tensor) -> Tensor:
    """Return a tensor of undefined values of the dtype and on the device of ``like``, in a file if it is large.

    Raises:
        OutputError: if the disk has no room for it.
    """
    count = math.prod(shape) * like.element_size()
    # Memory of accelerators is what is scarce there, but a file would be far slower.
    if like.device.type != "cpu" or not is_large(count):
        return like.new_empty(tuple(shape))
    return torch.frombuffer(mapped_file(count), dtype=like.dtype).view(*shape)

"""Counts the multiply-adds (MACs) that a piece of work really does: those of its products and convolutions.

torch knows how many floating-point operations each such kernel does; two of them make one multiply-add. Its own counter
also follows which module they belong to, and that fails on parameters seen in inference mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count


def _attention(query: Any, key: Any, value: Any, *_: object, **__: object) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _attention_backward(grad: Any, query: Any, key: Any, value: Any, *_: object, **__: object) -> int:
    shapes = grad.shape, query.shape, key.shape, value.shape
    return int(sdpa_backward_flop_count(*shapes))  # type: ignore[no-untyped-call]


def _convolution_backward(grad: Any, x: Any, weight: Any, *options: Any, **__: object) -> int:
    # Each gradient takes every product of the forward pass once more. torch's own count of the weights' gradient takes
    # every convolution for a dense one, and a depth-wise one has as many times less as it has channels.
    *_, transposed, _padding, _groups, (of_input, of_weight, _of_bias) = options
    positions = (x if transposed else grad).shape[2:]
    return int(2 * len(x) * prod(positions) * weight.numel() * (of_input + of_weight))


_COUNTS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    torch.ops.aten.convolution_backward: _convolution_backward,
    # The CPU's fused attention is missing from torch's list.
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class MacCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While entered, counts into ``macs``."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._flops = 0

    @property
    def macs(self) -> int:
        """Multiply-adds so far."""
        return self._flops // 2

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        count = _COUNTS.get(func._overloadpacket)
        if count is None:
            # Composite operators arrive whole in inference mode; their parts are what counts.
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if count is not None:
            self._flops += count(*args, **kwargs, out_val=result)
        return result


def count_macs(work: Callable[[], object]) -> int:
    """Multiply-adds of one run of ``work``."""
    counter = MacCounter()
    with counter:
        work()
    return counter.macs

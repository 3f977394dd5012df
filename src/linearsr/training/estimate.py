"""What a step of the flow or experts stage takes, told before anything is computed: arithmetic, memory and time.

The step is traced with tensors that have shapes and no content, on networks of one and two blocks and on one and two
samples: everything is linear in depth, and in samples.

    state         weights, gradients, moments and running average, float32; under FSDP a share of each per GPU
    activations   what autograd keeps until the backward pass, low-precision copies of weights included
    block         the same of one block, which is computed again when activations are not kept; what FSDP gathers
    encoder       inputs and outputs of the largest layer that makes the target latent; over before the rest begins

    peak = state + max(encoder, activations + block, what the optimizer computes with: as much as the gradients)
    FLOPs = 3 forward, 4 of blocks that are computed again, and one of the encoder
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from linearsr.models.autoencoder import LR_STRIDE, SCALE
from linearsr.models.blocks import LinearBlock
from linearsr.models.transformer import LinearTransformer, TransformerConfig
from linearsr.training.config import Execution, StageConfig
from linearsr.training.execution import lowered, prepared
from linearsr.training.objective import velocity_loss

FLOAT = 4
"""Bytes of a float32."""


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A number of bytes or FLOPs that grows with the samples computed at once."""

    fixed: int
    each: int

    def at(self, samples: int) -> int:
        """Its value."""
        return self.fixed + samples * self.each

    def plus(self, other: Linear, times: int = 1) -> Linear:
        """This and so many times the other."""
        return Linear(fixed=self.fixed + times * other.fixed, each=self.each + times * other.each)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A forward pass: FLOPs, and bytes that are kept for the backward pass."""

    flops: Linear
    kept: Linear

    def plus(self, other: Pass, times: int = 1) -> Pass:
        """This and so many times the other."""
        return Pass(flops=self.flops.plus(other.flops, times), kept=self.kept.plus(other.kept, times))


@dataclass(frozen=True, kw_only=True)
class State:
    """Bytes on one GPU that stay from step to step; ``weights`` include the encoder's."""

    weights: int
    gradients: int
    moments: int
    average: int

    @property
    def total(self) -> int:
        """Their sum."""
        return self.weights + self.gradients + self.moments + self.average


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What a step takes, by samples: all of the transformer, with activations kept and not, one block, the encoder."""

    config: StageConfig
    transformer: TransformerConfig
    encoder_parameters: int
    kept: Pass
    recomputed: Pass
    block: Pass
    encoder: Pass

    def flops(self, *, recompute: bool) -> int:
        """FLOPs of the whole batch."""
        again = self.transformer.depth if recompute else 0
        sample = 3 * self.kept.flops.each + again * self.block.flops.each + self.encoder.flops.each
        return self.config.batch * sample

    def state(self, *, shards: int = 1) -> State:
        """What stays on a GPU that holds one of ``shards`` equal parts; the encoder is whole on each."""
        shapes = [parameter.shape for parameter in _outline(self.transformer).parameters()]
        share = -(-FLOAT * sum(shape.numel() for shape in shapes) // shards)
        moments = FLOAT * sum(_moments(shape, self.config.optimizer) for shape in shapes)
        encoder = FLOAT * self.encoder_parameters
        return State(weights=share + encoder, gradients=share, moments=-(-moments // shards), average=share)

    def activations(self, samples: int, *, recompute: bool, sharded: bool = False) -> int:
        """Bytes that come and go within a step of so many samples at once."""
        gathered = 2 * FLOAT * _largest_group(self.transformer) if sharded else 0
        kept = (self.recomputed if recompute else self.kept).kept.at(samples)
        return max(self.encoder.kept.at(samples), kept + self.block.kept.at(samples) + gathered)

    def peak(self, samples: int, *, recompute: bool, shards: int = 1) -> int:
        """Bytes on a GPU at the fullest moment of a step."""
        state = self.state(shards=shards)
        return state.total + max(state.gradients, self.activations(samples, recompute=recompute, sharded=shards > 1))


def trace_step(config: StageConfig, transformer: TransformerConfig, encoder: nn.Module) -> StepCost:
    """Trace a step of ``config``; ``encoder`` makes the target latent, and lies on the "meta" device."""
    keeping, again = (replace(config.execution, recompute=again) for again in (False, True))
    block, kept = _by_depth(config, keeping, transformer)
    return StepCost(
        config=config,
        transformer=transformer,
        encoder_parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        kept=kept,
        recomputed=_by_depth(config, again, transformer)[1],
        block=block,
        encoder=_by_samples(_trace_encoder(encoder, samples, config.lr_side * SCALE) for samples in (1, 2)),
    )


def _by_depth(config: StageConfig, execution: Execution, transformer: TransformerConfig) -> tuple[Pass, Pass]:
    """Return one block, and the whole transformer."""
    one, two = (
        _by_samples(
            _trace_transformer(config.lr_side, execution, replace(transformer, depth=depth), samples)
            for samples in (1, 2)
        )
        for depth in (1, 2)
    )
    block = two.plus(one, -1)
    return block, one.plus(block, transformer.depth - 1)


def _by_samples(traces: Iterable[tuple[int, int]]) -> Pass:
    """Turn (FLOPs, bytes) of one and of two samples into lines."""
    one, two = traces
    flops, kept = (Linear(fixed=2 * a - b, each=b - a) for a, b in zip(one, two, strict=True))
    return Pass(flops=flops, kept=kept)


def _trace_transformer(
    lr_side: int, execution: Execution, transformer: TransformerConfig, samples: int
) -> tuple[int, int]:
    side = lr_side // LR_STRIDE
    # The CPU's autocast stands for the GPU's: tensors without content can be on a device that is not there, it cannot.
    execution = replace(execution, device="cpu", compiled=False)
    with FakeTensorMode():
        network = LinearTransformer(transformer)
        z = torch.empty(samples, transformer.latent_channels, side, side)
        lr = torch.empty(samples, 3, lr_side, lr_side)
        with (
            FlopCounterMode(display=False) as counter,
            prepared(network, execution),
            _kept(network) as kept,
            lowered(execution),
        ):
            velocity_loss(network(z, torch.empty(samples), lr), z)
    return counter.get_total_flops(), sum(kept.values())


def _trace_encoder(encoder: nn.Module, samples: int, side: int) -> tuple[int, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter, _LargestOperation() as largest:
        encoder(torch.empty(samples, 3, side, side, device="meta"))
    return counter.get_total_flops(), largest.bytes


@contextmanager
def _kept(network: nn.Module) -> Iterator[dict[int, int]]:
    """Collect the sizes of what autograd saves, storage by storage, without the network's own weights."""
    own = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    sizes: dict[int, int] = {}
    alive = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            sizes[storage._cdata] = storage.nbytes()
            alive.append(storage)  # or another storage might take its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes


class _LargestOperation(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While entered, remembers the most bytes that one operation has before and after it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        around = [value.untyped_storage() for value in (*args, result) if isinstance(value, Tensor)]
        self.bytes = max(self.bytes, sum({storage._cdata: storage.nbytes() for storage in around}.values()))
        return result


def _moments(shape: torch.Size, optimizer: Literal["adamw", "came"]) -> int:
    """Numbers that an optimizer remembers of one parameter."""
    if optimizer == "adamw" or len(shape) < 2:
        return 2 * shape.numel()
    # One momentum; rows and columns of the second moments and of its instability.
    return shape.numel() + 2 * (shape[:-1].numel() + shape[:-2].numel() * shape[-1])


def _outline(transformer: TransformerConfig) -> LinearTransformer:
    with torch.device("meta"):
        return LinearTransformer(transformer)


def _largest_group(transformer: TransformerConfig) -> int:
    """Parameters of the largest group that FSDP gathers at once: a block, or all that is outside of blocks."""
    network = _outline(replace(transformer, depth=1))
    blocks = [part for part in network.modules() if isinstance(part, LinearBlock)]
    block = sum(parameter.numel() for part in blocks for parameter in part.parameters())
    return max(block, sum(parameter.numel() for parameter in network.parameters()) - block)

"""Several processes that train one model together; the only file that knows about ranks.

    ddp     every rank holds the whole model, and gradients are averaged during the backward pass
    fsdp    every rank holds a share of each parameter, gradient and moment; a block is gathered just before it runs

torchrun and ``accelerate launch`` start one program several times and tell each copy its rank through the environment.
Each rank computes the loss of its share of every batch. With a single process nothing is started, and every function
here returns at once what it was given.
References: Li et al., 2020 (arXiv:2006.15704), DDP; Liang et al., TorchTitan, 2024 (arXiv:2410.06511), FSDP2.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from linearsr.errors import ConfigError, TrainingError
from linearsr.models.blocks import LinearBlock
from linearsr.training.config import Part

LossFunction = Callable[[int, Part], tuple[Tensor, dict[str, float]]]
"""Step and part -> the loss of that part of this rank's share of the batch, and the values to log."""


@dataclass(frozen=True, kw_only=True)
class Parallelism:
    """How the ranks share the model: a copy each (``"ddp"``), or a part each (``"fsdp"``)."""

    mode: Literal["ddp", "fsdp"] = "ddp"

    def __post_init__(self) -> None:
        if self.mode not in ("ddp", "fsdp"):
            raise ConfigError(f"parallelism must be ddp or fsdp, not {self.mode!r}", remedy="choose one of them")


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes of this run, if torchrun started several, and leave them at the end.

    Raises:
        ConfigError: if the environment names several processes but not how to reach them.
    """
    world_size = os.environ.get("WORLD_SIZE", "1")
    if world_size == "1":
        yield
        return
    on_gpus = torch.cuda.is_available()
    try:
        device = torch.cuda.device(int(os.environ["LOCAL_RANK"])) if on_gpus else nullcontext()
        # Scalars that ranks agree on lie on the CPU; only tensors of the model travel between GPUs.
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo")
    except (KeyError, ValueError) as error:
        remedy = "start it with torchrun, or unset WORLD_SIZE"
        raise ConfigError(f"WORLD_SIZE is {world_size}, but {error}", remedy=remedy) from error
    try:
        with device:
            yield
    finally:
        dist.destroy_process_group()


def active() -> bool:
    """Whether this process is one of a group."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number among all, from 0."""
    return dist.get_rank() if active() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if active() else 1


def is_main() -> bool:
    """Whether this is the process that writes logs, curves and checkpoints."""
    return rank() == 0


def own_share(batch: Tensor) -> Tensor:
    """Return this rank's samples of a whole (B, ...) batch, in order: (B / world, ...).

    Raises:
        ConfigError: if the ranks' shares would differ in size, and so would the weight of a sample.
    """
    if len(batch) % world():
        raise ConfigError(f"a batch of {len(batch)} cannot be split among {world()} ranks", remedy="use a multiple")
    size = len(batch) // world()
    return batch[rank() * size : (rank() + 1) * size]


def own_draw(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """Return this rank's ``count`` samples of what ``draw(n)`` gives for the n samples of the whole batch.

    What is random in a sample is thus the same whatever the number of ranks.
    """
    return own_share(draw(count * world()))


def mean(values: Mapping[str, float]) -> dict[str, float]:
    """Mean over the ranks, name by name; NaN everywhere where one rank has it."""
    if not active():
        return dict(values)
    total = torch.tensor(list(values.values()), dtype=torch.float64)
    dist.all_reduce(total)
    return dict(zip(values, (total / world()).tolist(), strict=True))


def any_rank(flag: bool) -> bool:
    """Whether ``flag`` is true on at least one rank."""
    if not active():
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


def wait_for_all() -> None:
    """Return when every rank has come here."""
    any_rank(False)


def check_same(value: int, what: str) -> None:
    """Make sure that every rank has the same ``value``.

    Raises:
        TrainingError: on every rank, if one of them differs.
    """
    if any_rank(mean({what: value})[what] != value):
        raise TrainingError(f"ranks differ in {what}", remedy="put the run folder where every rank sees the same files")


def average_gradients(module: nn.Module) -> None:
    """Average over the ranks the gradients of a module that :func:`spread` does not look after."""
    if active():
        _average(parameter.grad for parameter in module.parameters() if parameter.grad is not None)


def average_buffers(module: nn.Module) -> None:
    """Average running statistics, which every rank has collected from its own samples."""
    if active():
        _average(buffer for buffer in module.buffers() if buffer.is_floating_point())


def _average(tensors: Iterable[Tensor]) -> None:
    for tensor in tensors:
        dist.all_reduce(tensor)
        tensor.div_(world())


class _StageLoss(nn.Module):
    """A stage's loss as one forward pass: DDP and FSDP2 hook into that, and stages call any method of their module."""

    def __init__(self, module: nn.Module, loss: LossFunction) -> None:
        super().__init__()
        self.module, self._loss = module, loss

    def forward(self, step: int, part: Part) -> tuple[Tensor, dict[str, float]]:
        return self._loss(step, part)


def spread(
    module: nn.Module, loss: LossFunction, parallelism: Parallelism, *, alongside: Iterable[nn.Module]
) -> LossFunction:
    """Let all ranks train ``module``; return what to call instead of ``loss``.

    All ranks start from the main rank's weights, those of the modules trained ``alongside`` included. FSDP2 leaves only
    this rank's shares in the module, for good: build optimizers after this, and do not use the module elsewhere.
    """
    if not active():
        return loss
    for part in (module, *alongside):
        for tensor in (*part.parameters(), *part.buffers()):
            dist.broadcast(tensor.detach(), src=0)
    whole_step = _StageLoss(module, loss)
    return _fully_sharded(whole_step) if parallelism.mode == "fsdp" else _copied(whole_step)


def _copied(whole_step: _StageLoss) -> LossFunction:
    # DDP copies gradients of another memory layout than its own; it says so, and it costs next to nothing.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
    # Some stages leave parameters out of some steps. The search for them also keeps DDP from sorting its buckets anew
    # after the first step, which would let a resumed run add up in another order.
    copies = nn.parallel.DistributedDataParallel(whole_step, find_unused_parameters=True)

    def loss_of_part(step: int, part: Part) -> tuple[Tensor, dict[str, float]]:
        # Gradients of the earlier parts stay here; the sum over all parts is averaged over the ranks with the last.
        with nullcontext() if part.is_last else copies.no_sync():
            value: tuple[Tensor, dict[str, float]] = copies(step, part)
            return value

    return loss_of_part


def _fully_sharded(whole_step: _StageLoss) -> LossFunction:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    whole_step.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    mesh = init_device_mesh(next(whole_step.parameters()).device.type, (world(),))
    for part in whole_step.modules():
        if isinstance(part, LinearBlock):
            fully_shard(part, mesh=mesh)
    fully_shard(whole_step, mesh=mesh)
    return whole_step


@contextmanager
def gathered(loss: LossFunction) -> Iterator[None]:
    """Let parts of the module be called by themselves for a while, on every rank alike.

    ``loss`` is what :func:`spread` returned.
    """
    if not active():
        yield
        return
    from torch.distributed.fsdp import FSDPModule

    if not isinstance(loss, FSDPModule):
        yield
        return
    loss.unshard()
    try:
        yield
    finally:
        loss.reshard()


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor of which each rank may hold a share. To be called on every rank."""
    if not active():
        return tensor
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def collect(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return whole copies in the main process's memory, and nothing on other ranks. To be called on every rank."""
    copies = {}
    for name, tensor in tensors.items():
        full = whole(tensor.detach())
        if is_main():
            copies[name] = full.to("cpu", copy=True).contiguous()
    return copies


def placed_like(tensor: Tensor, pattern: Tensor) -> Tensor:
    """Return this rank's share of ``tensor`` where ``pattern`` is a share, else ``tensor`` itself.

    To be called on every rank, with the whole tensor.
    """
    if not active():
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(pattern, DTensor):
        return tensor
    return distribute_tensor(tensor.to(pattern.device), pattern.device_mesh, pattern.placements)

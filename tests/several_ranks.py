"""Tiny stages for several processes, started as torchrun would, but forked from a server that has torch imported."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_models import randn, small_autoencoder, small_transformer
from torch import Tensor, nn
from toy_training import StopAt, ToyStage, stage_config

from linearsr.data.loader import PairPool
from linearsr.diffusion.flow import TimestepDensity
from linearsr.errors import TrainingError
from linearsr.training import distributed
from linearsr.training.checkpoint import MAIN, load_checkpoint, save_checkpoint
from linearsr.training.config import WHOLE, Execution, Part, StageConfig
from linearsr.training.distributed import Parallelism
from linearsr.training.ema import EMA
from linearsr.training.guards import StepGuard
from linearsr.training.learner import Learner
from linearsr.training.loop import train
from linearsr.training.stages import FlowStage
from linearsr.training.validation import Measurement, Validation, at_every_t

FIRST = StageConfig(name="first", steps=4, batch=4, lr_side=16, learning_rate=1e-3, warmup=1, save_every=2)
SECOND = replace(FIRST, name="second", seed=1)
# A server that has imported all of torch once forks every process, so that each starts in milliseconds.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["torch._dynamo", "torch.distributed.fsdp", "linearsr.training.loop"])


def start_ranks(world: int, work: Callable[..., None], *arguments: object) -> list[ForkServerProcess]:
    """Start ``world`` processes that run ``work(*arguments)`` as ranks of one group."""
    places = torchrun_environment(world)
    processes = [SERVER.Process(target=_as_rank, args=(place, work, arguments)) for place in places]
    for process in processes:
        process.start()
    return processes


def run_ranks(world: int, work: Callable[..., None], *arguments: object) -> list[int | None]:
    """Run ``work`` on every rank and return the exit codes."""
    processes = start_ranks(world, work, *arguments)
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def torchrun_environment(world: int) -> list[dict[str, str]]:
    """The variables that torchrun sets, for each rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    return [{"RANK": str(r), "LOCAL_RANK": str(r), "WORLD_SIZE": str(world), **address} for r in range(world)]


def _as_rank(place: dict[str, str], work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    os.environ.update(place, CUDA_VISIBLE_DEVICES="")
    torch.set_num_threads(1)
    with distributed.joined():
        work(*arguments)


def run_as_rank(own: int, monkeypatch: pytest.MonkeyPatch, work: Callable[..., None], *arguments: object) -> None:
    """Run ``work`` on two ranks, of which ``own`` is this very process."""
    places = torchrun_environment(2)
    other = SERVER.Process(target=_as_rank, args=(places[1 - own], work, arguments))
    other.start()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # as in the other process
    for name, value in places[own].items():
        monkeypatch.setenv(name, value)
    with distributed.joined():
        work(*arguments)
    other.join(120)
    assert other.exitcode == 0


def two_stages(folder: str, mode: str, parts: int, kill: tuple[str, int] | None = None) -> None:
    """Train a transformer, then a copy of it inside an expert's interval, each rank's share computed in ``parts``.

    ``kill`` names a stage and a step to die at. Both stages save and validate every second step.
    """
    weights = None
    for config, density in ((FIRST, TimestepDensity()), (SECOND, TimestepDensity(low=0.2, high=0.8))):
        transformer = small_transformer()
        transformer.load_state_dict(weights or transformer.state_dict())
        config = replace(config, execution=Execution(accumulate=parts))
        stage = FlowStage(config, transformer, small_autoencoder(), random_pool(), density)
        if kill is not None and kill[0] == config.name:
            stage = DieAt(stage, kill[1])
        validation = Validation(every=2, measure=velocity_at(transformer))
        weights = train(stage, Path(folder) / config.name, validation, Parallelism(mode=mode))


def velocity_at(transformer: nn.Module) -> Callable[[], Measurement]:
    """A measure that calls the transformer by itself, outside of any step."""

    @torch.no_grad()
    def measure() -> Measurement:
        velocity = at_every_t(transformer)(randn(1, 4, 2, 2), 0.5, randn(1, 3, 16, 16))
        return Measurement({"velocity": float(velocity.mean())})

    return measure


def random_pool() -> PairPool:
    sides = {"hr": (3, 128, 160), "lr": (2, 3, 32, 40)}
    hr, lr = (
        tuple(((randn(*shape, seed=seed) * 60 + 128).clamp(0, 255)).to(torch.uint8) for seed in range(3))
        for shape in sides.values()
    )
    return PairPool(("a", "b", "c"), hr, lr)


def spoiled_toy(folder: str, mode: str, spoil: dict[int, float], ranks: tuple[int, ...]) -> None:
    """Train the toy with its loss multiplied at some steps on some ranks, and write what every rank ends with."""
    rank = distributed.rank()
    factors = spoil if rank in ranks else {}
    stage = ToyStage(
        stage_config(steps=32, warmup=1),
        spoil={step: lambda loss, factor=factor: loss * factor for step, factor in factors.items()},
    )
    train(stage, Path(folder), parallelism=Parallelism(mode=mode))
    tensors = {name: distributed.whole(value) for name, value in stage.module.state_dict().items()}
    tensors |= {f"helper/{name}": value for name, value in stage.auxiliary["helper"].module.state_dict().items()}
    save_file(tensors, Path(folder) / f"rank{rank}.safetensors")


def toy_that_must_stop(folder: str) -> None:
    """Three steps in a row that are not finite on the second rank stop both."""
    with pytest.raises(TrainingError, match="3 steps in a row"):
        spoiled_toy(folder, "ddp", dict.fromkeys((1, 2, 3), math.nan), (1,))


def save_again(source: str, target: str, mode: str) -> None:
    """Load a checkpoint of :func:`two_stages` and save it elsewhere."""
    module = small_transformer()
    distributed.spread(module, lambda step, part: (torch.zeros(()), {}), Parallelism(mode=mode), alongside=())
    learners = {MAIN: Learner(module, torch.optim.AdamW(module.parameters()), spread=True)}
    state = learners, EMA(module, 0.9), StepGuard()
    save_checkpoint(Path(target), *state, step=load_checkpoint(Path(source), *state))


class DieAt(StopAt):
    """A stage in which every rank is killed at one step."""

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        if step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._stage.loss(step, part)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.joined():
        two_stages(sys.argv[1], sys.argv[2], parts=1)

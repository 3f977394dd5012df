"""What a stage is told: what it learns from how many pictures, how fast, and how its steps are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from linearsr.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How steps are computed; a step means the same whichever way.

    ``accumulate`` computes a batch in that many parts, one after the other; ``recompute`` keeps only the inputs of
    blocks and computes the rest again in the backward pass. Both trade time for memory. ``compiled`` runs the networks
    through ``torch.compile``. "bf16" is autocast: weights, moments and losses stay float32, but
    for the trunks of the perceptual ones.
    """

    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    compiled: bool = False
    recompute: bool = False
    accumulate: int = 1

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(f"training precision must be fp32 or bf16, not {self.precision!r}", remedy="choose one")
        if self.accumulate < 1:
            raise ConfigError(f"accumulate must be at least 1, not {self.accumulate}", remedy="use 1 for no parts")


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """What every stage needs to know. ``lr_side`` is the LR crop in pixels, a multiple of 8."""

    name: str
    steps: int
    batch: int
    lr_side: int
    learning_rate: float
    warmup: int = 50
    final_rate: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.995
    seed: int = 0
    optimizer: Literal["adamw", "came"] = "adamw"
    log_every: int = 20
    save_every: int = 200
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        if self.lr_side % 8 or self.lr_side <= 0:
            raise ConfigError(f"lr_side must be a positive multiple of 8, not {self.lr_side}", remedy="use 32 or 64")
        for name in ("steps", "batch", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}", remedy=f"raise {name}")
        if self.batch % self.execution.accumulate:
            raise ConfigError(
                f"a batch of {self.batch} cannot be computed in {self.execution.accumulate} equal parts",
                remedy="choose a divisor of the batch for accumulate",
            )
        if self.optimizer not in ("adamw", "came"):
            raise ConfigError(f"optimizer must be adamw or came, not {self.optimizer!r}", remedy="choose one")


@dataclass(frozen=True)
class Part:
    """Number ``index`` of the ``of`` parts in which a batch is computed (gradient accumulation)."""

    index: int = 0
    of: int = 1

    def take(self, batch: Tensor) -> Tensor:
        """Return this part's samples of a (B, ...) batch, in order: (B / of, ...)."""
        size = len(batch) // self.of
        return batch[self.index * size : (self.index + 1) * size]

    @property
    def is_last(self) -> bool:
        """Whether no further part of the batch follows."""
        return self.index == self.of - 1

    @staticmethod
    def all(count: int) -> Iterator[Part]:
        """Yield every part of ``count``."""
        return (Part(index, count) for index in range(count))


WHOLE = Part()

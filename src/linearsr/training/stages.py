"""The stages of the recipe. A stage is a typed configuration, the module it trains, and a loss per step.

1. autoencoder   encoder and decoder, first from the LR alone, then with the latent, sometimes noised or dropped
2. flow          one transformer over the whole of t (the paper's stage 1)
3. expert        a copy of stage 2, trained with t inside its own SNR interval (the paper's MoE stage)
4. polish        decoder and detail experts, judged by the decoded image of a sampled latent (the paper's SFT stage)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from linearsr.data.loader import PairPool
from linearsr.diffusion.flow import TimestepDensity, interpolate, velocity
from linearsr.diffusion.sampler import noise, plan_timesteps, sample
from linearsr.models.autoencoder import LR_STRIDE, Autoencoder
from linearsr.models.experts import ExpertTransformer
from linearsr.models.transformer import LinearTransformer
from linearsr.training.distributed import own_draw, own_share
from linearsr.training.learner import Learner
from linearsr.training.objective import ImageLoss, velocity_loss


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

    def __post_init__(self) -> None:
        if self.lr_side % 8 or self.lr_side <= 0:
            raise ValueError(f"lr_side must be a positive multiple of 8, not {self.lr_side}")


class Stage(Protocol):
    """What the training loop drives. ``auxiliary`` is what ``loss`` trains by itself, saved along with ``module``."""

    config: StageConfig
    module: nn.Module
    auxiliary: dict[str, Learner]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one step and the parts to log."""
        ...


@dataclass(frozen=True, kw_only=True)
class LatentMix:
    """Shares of the latents that reach the decoder as they are, or with noise; the rest are dropped (zero)."""

    intact: float
    noised: float

    def apply(self, latent: Tensor, generator: torch.Generator) -> Tensor:
        """Return the (B, C, H, W) latents, each kept, noised with a strength drawn from [0, 1), or dropped."""
        draw = own_draw(lambda n: torch.rand((n, 1, 1, 1), generator=generator), len(latent))
        strength = own_draw(lambda n: torch.rand((n, 1, 1, 1), generator=generator), len(latent))
        noisy = latent + strength * (draw >= self.intact) * _noise(len(latent), latent.shape[1:], generator)
        return noisy * (draw < self.intact + self.noised)


class AutoencoderStage:
    """Encoder and decoder together; ``mix`` says how many latents arrive, so that the decoder does not lean on them."""

    def __init__(
        self, config: StageConfig, autoencoder: Autoencoder, pool: PairPool, loss: ImageLoss, mix: LatentMix
    ) -> None:
        self.config, self.module, self._pool = config, autoencoder.train(), pool
        self._loss, self._mix = loss, mix
        self.auxiliary = loss.learners

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        lr, hr = _crops(self._pool, self.config, step)
        generator = torch.Generator().manual_seed(self.config.seed * 7919 + step)
        latent = self._mix.apply(self.module.encode(hr), generator)
        return self._loss(self.module.decode(latent, lr), hr)


class FlowStage:
    """Flow matching of one transformer, with t drawn from ``density`` (all of (0, 1), or one expert's interval)."""

    def __init__(
        self,
        config: StageConfig,
        transformer: LinearTransformer,
        autoencoder: Autoencoder,
        pool: PairPool,
        density: TimestepDensity,
    ) -> None:
        self.config, self.module, self._pool = config, transformer, pool
        self._autoencoder, self._density = autoencoder.eval(), density
        self.auxiliary: dict[str, Learner] = {}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        lr, hr = _crops(self._pool, self.config, step)
        generator = torch.Generator().manual_seed(self.config.seed * 7919 + step)
        with torch.no_grad():
            z0 = self._autoencoder.encode(hr)
        t = own_draw(lambda n: self._density.sample(n, generator), len(z0))
        loss = flow_loss(self.module, z0, t, lr, generator)
        return loss, {"velocity": float(loss.detach())}


class PolishStage:
    """Decoder and detail experts together, judged by the image decoded from a sampled latent, as it is met in use.

    Gradients flow from the image through the decoder and through the sampling steps of the experts in
    ``DETAIL_EXPERTS``; a velocity loss on true pairs keeps those experts a flow. Most steps sample with the default
    number of timesteps, some with others, so that every ``--steps`` stays usable.
    """

    DETAIL_EXPERTS = (2, 3)
    STEP_COUNTS = (4, 4, 4, 8, 4, 4, 2, 1)
    VELOCITY_WEIGHT = 0.05

    def __init__(
        self,
        config: StageConfig,
        autoencoder: Autoencoder,
        experts: ExpertTransformer,
        pool: PairPool,
        loss: ImageLoss,
    ) -> None:
        self.config, self._pool, self._loss = config, pool, loss
        self.auxiliary = loss.learners
        self._autoencoder, self._experts = autoencoder.eval(), experts.eval().requires_grad_(False)
        trained = {f"expert{index}": experts.experts[index].requires_grad_() for index in self.DETAIL_EXPERTS}
        self.module = nn.ModuleDict({"decoder": autoencoder.decoder, **trained})

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        lr, hr = _crops(self._pool, self.config, step)
        generator = torch.Generator().manual_seed(self.config.seed * 7919 + step)
        image = self._autoencoder.decode(self._sample(lr, step, generator), lr)
        loss, parts = self._loss(image, hr)
        flow = self._velocity_loss(lr, hr, step, generator)
        return loss + self.VELOCITY_WEIGHT * flow, {**parts, "velocity": float(flow.detach())}

    def _sample(self, lr: Tensor, step: int, generator: torch.Generator) -> Tensor:
        config = self._experts.config
        channels = self._autoencoder.config.latent_channels
        z1 = _noise(len(lr), (channels, lr.shape[-2] // LR_STRIDE, lr.shape[-1] // LR_STRIDE), generator)
        timesteps = plan_timesteps(self.STEP_COUNTS[step % len(self.STEP_COUNTS)], config.boundaries)
        return sample(lambda z, t: self._experts(z, t, lr), z1, timesteps)

    def _velocity_loss(self, lr: Tensor, hr: Tensor, step: int, generator: torch.Generator) -> Tensor:
        index = self.DETAIL_EXPERTS[step % len(self.DETAIL_EXPERTS)]
        low, high = self._experts.config.interval(index)
        with torch.no_grad():
            z0 = self._autoencoder.encode(hr)
        t = own_draw(lambda n: TimestepDensity(low=low, high=high).sample(n, generator), len(z0))
        return flow_loss(self._experts.experts[index], z0, t, lr, generator)


def flow_loss(transformer: nn.Module, z0: Tensor, t: Tensor, lr: Tensor, generator: torch.Generator) -> Tensor:
    """Flow-matching loss of clean latents (B, C, H, W) at timesteps (B,), with fresh noise from ``generator``."""
    z1 = _noise(len(z0), z0.shape[1:], generator)
    return velocity_loss(transformer(interpolate(z0, z1, t), t, lr), velocity(z0, z1))


def _noise(count: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return own_draw(lambda n: noise((n, *shape), generator), count)


def _crops(pool: PairPool, config: StageConfig, step: int) -> tuple[Tensor, Tensor]:
    """This rank's share of the step's batch."""
    batch = pool.batch(step, seed=config.seed, size=config.batch, lr_side=config.lr_side)
    lr, hr = (own_share(images) for images in batch)
    return lr.contiguous(memory_format=torch.channels_last), hr.contiguous(memory_format=torch.channels_last)

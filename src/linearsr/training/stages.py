"""The stages of the recipe. A stage is a typed configuration, the module it trains, and a loss per step.

1. base          decoder from the LR alone
2. autoencoder   encoder and decoder together; some latents arrive noised or not at all
3. flow          one transformer over the whole of t (the paper's stage 1)
4. expert        a copy of stage 3, trained with t inside its own SNR interval (the paper's MoE stage)
5. polish        decoder and detail experts, judged by the decoded image of a sampled latent (the paper's SFT stage)
6. fidelity      a copy of the decoder, judged by its distance to the photo alone: the far end of the fidelity knob
7. detail        a copy of that one, judged by the look of its images again, for photos as they are: the near end
8. distill       the expert of the noisiest interval learns where all of them end: the student of ``--steps 1``

Beside them, ``denoise`` (denoising.py) and ``polish-denoiser`` (denoiser_polish.py) train what takes noise out of
photos before they are enlarged, and ``cleaned`` (cleaning.py) how that looks best, with a decoder of its own.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from linearsr.data.sampling import PairSource, spoiled_as_nan
from linearsr.diffusion.flow import TimestepDensity, interpolate, velocity
from linearsr.diffusion.sampler import plan_timesteps, sample
from linearsr.models.autoencoder import LR_STRIDE, Autoencoder
from linearsr.models.experts import ExpertTransformer
from linearsr.models.transformer import LinearTransformer
from linearsr.tags.sources import GuidanceSource
from linearsr.training.config import WHOLE, Part, StageConfig
from linearsr.training.distributed import rank, world
from linearsr.training.draws import Draws
from linearsr.training.learner import Learner
from linearsr.training.objective import ImageLoss, velocity_loss

GUIDANCE_SEED = 104_729
"""Between the seed of a stage and that of what it drops."""


class Stage(Protocol):
    """What the training loop drives.

    ``auxiliary`` is what learns beside ``module``: ``loss`` fills its gradients, and the loop takes its steps and saves
    it.
    """

    @property
    def config(self) -> StageConfig: ...
    @property
    def module(self) -> nn.Module: ...
    @property
    def auxiliary(self) -> dict[str, Learner]: ...

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one part of a step's batch, and values to log."""
        ...


@dataclass(frozen=True, kw_only=True)
class LatentMix:
    """Shares of the latents that reach the decoder as they are, or with noise; the rest are dropped (zero)."""

    intact: float
    noised: float

    def apply(self, latent: Tensor, draws: Draws) -> Tensor:
        """Return the (B, C, H, W) latents, each kept, noised with a strength drawn from [0, 1), or dropped."""
        draw, strength = draws.uniform(len(latent)), draws.uniform(len(latent))
        noisy = latent + strength * (draw >= self.intact) * draws.noise(len(latent), latent.shape[1:])
        return noisy * (draw < self.intact + self.noised)


@dataclass(frozen=True, kw_only=True)
class GuidanceMix:
    """Guidance of the HR pictures, dropped for a share of them: no guidance is an input of its own right."""

    source: GuidanceSource
    drop: float

    def tokens(self, hr: Tensor, config: StageConfig, step: int, part: Part) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in [-1, 1] -> tokens (B, L, G), and which of them count (B, L)."""
        tokens, mask = self.source((hr + 1) / 2)
        # From a seed of its own, so that guidance leaves timesteps and noise as they are without.
        kept = Draws(replace(config, seed=config.seed + GUIDANCE_SEED), step, part).uniform(len(hr)) >= self.drop
        return tokens, mask & kept[:, 0, 0]


class BaseStage:
    """The decoder alone: it learns to enlarge from the LR, with every latent zero."""

    def __init__(self, config: StageConfig, autoencoder: Autoencoder, pool: PairSource, loss: ImageLoss) -> None:
        self.config, self.module, self._pool, self._loss = config, autoencoder.decoder.train(), pool, loss
        self._latent_channels = autoencoder.config.latent_channels
        self.auxiliary = loss.learners

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        lr, hr = step_crops(self._pool, self.config, step, part)
        latent = lr.new_zeros(_latent_shape(lr, self._latent_channels))
        return self._loss(self.module(latent, lr), hr)


class AutoencoderStage:
    """Encoder and decoder together; ``mix`` says how many latents arrive, so that the decoder does not lean on them."""

    def __init__(
        self, config: StageConfig, autoencoder: Autoencoder, pool: PairSource, loss: ImageLoss, mix: LatentMix
    ) -> None:
        self.config, self.module, self._pool = config, autoencoder.train(), pool
        self._loss, self._mix = loss, mix
        self.auxiliary = loss.learners

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        lr, hr = step_crops(self._pool, self.config, step, part)
        latent = self._mix.apply(self.module.encode(hr), Draws(self.config, step, part))
        return self._loss(self.module.decode(latent, lr), hr)


class FlowStage:
    """Flow matching of one transformer, with t drawn from ``density`` (all of (0, 1), or one expert's interval)."""

    def __init__(
        self,
        config: StageConfig,
        transformer: LinearTransformer,
        autoencoder: Autoencoder,
        pool: PairSource,
        density: TimestepDensity,
        guidance: GuidanceMix | None = None,
    ) -> None:
        self.config, self.module, self._pool, self._guidance = config, transformer, pool, guidance
        self._autoencoder, self._density = autoencoder.eval(), density
        self.auxiliary: dict[str, Learner] = {}

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        lr, hr = step_crops(self._pool, self.config, step, part)
        draws = Draws(self.config, step, part)
        latent = _latent_of(hr, self._autoencoder)
        guidance = (None, None) if self._guidance is None else self._guidance.tokens(hr, self.config, step, part)
        loss = flow_loss(self.module, latent, lr, self._density, draws, *guidance)
        return loss, {"velocity": float(loss.detach())}


class PolishStage:
    """Decoder and detail experts together, judged by the image decoded from a sampled latent, as it is met in use.

    Gradients flow from the image through the decoder and through the sampling steps of the detail experts, those in
    charge of the half of the intervals near t = 0; a velocity loss on true pairs keeps them a flow. Most steps sample
    with the default number of timesteps, some with others, so that every ``--steps`` stays usable.
    """

    STEP_COUNTS = (4, 4, 4, 8, 4, 4, 2, 1)
    VELOCITY_WEIGHT = 0.05

    def __init__(
        self,
        config: StageConfig,
        autoencoder: Autoencoder,
        experts: ExpertTransformer,
        pool: PairSource,
        loss: ImageLoss,
    ) -> None:
        self.config, self._pool, self._loss = config, pool, loss
        self.auxiliary = loss.learners
        self._autoencoder, self._experts = autoencoder.eval(), experts.eval().requires_grad_(False)
        self.detail_experts = range(experts.config.count // 2, experts.config.count)
        trained = {f"expert{index}": experts.experts[index].requires_grad_() for index in self.detail_experts}
        self.module = nn.ModuleDict({"decoder": autoencoder.decoder, **trained})

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        lr, hr = step_crops(self._pool, self.config, step, part)
        draws = Draws(self.config, step, part)
        steps = self.STEP_COUNTS[step % len(self.STEP_COUNTS)]
        image = self._autoencoder.decode(sampled_latent(self._experts, lr, steps, draws), lr)
        loss, values = self._loss(image, hr)
        flow = self._velocity_loss(lr, hr, step, draws)
        return loss + self.VELOCITY_WEIGHT * flow, {**values, "velocity": float(flow.detach())}

    def _velocity_loss(self, lr: Tensor, hr: Tensor, step: int, draws: Draws) -> Tensor:
        index = self.detail_experts[step % len(self.detail_experts)]
        low, high = self._experts.config.interval(index)
        latent = _latent_of(hr, self._autoencoder)
        return flow_loss(self._experts.experts[index], latent, lr, TimestepDensity(low=low, high=high), draws)


class DecoderStage:
    """The decoder alone on sampled latents, as it meets them in use; nothing flows back through the sampling."""

    STEPS = 4

    def __init__(
        self,
        config: StageConfig,
        autoencoder: Autoencoder,
        experts: ExpertTransformer,
        pool: PairSource,
        loss: ImageLoss,
    ) -> None:
        self.config, self.module, self._experts = config, autoencoder.decoder, experts.eval()
        self._pool, self._loss = pool, loss
        self.auxiliary = loss.learners

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        lr, hr = step_crops(self._pool, self.config, step, part)
        with torch.no_grad():
            latent = sampled_latent(self._experts, lr, self.STEPS, Draws(self.config, step, part))
        return self._loss(self.module(latent, lr), hr)


class DistillStage:
    """The expert of the noisiest interval learns to reach in one step where the experts together end in several.

        v(z_1, 1) -> z_1 - z_0,   z_0 = the latent sampled from z_1 in ``STEPS`` steps by the experts as they were

    It serves a single step, and longer samplings still begin with it: the straight line to z_0 is a flow between the
    same noise and the same latents. Reference: rectified flow, Liu et al., 2022 (arXiv:2209.03003), its distillation.
    """

    STEPS = 4

    def __init__(
        self, config: StageConfig, experts: ExpertTransformer, pool: PairSource, guidance: GuidanceMix | None = None
    ) -> None:
        self.config, self._pool, self._guidance = config, pool, guidance
        self._teacher = copy.deepcopy(experts).eval().requires_grad_(False)
        self.module: nn.Module = experts.experts[experts.config.expert_at(1.0)]
        self.auxiliary: dict[str, Learner] = {}

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        lr, hr = step_crops(self._pool, self.config, step, part)
        draws, teacher = Draws(self.config, step, part), self._teacher
        count, *shape = _latent_shape(lr, teacher.transformer_config.latent_channels)
        z1 = draws.noise(count, shape)
        guidance = (None, None) if self._guidance is None else self._guidance.tokens(hr, self.config, step, part)
        with torch.no_grad():
            timesteps = plan_timesteps(self.STEPS, teacher.config.boundaries)
            z0 = sample(lambda z, t: teacher(z, t, lr, *guidance), z1, timesteps)
        loss = velocity_loss(self.module(z1, z1.new_ones(count), lr, *guidance), z1 - z0)
        return loss, {"velocity": float(loss.detach())}


def flow_loss(
    transformer: nn.Module,
    z0: Tensor,
    lr: Tensor,
    density: TimestepDensity,
    draws: Draws,
    guidance: Tensor | None = None,
    mask_BL: Tensor | None = None,  # noqa: N803
) -> Tensor:
    """Flow-matching loss of clean latents (B, C, H, W), with fresh timesteps and noise."""
    t = draws.timesteps(len(z0), density)
    z1 = draws.noise(len(z0), z0.shape[1:])
    return velocity_loss(transformer(interpolate(z0, z1, t), t, lr, guidance, mask_BL), velocity(z0, z1))


def step_crops(pool: PairSource, config: StageConfig, step: int, part: Part) -> tuple[Tensor, Tensor]:
    """One part of this rank's share of the step's batch."""
    # A part is to a rank what a rank is to all of them.
    place, places = rank() * part.of + part.index, world() * part.of
    device = config.execution.device
    # Autocast is for the networks that learn: blurring a photo in bfloat16 would leave bands.
    with torch.autocast(torch.device(device).type, enabled=False):
        batch = pool.batch(step, seed=config.seed, size=config.batch, lr_side=config.lr_side, rank=place, world=places)
    lr, hr = (spoiled_as_nan(images.to(device, non_blocking=True)) for images in batch)
    return lr.contiguous(memory_format=torch.channels_last), hr.contiguous(memory_format=torch.channels_last)


def sampled_latent(experts: ExpertTransformer, lr: Tensor, steps: int, draws: Draws) -> Tensor:
    """Sample the latents of (B, 3, h, w) LR images, as in use."""
    count, *shape = _latent_shape(lr, experts.transformer_config.latent_channels)
    timesteps = plan_timesteps(steps, experts.config.boundaries)
    return sample(lambda z, t: experts(z, t, lr), draws.noise(count, shape), timesteps)


@torch.no_grad()
def _latent_of(hr: Tensor, autoencoder: Autoencoder) -> Tensor:
    # The target of the flow: not in autocast's low precision.
    with torch.autocast(hr.device.type, enabled=False):
        return autoencoder.encode(hr)


def _latent_shape(lr: Tensor, channels: int) -> tuple[int, int, int, int]:
    return len(lr), channels, lr.shape[-2] // LR_STRIDE, lr.shape[-1] // LR_STRIDE

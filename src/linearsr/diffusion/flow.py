"""Flow matching on straight paths: where a latent is at time t, which way it moves, and how t is drawn in training.

    z_t = (1 - t) z_0 + t z_1,    v = dz_t/dt = z_1 - z_0,    t = 0 is data, t = 1 is noise
    lambda(t) = 2 ln((1 - t) / t)                                log signal-to-noise ratio of that path
    t_shifted = s t / (1 + (s - 1) t)                            timestep shift towards noise for s > 1

Legend: z_0 data latent, z_1 standard normal noise, v velocity, all (B, C, H, W); t (B,).
References: Lipman et al., 2022 (arXiv:2210.02747); Esser et al., 2024 (arXiv:2403.03206) for logit-normal t and shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def interpolate(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """Return z_t for (B, C, H, W) end points and (B,) timesteps."""
    t = t.view(-1, 1, 1, 1).to(z0)
    return (1 - t) * z0 + t * z1


def velocity(z0: Tensor, z1: Tensor) -> Tensor:
    """Return the constant velocity of the straight path."""
    return z1 - z0


def log_snr(t: float) -> float:
    """Return lambda(t), for t in (0, 1)."""
    if not 0 < t < 1:
        raise ValueError(f"log_snr needs a timestep inside (0, 1), not {t}")
    return 2 * (math.log1p(-t) - math.log(t))


def timestep_of(log_snr_value: float) -> float:
    """Return the t whose log-SNR is given: the inverse of :func:`log_snr`."""
    half = log_snr_value / 2
    # Two forms of 1 / (1 + e^half), each exact where the other would lose digits or overflow.
    return 1 / (1 + math.exp(half)) if half < 0 else math.exp(-half) / (1 + math.exp(-half))


def shift_timestep(t: float, shift: float) -> float:
    """Move t towards noise (shift > 1) or data (shift < 1); 0 and 1 stay."""
    if shift <= 0:
        raise ValueError(f"timestep shift must be positive, not {shift}")
    return shift * t / (1 + (shift - 1) * t)


@dataclass(frozen=True, kw_only=True)
class TimestepDensity:
    """Logit-normal density of t, shifted, and truncated to the interval (``low``, ``high``].

    Truncation is exact (inverse distribution function), so an expert whose interval is rarely drawn still gets all of
    its samples inside it.
    """

    low: float = 0.0
    high: float = 1.0
    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"timestep interval must satisfy 0 <= low < high <= 1, not ({self.low}, {self.high}]")
        if self.std <= 0 or self.shift <= 0:
            raise ValueError(f"std and shift must be positive, not {self.std} and {self.shift}")

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return ``count`` timesteps inside the interval, (count,) float32."""
        low, high = (self._distribution(bound) for bound in (self.low, self.high))
        uniform = torch.rand(count, generator=generator, dtype=torch.float64) * (high - low) + low
        normal = torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))
        t = torch.sigmoid(self.mean + self.std * normal)
        shifted = self.shift * t / (1 + (self.shift - 1) * t)
        return shifted.clamp(max(self.low, 1e-4), self.high).float()

    def _distribution(self, t: float) -> float:
        """Probability that an untruncated draw is below ``t``."""
        unshifted = shift_timestep(t, 1 / self.shift)
        if unshifted <= 0 or unshifted >= 1:
            return min(max(unshifted, 0.0), 1.0)
        score = (math.log(unshifted) - math.log1p(-unshifted) - self.mean) / self.std
        return 0.5 * (1 + math.erf(score / math.sqrt(2)))

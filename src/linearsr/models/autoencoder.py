"""Autoencoder with a stride-32 latent whose decoder also sees the LR image, so latents carry only what the LR lacks.

    z = Standardize(T(x_hr) + E(x_hr))                  encoder, used for training; T is the local texture energy
    x = up4(x_lr) + D(z, P(x_lr))                       decoder; P is the feature pyramid of the native LR

P holds LR features at 1, 1/2, 1/4 and 1/8 of the LR side. The latent enters at the 1/8 level (the latent grid) and each
level of the decoder adds the pyramid features of its own resolution. There is no attention and, in use, no statistic
over space, so the receptive field is finite.

Legend: B batch, C latent channels, H x W latent grid; HR image (B, 3, 32H, 32W), LR image (B, 3, 8H, 8W), both
in [-1, 1].
Reference: deep-compression autoencoders, Chen et al., 2024 (arXiv:2410.10733); the LR pyramid is this project's own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models import bicubic
from linearsr.models.configs import check_positive
from linearsr.models.rows import ResidualRows, RowStream, Streamable
from linearsr.models.texture import texture_energy

SCALE = 4
"""HR pixels per LR pixel."""
LR_STRIDE = 8
"""LR pixels per latent cell."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Geometry. ``widths`` are the channels at 1, 1/2, 1/4, 1/8 of the LR side; ``depth`` the blocks at native LR."""

    latent_channels: int = 32
    widths: tuple[int, int, int, int] = (64, 80, 96, 128)
    depth: int = 8
    tail_width: int = 32

    def __post_init__(self) -> None:
        check_positive(self, "latent_channels", "depth", "tail_width")
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise ValueError(f"widths must be four positive channel counts, one per pyramid level, not {self.widths}")


class ResidualBlock(Streamable):
    """Two 3x3 convolutions around a SiLU, added to the input. (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.conv_out.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        update: Tensor = self.conv_out(F.silu(self.conv_in(x)))
        return x + update

    def stream(self) -> RowStream:
        return ResidualRows(self.conv_in, self.conv_out)


class Upsample(nn.Sequential):
    """Convolution and pixel shuffle: (B, C_in, H, W) -> (B, C_out, 2H, 2W)."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__(nn.Conv2d(width_in, 4 * width_out, 3, padding=1), nn.PixelShuffle(2))


class Downsample(nn.Sequential):
    """Strided convolution, SiLU and one residual block: (B, C_in, H, W) -> (B, C_out, H/2, W/2)."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__(nn.Conv2d(width_in, width_out, 4, stride=2, padding=1), nn.SiLU(), ResidualBlock(width_out))


class Standardize(nn.Module):
    """Zero mean and unit variance per channel: by the batch in training, by running averages in use.

    A channel cannot go silent: what little it varies, above the norm's epsilon, is stretched to unit variance. (A norm
    over channels lets the encoder collapse to one constant vector: the decoder does well without it, see docs/log.md.)
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, momentum: float = 0.05) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.mean, self.variance, training=self.training, momentum=self.momentum)


class Encoder(nn.Module):
    """HR image -> latent of zero mean and unit variance per channel. (B, 3, 32H, 32W) -> (B, C, H, W)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        native, half, quarter, eighth = config.widths
        head = nn.Conv2d(eighth, config.latent_channels, 1)
        # The learned part starts silent: the first latents are texture energies, which the decoder can use at once.
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
        self.net = nn.Sequential(
            nn.PixelUnshuffle(SCALE),
            nn.Conv2d(3 * SCALE**2, native, 3, padding=1),
            ResidualBlock(native),
            Downsample(native, half),
            Downsample(half, quarter),
            Downsample(quarter, eighth),
            head,
        )
        self.standardize = Standardize(config.latent_channels)

    def forward(self, hr: Tensor) -> Tensor:
        learned = self.net(hr)
        texture = texture_energy(hr)[:, : learned.shape[1]]
        latent: Tensor = self.standardize(
            F.pad(texture, (0, 0, 0, 0, 0, learned.shape[1] - texture.shape[1])) + learned
        )
        return latent


class LRPyramid(nn.Module):
    """Features of the native LR at every decoder resolution: (B, 3, h, w) -> four maps of side h, h/2, h/4, h/8."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(Downsample(a, b) for a, b in itertools.pairwise(widths))

    def forward(self, lr: Tensor) -> list[Tensor]:
        features = [self.stem(lr)]
        for level in self.levels:
            features.append(level(features[-1]))
        return features


class Decoder(nn.Module):
    """Latent and LR image -> HR image. (B, C, H, W), (B, 3, 8H, 8W) -> (B, 3, 32H, 32W)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        widths, tail = config.widths, config.tail_width
        self.pyramid = LRPyramid(widths)
        self.latent_in = nn.Conv2d(config.latent_channels, widths[3], 1)
        self.mix = nn.ModuleList(ResidualBlock(width) for width in reversed(widths[1:]))
        self.climb = nn.ModuleList(Upsample(a, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.trunk = nn.Sequential(*(ResidualBlock(widths[0]) for _ in range(config.depth)))
        self.tail = nn.Sequential(
            Upsample(widths[0], tail),
            nn.SiLU(),
            ResidualBlock(tail),
            Upsample(tail, tail // 2),
            nn.SiLU(),
            nn.Conv2d(tail // 2, 3, 3, padding=1),
        )

    def forward(self, latent: Tensor, lr: Tensor) -> Tensor:
        return self.detail(latent, lr) + enlarge(lr)

    def detail(self, latent: Tensor, lr: Tensor) -> Tensor:
        """What is added to the enlarged LR image: (B, 3, 32H, 32W) float32."""
        dtype = self.latent_in.weight.dtype
        *finer, coarsest = self.pyramid(lr.to(dtype))
        x = coarsest + self.latent_in(latent.to(dtype))
        for mix, climb, features in zip(self.mix, self.climb, reversed(finer), strict=True):
            x = features + climb(mix(x))
        x = finer[0] + self.trunk(x)
        # Only the detail is computed in the network's precision; the picture under it keeps float32.
        detail: Tensor = self.tail(x).float()
        return detail


def enlarge(lr: Tensor) -> Tensor:
    """Bicubic enlargement of an LR image: (B, 3, h, w) -> (B, 3, 4h, 4w) float32."""
    return bicubic.enlarge(lr, SCALE)


def receptive_radius(config: AutoencoderConfig) -> int:
    """Upper bound of the decoder's reach, in latent cells."""
    # Per level, at strides 2 to 8 of LR pixels: strided convolution 2, its block 2, mixing block 2, climbing 1.
    levels = sum(stride * (2 + 2 + 2 + 1) for stride in (2, 4, 8))
    native = 1 + 2 * config.depth + 4
    return -(-(levels + native) // LR_STRIDE)


class Autoencoder(nn.Module):
    """Encoder and LR-conditioned decoder."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, hr: Tensor) -> Tensor:
        """(B, 3, 32H, 32W) in [-1, 1] -> (B, C, H, W)."""
        latent: Tensor = self.encoder(hr)
        return latent

    def decode(self, latent: Tensor, lr: Tensor) -> Tensor:
        """(B, C, H, W) and (B, 3, 8H, 8W) in [-1, 1] -> (B, 3, 32H, 32W), not clamped."""
        image: Tensor = self.decoder(latent, lr)
        return image

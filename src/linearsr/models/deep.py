"""A deep-compression autoencoder (DC-AE f32c32) behind the interface of our own: SANA's latents and its decoder.

    z = s E(x_hr)                            s scales latents to about unit variance
    x = D(z / s) [+ R(z, x_lr)]              R is our LR-conditioned decoder, an option

E and D are networks that somebody else defines (``linearsr.dc_ae`` builds them); the published decoders of another
depth (Lite, turbo) have the same latents and fit in the same place. The coarse stages of D hold linear attention over
the whole latent; they run in one piece, at up to four feature rows to a latent row. The fine stages, which dominate
memory, are convolutions: they run strip by strip with the rows that they reach, so strips equal the whole to rounding.

Legend: B batch, C latent channels, H x W latent grid; HR image (B, 3, 32H, 32W), LR image (B, 3, 8H, 8W).
Reference: Chen et al., 2024 (arXiv:2410.10733).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from linearsr.models.autoencoder import LR_STRIDE, SCALE, Decoder, enlarge, receptive_radius
from linearsr.models.configs import check_positive
from linearsr.models.rows import ReadRows, RowDecoder

FEATURE_ROWS = 4
"""Rows between the two parts of D to a latent row."""
_UP = LR_STRIDE * SCALE
_BICUBIC_REACH = 1
"""Latent rows that an enlarged LR row depends on."""


@dataclass(frozen=True, kw_only=True)
class DeepAutoencoderConfig:
    """``scaling`` is s; ``network`` is what diffusers' ``AutoencoderDC`` is built from."""

    latent_channels: int = 32
    scaling: float = 0.41407
    network: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive(self, "latent_channels", "scaling")


class DeepNetwork(nn.Module, ABC):
    """D in two parts, of which the second reaches ``reach`` latent rows up and down and no further."""

    reach: int

    @abstractmethod
    def coarse(self, latent: Tensor) -> Tensor:
        """Scaled back latent (B, C, H, W) -> features (B, F, 4H, 4W)."""

    @abstractmethod
    def fine(self, features: Tensor) -> Tensor:
        """Features (B, F, 4H, 4W) -> HR image (B, 3, 32H, 32W)."""

    def forward(self, latent: Tensor) -> Tensor:
        return self.fine(self.coarse(latent))


class DeepDecoder(RowDecoder):
    """Latent -> HR image; the LR image matters only to the ``refiner``. Shapes as in :class:`Decoder`."""

    def __init__(self, network: DeepNetwork, config: DeepAutoencoderConfig, refiner: Decoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.refiner = refiner

    def forward(self, latent: Tensor, lr: Tensor) -> Tensor:
        return self._refined(self.network(self._unscaled(latent)), latent, lr)

    def detail(self, latent: Tensor, lr: Tensor) -> Tensor:
        image: Tensor = self(latent, lr)
        return image - enlarge(lr)

    def rows(
        self, latent: Tensor, read_lr: ReadRows, *, rows: int, start: int, stop: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        height, step = latent.shape[2], max(1, rows // LR_STRIDE)
        features = self.network.coarse(self._unscaled(latent))
        reach = max(
            _BICUBIC_REACH, self.network.reach, 0 if self.refiner is None else receptive_radius(self.refiner.config)
        )
        for top in range(start, stop, step):
            bottom = min(stop, top + step)
            low, high = max(0, top - reach), min(height, bottom + reach)
            lr = read_lr(low * LR_STRIDE, high * LR_STRIDE)
            image = self.network.fine(features[:, :, low * FEATURE_ROWS : high * FEATURE_ROWS])
            inside = slice((top - low) * _UP, (bottom - low) * _UP)
            source = enlarge(lr)[:, :, inside]
            yield self._refined(image, latent[:, :, low:high], lr)[:, :, inside] - source, source

    def _unscaled(self, latent: Tensor) -> Tensor:
        return latent.to(next(self.network.parameters()).dtype) / self.config.scaling

    def _refined(self, image: Tensor, latent: Tensor, lr: Tensor) -> Tensor:
        return image.float() if self.refiner is None else image.float() + self.refiner.detail(latent, lr)


class DeepAutoencoder(nn.Module):
    """Encoder and decoder, used like :class:`linearsr.models.autoencoder.Autoencoder`."""

    def __init__(
        self, encoder: nn.Module, decoder: DeepNetwork, config: DeepAutoencoderConfig, refiner: Decoder | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.decoder = DeepDecoder(decoder, config, refiner)

    def encode(self, hr: Tensor) -> Tensor:
        """(B, 3, 32H, 32W) in [-1, 1] -> (B, C, H, W)."""
        latent: Tensor = self.encoder(hr)
        return latent * self.config.scaling

    def decode(self, latent: Tensor, lr: Tensor) -> Tensor:
        """(B, C, H, W) and (B, 3, 8H, 8W) in [-1, 1] -> (B, 3, 32H, 32W), not clamped."""
        image: Tensor = self.decoder(latent, lr)
        return image


def silent(refiner: Decoder) -> Decoder:
    """Return the same LR decoder, made to add nothing: training a refiner starts from the decoder it refines."""
    last = refiner.tail[-1]
    assert isinstance(last, nn.Conv2d), "the tail ends in a convolution"
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return refiner

"""How photos are degraded for training: the parameters of the process, and the presets.

Reference: Wang et al., 2021 (arXiv:2107.10833), Real-ESRGAN, section 3 and its published training options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from linearsr.errors import ConfigError

Range = tuple[float, float]
DegradationMix = Sequence[tuple["Degradation", float]]
"""Presets and their shares."""


@dataclass(frozen=True, kw_only=True)
class DegradationStage:
    """One pass of blur, resize, noise and JPEG; the defaults are Real-ESRGAN's first pass.

    Sigma of noise and grain is in 8-bit grey levels; sigma of kernels and the size of grain in pixels.
    ``resize_probabilities`` are those of enlarging, shrinking and keeping. Grain is noise that is correlated between
    neighbours, as film and scanners show it. Sensor noise is that of linear light: its sigma is the one at mid-grey,
    ``sensor_read_share`` the share of its variance there that the amplifier adds to black and white alike.
    """

    blur_probability: float = 1.0
    sinc_probability: float = 0.1
    kernel_sigma: Range = (0.2, 3.0)
    resize_probabilities: tuple[float, float, float] = (0.2, 0.7, 0.1)
    resize_range: Range = (0.15, 1.5)
    noise_probability: float = 1.0
    gaussian_probability: float = 0.5
    gaussian_sigma: Range = (1.0, 30.0)
    poisson_scale: Range = (0.05, 3.0)
    gray_noise_probability: float = 0.4
    grain_probability: float = 0.0
    grain_sigma: Range = (2.0, 10.0)
    grain_size: Range = (1.5, 4.0)
    sensor_probability: float = 0.0
    sensor_sigma: Range = (1.0, 10.0)
    sensor_read_share: Range = (0.02, 0.4)
    jpeg_probability: float = 1.0
    jpeg_quality: Range = (30.0, 95.0)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_probability") and not 0 <= value <= 1:
                raise ConfigError(f"{field.name} must be from 0 to 1, not {value}", remedy="give a probability")
            if field.type == "Range" and not 0 < value[0] <= value[1]:
                raise ConfigError(f"{field.name} must rise from above 0, not {value}", remedy="give (low, high)")
        if min(self.resize_probabilities) < 0 or abs(sum(self.resize_probabilities) - 1) > 1e-6:
            raise ConfigError(
                f"resize_probabilities must be three shares of 1, not {self.resize_probabilities}",
                remedy="give those of enlarging, shrinking and keeping",
            )
        if self.jpeg_quality[1] > 100:
            raise ConfigError(f"jpeg_quality must be at most 100, not {self.jpeg_quality[1]}", remedy="lower it")


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """A whole process: one or two stages, then the final reduction to 1/``scale``.

    The factors of the first stage's resize refer to the photo, those of the second to the final size, as in
    Real-ESRGAN. ``antialias`` says whether shrinking (other than by area) averages over all pixels; Real-ESRGAN's does
    not, and so leaves jagged edges. A process of two stages ends with JPEG and, likely, a sinc filter.
    """

    name: str
    first: DegradationStage
    second: DegradationStage | None = None
    final_sinc_probability: float = 0.8
    antialias: bool = True
    scale: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.final_sinc_probability <= 1:
            raise ConfigError(
                f"final_sinc_probability must be from 0 to 1, not {self.final_sinc_probability}",
                remedy="give a probability",
            )
        if self.scale < 1:
            raise ConfigError(f"scale must be at least 1, not {self.scale}", remedy="4 is the models' scale")


KEPT = (0.0, 0.0, 1.0)
"""Resize probabilities of a stage that leaves the size as it is."""
BLUR = DegradationStage(
    blur_probability=0.7,
    sinc_probability=0.0,
    kernel_sigma=(0.2, 2.4),
    resize_probabilities=KEPT,
    noise_probability=0.0,
    jpeg_probability=0.0,
)
"""A stage that blurs, at times, and nothing else."""


def real_esrgan() -> Degradation:
    """The second-order process in the ranges that SeeSR and OSEDiff train with."""
    return Degradation(
        name="real_esrgan",
        first=DegradationStage(
            resize_range=(0.3, 1.5), gaussian_sigma=(1.0, 15.0), poisson_scale=(0.05, 2.0), jpeg_quality=(60.0, 95.0)
        ),
        second=DegradationStage(
            blur_probability=0.5,
            kernel_sigma=(0.2, 1.5),
            resize_probabilities=(0.3, 0.4, 0.3),
            resize_range=(0.6, 1.2),
            gaussian_sigma=(1.0, 12.0),
            poisson_scale=(0.05, 1.0),
            jpeg_quality=(60.0, 100.0),
        ),
        antialias=False,
    )


def real_esrgan_heavy() -> Degradation:
    """The second-order process in the ranges of the Real-ESRGAN paper."""
    return Degradation(
        name="real_esrgan_heavy",
        first=DegradationStage(),
        second=DegradationStage(
            blur_probability=0.8,
            kernel_sigma=(0.2, 1.5),
            resize_probabilities=(0.3, 0.4, 0.3),
            resize_range=(0.3, 1.2),
            gaussian_sigma=(1.0, 25.0),
            poisson_scale=(0.05, 2.5),
        ),
        antialias=False,
    )


def light() -> Degradation:
    """Mild blur, a little noise and web-quality JPEG, now and then grain: the everyday small picture."""
    return Degradation(
        name="light",
        first=DegradationStage(
            blur_probability=0.6,
            kernel_sigma=(0.2, 2.0),
            resize_probabilities=KEPT,
            noise_probability=0.5,
            gaussian_sigma=(0.5, 6.0),
            poisson_scale=(0.05, 0.6),
            grain_probability=0.1,
            jpeg_probability=0.6,
            jpeg_quality=(70.0, 97.0),
        ),
    )


def camera() -> Degradation:
    """Optical blur and faint sensor noise, no JPEG: the look of RealSR and DRealSR pairs."""
    return Degradation(
        name="camera",
        first=DegradationStage(
            sinc_probability=0.0,
            kernel_sigma=(0.6, 3.6),
            resize_probabilities=KEPT,
            noise_probability=0.6,
            gaussian_sigma=(0.3, 3.0),
            poisson_scale=(0.02, 0.3),
            jpeg_probability=0.0,
        ),
    )


def web() -> Degradation:
    """Reduced first and compressed last, as pictures on the web are: blocks of JPEG as they meet the model."""
    return Degradation(
        name="web",
        first=replace(
            BLUR,
            noise_probability=0.5,
            gaussian_sigma=(0.5, 8.0),
            poisson_scale=(0.05, 0.8),
            grain_probability=0.1,
        ),
        second=DegradationStage(
            blur_probability=0.0,
            resize_probabilities=KEPT,
            noise_probability=0.4,
            gaussian_sigma=(0.5, 8.0),
            poisson_scale=(0.05, 0.8),
            jpeg_quality=(30.0, 95.0),
        ),
        final_sinc_probability=0.3,
    )


def grainy() -> Degradation:
    """Noise and grain as strong as they meet the model: high ISO, scans of film and print, compressed or not."""
    return Degradation(
        name="grainy",
        first=BLUR,
        second=DegradationStage(
            blur_probability=0.0,
            resize_probabilities=KEPT,
            noise_probability=0.7,
            gaussian_sigma=(4.0, 30.0),
            poisson_scale=(0.3, 2.5),
            grain_probability=0.6,
            grain_sigma=(4.0, 28.0),
            grain_size=(0.5, 2.4),
            jpeg_probability=0.6,
            jpeg_quality=(50.0, 97.0),
        ),
        final_sinc_probability=0.2,
    )


def all_presets() -> tuple[Degradation, ...]:
    """Every preset, from mild to heavy."""
    return camera(), light(), web(), grainy(), real_esrgan(), real_esrgan_heavy()


def training_mix() -> DegradationMix:
    """Presets and their share of the pairs: camera-like, web-like with more or less of JPEG, grainy, and heavier.

    A third of the pairs is grainy or heavily degraded: pictures people bring are.
    """
    return (
        (camera(), 0.29),
        (light(), 0.06),
        (web(), 0.2),
        (grainy(), 0.2),
        (real_esrgan(), 0.11),
        (real_esrgan_heavy(), 0.14),
    )


def clean_mix() -> DegradationMix:
    """Presets that leave no noise or blocks to speak of, in the proportions that others have of the two."""
    return (camera(), 0.83), (light(), 0.17)


def spoiled_mix() -> DegradationMix:
    """Presets that leave noise or blocks, mostly: what a decoder for photos less their noise learns from."""
    return (
        (light(), 0.1),
        (web(), 0.34),
        (grainy(), 0.24),
        (real_esrgan(), 0.18),
        (real_esrgan_heavy(), 0.14),
    )

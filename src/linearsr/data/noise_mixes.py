"""What the denoiser, its meter and its judge learn from: noise, grain and JPEG at the size of LR images, and none."""

from __future__ import annotations

from dataclasses import replace

from linearsr.data.presets import BLUR, KEPT, Degradation, DegradationMix, DegradationStage

_BLURRED = replace(BLUR, blur_probability=0.6, kernel_sigma=(0.2, 1.6))
_NOISY = replace(
    _BLURRED,
    noise_probability=0.7,
    gaussian_sigma=(2.0, 40.0),
    poisson_scale=(0.1, 2.5),
    grain_probability=0.5,
    grain_sigma=(2.0, 30.0),
    grain_size=(0.5, 3.0),
    jpeg_probability=0.6,
    jpeg_quality=(40.0, 97.0),
)


def without_noise(preset: Degradation) -> Degradation:
    """The same process without noise, grain and compression: the same seed blurs and resizes in the same way."""

    def cleaned(stage: DegradationStage) -> DegradationStage:
        return replace(
            stage, noise_probability=0.0, grain_probability=0.0, sensor_probability=0.0, jpeg_probability=0.0
        )

    second = None if preset.second is None else cleaned(preset.second)
    return replace(preset, first=cleaned(preset.first), second=second)


def denoising_mix() -> DegradationMix:
    """What the denoiser learns from, at the size of the LR image."""
    return (plain(), 0.22), (resized(), 0.3), (scanned(), 0.25), (dark(), 0.1), (blocks(), 0.13)


def metering_mix() -> DegradationMix:
    """What the meter of noise learns from: noise, resized or not, noise as it came, blocks, and next to nothing.

    Where clean pictures are rare, texture is taken for noise; where noise as it came is, it is taken for texture. A
    meter that had seen wide grain and noise of the dark too was no better in use (docs/decisions/0010-denoiser.md).
    """
    return (untouched(), 0.25), (plain(), 0.15), (resized(), 0.15), (blocks(), 0.1), (clean(), 0.35)


def judging_mix() -> DegradationMix:
    """What the judge of noise learns from: everything the other two do, and most of all pictures with next to no noise.

    Of those, only the ones come to it that the meter takes for noisy.
    """
    return (
        (untouched(), 0.06),
        (plain(), 0.065),
        (resized(), 0.065),
        (scanned(), 0.065),
        (dark(), 0.06),
        (blocks(), 0.05),
        (clean(), 0.635),
    )


def plain() -> Degradation:
    """Noise and grain of the size of the LR image, often under JPEG."""
    return Degradation(name="plain", first=_NOISY, scale=1)


def resized() -> Degradation:
    """Noise that was resized, which is wide, compressed once more, and what most shared pictures have."""
    return Degradation(
        name="resized",
        first=replace(
            _NOISY,
            resize_probabilities=(0.3, 0.5, 0.2),
            resize_range=(0.25, 1.6),
            noise_probability=0.9,
            grain_probability=0.2,
            jpeg_quality=(30.0, 95.0),
        ),
        second=DegradationStage(
            blur_probability=0.0,
            resize_probabilities=KEPT,
            noise_probability=0.4,
            gaussian_sigma=(1.0, 25.0),
            poisson_scale=(0.05, 1.5),
            jpeg_probability=0.8,
            jpeg_quality=(25.0, 97.0),
        ),
        final_sinc_probability=0.4,
        scale=1,
    )


def scanned() -> Degradation:
    """Wide grain under JPEG, as scans of old photos have it."""
    return Degradation(
        name="scanned",
        first=replace(
            _NOISY,
            resize_probabilities=(0.3, 0.3, 0.4),
            resize_range=(0.5, 1.5),
            noise_probability=0.2,
            grain_probability=1.0,
            grain_sigma=(4.0, 30.0),
            grain_size=(0.8, 3.0),
            jpeg_probability=0.8,
            jpeg_quality=(35.0, 95.0),
        ),
        scale=1,
    )


def dark() -> Degradation:
    """Noise of linear light, strongest in the dark."""
    return Degradation(
        name="dark",
        first=replace(
            _NOISY,
            resize_probabilities=(0.2, 0.4, 0.4),
            resize_range=(0.4, 1.5),
            noise_probability=0.0,
            grain_probability=0.0,
            sensor_probability=1.0,
            sensor_sigma=(1.0, 14.0),
            jpeg_probability=0.7,
        ),
        scale=1,
    )


def blocks() -> Degradation:
    """JPEG with its blocks, and at times a little noise."""
    return Degradation(
        name="blocks",
        first=replace(
            _BLURRED,
            noise_probability=0.3,
            gaussian_sigma=(0.5, 6.0),
            poisson_scale=(0.05, 0.6),
            jpeg_probability=0.9,
            jpeg_quality=(15.0, 90.0),
        ),
        scale=1,
    )


def untouched() -> Degradation:
    """Noise as it came, under next to no JPEG."""
    return Degradation(
        name="untouched",
        first=replace(
            _NOISY,
            blur_probability=0.5,
            noise_probability=1.0,
            gaussian_sigma=(2.0, 30.0),
            grain_probability=0.2,
            jpeg_probability=0.3,
            jpeg_quality=(80.0, 99.0),
        ),
        scale=1,
    )


def clean() -> Degradation:
    """Next to no noise."""
    return Degradation(
        name="clean",
        first=replace(
            BLUR,
            kernel_sigma=(0.2, 2.0),
            noise_probability=0.4,
            gaussian_sigma=(0.3, 1.5),
            poisson_scale=(0.02, 0.1),
            jpeg_probability=0.2,
            jpeg_quality=(92.0, 99.0),
        ),
        scale=1,
    )

"""Cut the inputs of the pictures in docs/images out of the photos that come with scikit-image, and make two noisy.

    pip download --no-deps scikit-image && unzip -j scikit_image-*.whl 'skimage/data/*.png' -d photos
    python recipes/picture_inputs.py photos inputs

writes inputs/NAME.png, squares of 128 pixels; what becomes of them: docs/images/README.md.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from linearsr.data.degradations import degrade
from linearsr.data.presets import BLUR, Degradation, DegradationStage

SIDE = 128
PLACES = {
    "face": ("astronaut", 1, 160, 30),
    "patch": ("astronaut", 2, 0, 128),
    "cat": ("chelsea", 1, 120, 60),
    "cup": ("coffee", 2, 120, 30),
}
"""Photo, how many times it is reduced, left and top."""
JPEG_QUALITY = 60
"""That of ``cup``."""
NOISE = replace(
    BLUR,
    blur_probability=0.0,
    noise_probability=1.0,
    gaussian_probability=1.0,
    gaussian_sigma=(20.0, 20.0),
    gray_noise_probability=0.0,
)
GRAIN = replace(
    BLUR,
    blur_probability=0.0,
    grain_probability=1.0,
    grain_sigma=(18.0, 18.0),
    grain_size=(0.8, 0.8),
    jpeg_probability=1.0,
    jpeg_quality=(85.0, 85.0),
)


def main() -> None:
    """Write all inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with the PNG files of skimage/data")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    inputs = {name: cut(options.photos, *place) for name, place in PLACES.items()}
    inputs["cup"] = compressed(inputs["cup"], JPEG_QUALITY)
    inputs["face_noise"] = degraded(inputs["face"], NOISE)
    inputs["cat_grain"] = degraded(inputs["cat"], GRAIN)
    for name, image in inputs.items():
        image.save(options.out / f"{name}.png")


def cut(photos: Path, name: str, reduction: int, left: int, top: int) -> Image.Image:
    """Return a square of a photo that was reduced."""
    photo = Image.open(photos / f"{name}.png").convert("RGB")
    size = photo.width // reduction, photo.height // reduction
    return photo.resize(size, Image.Resampling.LANCZOS).crop((left, top, left + SIDE, top + SIDE))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """Return the image as JPEG of that quality has left it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def degraded(image: Image.Image, stage: DegradationStage) -> Image.Image:
    """Return the image after one stage of the training's own degradation, by seed 1."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    process = Degradation(name="picture", first=stage, scale=1)
    noisy = degrade(pixels, process, [1])[0].permute(1, 2, 0)
    return Image.fromarray((noisy * 255).round().byte().numpy())


if __name__ == "__main__":
    main()

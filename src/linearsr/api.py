"""Upscaling in one line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from linearsr.catalog import DEFAULT_MODEL
from linearsr.files import write_picture
from linearsr.imaging.codec import decode
from linearsr.imaging.convert import to_picture, to_pil
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from linearsr.imaging.convert import ImageLike


def upscale(
    image: str | Path | ImageLike,
    output: str | Path | None = None,
    *,
    scale: float = 4.0,
    seed: int = 0,
    model: str | Path = DEFAULT_MODEL,
    overwrite: bool = False,
) -> Image:
    """Upscale an image file or an image in memory, and return the result as an 8-bit PIL image.

    With ``output`` the result is also written there, in the format of the name's suffix, keeping 16 bits, alpha, ICC
    profile and EXIF. The model is loaded once and kept for the next call.

    Raises:
        LinearSRError: its subclasses say what is wrong with the image, the output or the model.
    """
    picture = decode(Path(image)) if isinstance(image, str | Path) else to_picture(image)
    result = _pipeline(str(model)).upscale(picture, UpscaleRequest(scale=scale, seed=seed))
    if output is not None:
        write_picture(result, Path(output), overwrite=overwrite)
    return to_pil(result)


@lru_cache(maxsize=1)
def _pipeline(model: str) -> SRPipeline:
    return SRPipeline.from_pretrained(model)

"""Between pictures and the image types of Python: PIL images, numpy arrays, torch tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from linearsr.errors import ImageError, InputError
from linearsr.imaging.picture import Metadata, Picture, from_unit

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    ImageLike = Image | NDArray[Any] | Tensor

_PLAIN_MODES = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBX": "RGB"}
_PLAIN_MODES |= {"RGBA": "RGBA", "RGBa": "RGBA"}
"""PIL modes of grey or RGB values, and the mode to read them in; all others are converted to RGB."""


def to_picture(image: ImageLike) -> Picture:
    """Turn a PIL image, an (H, W[, 1|2|3|4]) array or a (1|2|3|4, H, W) tensor into a picture.

    Arrays are uint8, uint16, or float in [0, 1] (kept to 16 bits). The EXIF orientation of a PIL image is applied.

    Raises:
        InputError: naming the type, shape or value that cannot be read.
    """
    import PIL.Image

    if isinstance(image, PIL.Image.Image):
        return _from_pil(image)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if hasattr(image, "detach"):
        if image.ndim != 3 or image.shape[0] > 4:
            raise InputError(f"a tensor of shape {tuple(image.shape)} is not an image", remedy="pass (3, H, W)")
        values = image.detach().cpu().movedim(0, -1)
        return _from_array((values.float() if values.is_floating_point() else values).numpy())
    raise InputError(
        f"cannot read an image from {type(image).__name__}", remedy="pass a PIL image, a numpy array or a tensor"
    )


def to_pil(picture: Picture) -> Image:
    """Turn a picture into an 8-bit PIL image (L, LA, RGB or RGBA), with its ICC profile."""
    import PIL.Image

    color = picture.color if picture.depth == 8 else from_unit(picture.color / np.float32(65535), 8)
    if picture.alpha is not None:
        alpha = picture.alpha if picture.depth == 8 else from_unit(picture.alpha / np.float32(65535), 8)
        color = np.dstack((color, alpha))
    image = PIL.Image.fromarray(color[..., 0] if color.shape[2] == 1 else color)
    if picture.metadata.icc is not None:
        image.info["icc_profile"] = picture.metadata.icc
    return image


def _from_pil(image: Image) -> Picture:
    upright = _upright(image)
    plain = _PLAIN_MODES.get(upright.mode, "RGB")
    if "transparency" in upright.info:
        plain = "LA" if plain == "L" else "RGBA"
    deep = upright.mode.startswith(("I", "F"))
    picture = _from_array(_deep_samples(upright) if deep else np.asarray(upright.convert(plain)))
    # Converted from CMYK or Lab, the profile no longer describes the values.
    described = deep or upright.mode in _PLAIN_MODES
    return replace(picture, metadata=Metadata(icc=upright.info.get("icc_profile") if described else None))


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"the PIL image cannot be decoded ({error})", remedy="get an intact copy") from error
    try:
        return ImageOps.exif_transpose(image)
    except SyntaxError:  # an EXIF block that cannot be read turns nothing
        return image


def _deep_samples(image: Image) -> NDArray[Any]:
    samples = np.asarray(image)
    if image.mode == "F":
        return samples
    if samples.min() < 0 or samples.max() > 65535:
        raise InputError(
            f"integer images must lie in 0 to 65535, not {samples.min()} to {samples.max()}",
            remedy="rescale the values",
        )
    return samples.astype(np.uint16)


def _from_array(array: NDArray[Any]) -> Picture:
    samples = array[..., None] if array.ndim == 2 else array
    if samples.ndim != 3 or samples.shape[2] not in (1, 2, 3, 4) or 0 in samples.shape:
        raise InputError(f"an array of shape {array.shape} is not an image", remedy="pass (H, W) or (H, W, 3)")
    if samples.dtype.kind == "f":
        if not (samples.min() >= 0 and samples.max() <= 1):  # false for NaN, too
            raise InputError(
                f"float images must lie in [0, 1], not {samples.min():g} to {samples.max():g}",
                remedy="rescale the values, or pass uint8",
            )
        samples = from_unit(samples.astype(np.float32), 16)
    if samples.dtype not in (np.uint8, np.uint16):
        raise InputError(f"images of {samples.dtype} are not supported", remedy="pass uint8, uint16 or float")
    channels = 1 if samples.shape[2] < 3 else 3
    alpha = np.ascontiguousarray(samples[..., channels]) if samples.shape[2] > channels else None
    return Picture(color=np.ascontiguousarray(samples[..., :channels]), alpha=alpha)

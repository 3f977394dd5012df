"""Between pictures and the image types of Python: PIL images, numpy arrays, torch tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from linearsr.errors import InputError
from linearsr.imaging.picture import Metadata, Picture, from_unit

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    ImageLike = Image | NDArray[Any] | Tensor


def to_picture(image: ImageLike) -> Picture:
    """Turn a PIL image, an (H, W[, 1|3|4]) array or a (3, H, W) tensor into a picture.

    Arrays are uint8, uint16, or float in [0, 1] (kept to 16 bits).

    Raises:
        InputError: naming the type, shape or value that cannot be read.
    """
    import PIL.Image

    if isinstance(image, PIL.Image.Image):
        return _from_pil(image)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if hasattr(image, "detach"):
        if image.ndim != 3:
            raise InputError(f"a tensor of shape {tuple(image.shape)} is not an image", remedy="pass (3, H, W)")
        return _from_array(image.detach().cpu().movedim(0, -1).numpy())
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
    if image.mode in ("I;16", "I"):
        return _from_array(np.asarray(image).astype(np.uint16))
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        plain = image
    else:
        plain = image.convert("RGBA" if "transparency" in image.info or image.mode.endswith(("A", "a")) else "RGB")
    picture = _from_array(np.asarray(plain))
    metadata = Metadata(icc=image.info.get("icc_profile"))
    return Picture(color=picture.color, alpha=picture.alpha, metadata=metadata)


def _from_array(array: NDArray[Any]) -> Picture:
    samples = array[..., None] if array.ndim == 2 else array
    if samples.ndim != 3 or samples.shape[2] not in (1, 2, 3, 4) or 0 in samples.shape:
        raise InputError(f"an array of shape {array.shape} is not an image", remedy="pass (H, W) or (H, W, 3)")
    if samples.dtype.kind == "f":
        if not np.isfinite(samples).all() or samples.min() < 0 or samples.max() > 1:
            raise InputError("float images must lie in [0, 1]", remedy="rescale the values, or pass uint8")
        samples = from_unit(samples.astype(np.float32), 16)
    if samples.dtype not in (np.uint8, np.uint16):
        raise InputError(f"images of {samples.dtype} are not supported", remedy="pass uint8, uint16 or float")
    channels = 1 if samples.shape[2] < 3 else 3
    alpha = np.ascontiguousarray(samples[..., channels]) if samples.shape[2] > channels else None
    return Picture(color=np.ascontiguousarray(samples[..., :channels]), alpha=alpha)

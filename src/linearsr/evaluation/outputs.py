"""Making the outputs that are to be measured: with a model, or with a bicubic filter.

Outputs are 8-bit PNG files, ``FOLDER/METHOD/KEY.png``, and stay there; what exists is not made again. The file
``made_by.json`` beside them says how they were made, so that outputs of two models are never mixed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image

from linearsr.errors import DataError, InputError
from linearsr.evaluation.datasets import ImageSet
from linearsr.evaluation.folders import Method, read_pixels
from linearsr.evaluation.runner import Progress
from linearsr.files import write_picture
from linearsr.hub import INDEX_NAME, find_model
from linearsr.imaging.atomic import write_atomically
from linearsr.imaging.codec import decode, read_header
from linearsr.imaging.picture import Picture
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest

BICUBIC = "bicubic"
"""The method of enlarging with a bicubic filter, in place of a model."""
STAMP = "made_by.json"
Enlarge = Callable[[Path, UpscaleRequest], Picture]


@dataclass(frozen=True, kw_only=True)
class Maker:
    """What makes the outputs of one method: a model's name, folder or hub id, or ``BICUBIC``."""

    name: str
    model: str
    device: str = "auto"

    def fingerprint(self) -> str:
        """What tells this model from others: the SHA-256 of its index, which holds those of its weights."""
        if self.model == BICUBIC:
            return BICUBIC
        return hashlib.sha256((find_model(self.model) / INDEX_NAME).read_bytes()).hexdigest()

    def enlarge(self) -> Enlarge:
        """Load the model and return what enlarges one image file."""
        if self.model == BICUBIC:
            return _bicubic
        pipeline = SRPipeline.from_pretrained(self.model, device=self.device)
        return lambda path, request: pipeline.upscale(decode(path), request)


def make_outputs(
    maker: Maker, images: ImageSet, folder: Path, request: UpscaleRequest, on_image: Progress | None = None
) -> Method:
    """Make the outputs of a set that are not there yet, each of its reference's size (without reference: scale 4).

    Raises:
        InputError: if the method's name cannot be that of a folder.
        DataError: if the folder holds outputs that were made in another way.
        LinearSRError: if an image cannot be read, enlarged or written.
    """
    if Path(maker.name).name != maker.name:
        raise InputError(f"{maker.name!r} cannot name a folder", remedy="pass NAME=MODEL with a plain name")
    target = folder / maker.name
    _stamp(target, {"model": maker.fingerprint(), **_settings(request)})
    outputs = {key: target / f"{key}.png" for key in sorted(images.inputs)}
    missing = [key for key, path in outputs.items() if not path.exists()]
    enlarge = maker.enlarge() if missing else None
    for number, key in enumerate(missing, start=1):
        assert enlarge is not None, "there are images to make, so the model is loaded"
        reference = images.references.get(key)
        fitted = request if reference is None else _fitted(request, reference)
        write_picture(enlarge(images.inputs[key], fitted), outputs[key])
        if on_image is not None:
            on_image(f"{maker.name} {key}", number, len(missing))
    return Method(name=maker.name, outputs=outputs)


def _fitted(request: UpscaleRequest, reference: Path) -> UpscaleRequest:
    header = read_header(reference)
    return replace(request, width=header.width, height=header.height)


def _settings(request: UpscaleRequest) -> dict[str, object]:
    """What of a request changes the pixels. Sizes follow from the set, and tiles from the machine."""
    return {name: value for name, value in asdict(request).items() if name not in ("width", "height", "tile")}


def _stamp(target: Path, made_by: dict[str, object]) -> None:
    path = target / STAMP
    text = json.dumps(made_by, indent=2) + "\n"
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise DataError(
                f"{target} holds outputs of another model or other settings ({STAMP})",
                remedy="choose another folder with --outputs, or another name with NAME=MODEL",
            )
        return
    if target.exists() and any(target.iterdir()):
        raise DataError(f"{target} holds files that were not made here", remedy="choose another folder with --outputs")
    write_atomically(path, text.encode(), overwrite=False)


def _bicubic(path: Path, request: UpscaleRequest) -> Picture:
    image = PIL.Image.fromarray(read_pixels(path))
    size = request.output_size(image.width, image.height)
    return Picture(color=np.asarray(image.resize(size, PIL.Image.Resampling.BICUBIC)))

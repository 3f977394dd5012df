"""The pipeline: from an image to the same image, four times larger.

LR -> pad to the latent grid -> sample the latent with the experts -> decode with the LR -> crop -> colour fix
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.catalog import DEFAULT_MODEL
from linearsr.devices import choose_device, choose_precision
from linearsr.diffusion.sampler import noise, plan_timesteps, sample
from linearsr.errors import DeviceError, InputError
from linearsr.hub import COMPACT, EXACT, ModelParts, find_model, load_model, save_model
from linearsr.imaging.color import fix_color
from linearsr.imaging.convert import to_picture, to_pil
from linearsr.imaging.limits import CLI_LIMITS
from linearsr.imaging.picture import Picture, Samples, from_unit, to_unit
from linearsr.imaging.resize import resize
from linearsr.memory import AUTO_TILE, choose_tile
from linearsr.models.autoencoder import LR_STRIDE, SCALE, Autoencoder
from linearsr.models.experts import ExpertTransformer
from linearsr.models.tiling import decode_tiled
from linearsr.request import UpscaleRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from linearsr.imaging.convert import ImageLike

StepCallback = Callable[[int, float, Tensor], None]
OutputType = Literal["pil", "np", "pt"]
SMALLEST_TILE = 64
"""Tiles are halved down to this side in LR pixels when memory runs out, then it is an error."""


@dataclass(frozen=True)
class SROutput:
    """Results of a pipeline call, one per input image."""

    images: list[Image] | list[np.ndarray] | list[Tensor]


class SRPipeline:
    """Super-resolution by four experts and an LR-conditioned decoder."""

    def __init__(self, autoencoder: Autoencoder, experts: ExpertTransformer, *, name: str = "custom") -> None:
        self.autoencoder = autoencoder.eval()
        self.experts = experts.eval()
        self.name = name
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self._tile: int | None = None

    @classmethod
    def from_pretrained(
        cls, model: str | Path = DEFAULT_MODEL, *, device: str = "auto", precision: str = "auto"
    ) -> SRPipeline:
        """Load a model: an embedded name, a folder, or a hub id "owner/name".

        Raises:
            InputError, ModelError, DeviceError: if it cannot be found, is damaged, or the device is not there.
        """
        target = choose_device(device)
        parts = load_model(find_model(model))
        pipeline = cls(parts.autoencoder, parts.experts, name=parts.name)
        return pipeline.to(target, choose_precision(precision, target))

    def save_pretrained(self, folder: str | Path, *, compact: bool = False) -> None:
        """Write the model so that :meth:`from_pretrained` reads it.

        By default nothing is rounded; ``compact`` stores the autoencoder as bfloat16 and the experts as int8, a quarter
        of the size (docs/decisions/0003-tiny.md).
        """
        parts = ModelParts(name=self.name, autoencoder=self.autoencoder, experts=self.experts)
        save_model(parts, Path(folder), storage=COMPACT if compact else EXACT)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> SRPipeline:
        """Move to a device and, if given, a precision. Returns the pipeline itself."""
        self.device, self.dtype = torch.device(device), dtype or self.dtype
        for module in (self.autoencoder, self.experts):
            module.to(self.device, self.dtype)
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def enable_tiling(self, tile: int | None = AUTO_TILE) -> None:
        """Decode in tiles of ``tile`` LR pixels: 0 never tiles, None decides by size. The result stays the same."""
        self._tile = tile

    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        *,
        scale: float = 4.0,
        num_inference_steps: int = 4,
        generator: torch.Generator | None = None,
        output_type: OutputType = "pil",
        callback_on_step_end: StepCallback | None = None,
    ) -> SROutput:
        """Upscale one image or several.

        Args:
            image: PIL image, (H, W, 3) array or (3, H, W) tensor; arrays are uint8, uint16, or float in [0, 1].
            scale: enlargement; 4 is native, others are reached from there with a Lanczos filter.
            num_inference_steps: sampling steps (NFE); 4 gives each expert one.
            generator: source of the noise. Without one every image gets seed 0, whatever its company.
            output_type: "pil", "np" (H, W, 3) float in [0, 1], or "pt" (3, H, W) float in [0, 1].
            callback_on_step_end: called as (step, timestep reached, latent) after every step.
        """
        if output_type not in ("pil", "np", "pt"):
            raise InputError(f"output_type {output_type!r} is unknown", remedy='use "pil", "np" or "pt"')
        request = UpscaleRequest(scale=scale, steps=num_inference_steps, tile=self._tile)
        images = image if isinstance(image, Sequence) else [image]
        results = [
            self.upscale(to_picture(item), request, generator=generator, on_step_end=callback_on_step_end)
            for item in images
        ]
        if output_type == "pil":
            return SROutput([to_pil(result) for result in results])
        arrays = [to_unit(result.color) for result in results]
        return SROutput(arrays if output_type == "np" else [torch.from_numpy(a).permute(2, 0, 1) for a in arrays])

    def upscale(
        self,
        picture: Picture,
        request: UpscaleRequest,
        *,
        generator: torch.Generator | None = None,
        on_step_end: StepCallback | None = None,
    ) -> Picture:
        """Upscale a decoded picture, carrying alpha, depth and metadata along as the request says.

        Raises:
            ImageTooLargeError: if the result would be over the limits.
        """
        width, height = request.output_size(picture.width, picture.height)
        for size in ((width, height), (picture.width * SCALE, picture.height * SCALE)):
            CLI_LIMITS.check_output(*size)
        generator = generator or torch.Generator().manual_seed(request.seed)
        lr = torch.from_numpy(to_unit(picture.color)).permute(2, 0, 1)[None].expand(1, 3, -1, -1) * 2 - 1
        hr = self.upscale_tensor(lr, request, generator, on_step_end)
        values = (hr[0].permute(1, 2, 0).cpu().numpy() + 1) / 2
        if picture.is_gray:
            values = values.mean(-1, keepdims=True)
        depth = picture.depth if request.depth == "auto" else int(request.depth)
        alpha = None if picture.alpha is None or request.alpha == "drop" else _redepth(picture.alpha, depth)
        return Picture(
            color=resize(from_unit(values, depth), width, height),
            alpha=None if alpha is None else resize(alpha, width, height),
            metadata=picture.metadata.reduced(request.metadata),
            source_format=picture.source_format,
        )

    @torch.inference_mode()
    def upscale_tensor(
        self, lr: Tensor, request: UpscaleRequest, generator: torch.Generator, on_step_end: StepCallback | None = None
    ) -> Tensor:
        """(1, 3, h, w) in [-1, 1] -> (1, 3, 4h, 4w) float32, at the native scale."""
        height, width = lr.shape[-2:]
        padded = F.pad(lr.to(self.device), (0, -width % LR_STRIDE, 0, -height % LR_STRIDE), mode="replicate")
        padded = padded.contiguous(memory_format=torch.channels_last)
        latent = self._sample_latent(padded, request, generator, on_step_end)
        image = self._decode(latent, padded, request.tile)[..., : height * SCALE, : width * SCALE]
        source = F.interpolate(lr.to(self.device), scale_factor=SCALE, mode="bicubic", align_corners=False)
        return fix_color(image, source, request.color_fix)

    def _sample_latent(
        self, lr: Tensor, request: UpscaleRequest, generator: torch.Generator, on_step_end: StepCallback | None
    ) -> Tensor:
        channels = self.autoencoder.config.latent_channels
        shape = (1, channels, lr.shape[-2] // LR_STRIDE, lr.shape[-1] // LR_STRIDE)
        timesteps = plan_timesteps(request.steps, self.experts.config.boundaries)
        condition = lr.to(self.dtype)

        def velocity(z: Tensor, t: float) -> Tensor:
            v: Tensor = self.experts(z.to(self.dtype), t, condition)
            return v.float()

        z1 = noise(shape, generator).to(self.device)
        return sample(velocity, z1, timesteps, solver=request.solver, on_step_end=on_step_end)

    def _decode(self, latent: Tensor, lr: Tensor, tile: int | None) -> Tensor:
        """Decode whole or in tiles; when memory runs out, halve the tile and start over."""
        tile = choose_tile(lr.shape[-1], lr.shape[-2], tile)
        while True:
            try:
                return decode_tiled(self.autoencoder, latent, lr, tile) if tile else self.autoencoder.decode(latent, lr)
            except torch.OutOfMemoryError as error:
                tile = (tile or max(lr.shape[-2:])) // 2
                if tile < SMALLEST_TILE:
                    raise DeviceError(
                        f"out of memory on {self.device} even in tiles of {2 * tile} pixels", remedy="use --device cpu"
                    ) from error


def _redepth(samples: Samples, depth: int) -> Samples:
    return samples if samples.dtype.itemsize * 8 == depth else from_unit(to_unit(samples), depth)

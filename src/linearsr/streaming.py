"""One image through the model in strips: LR rows in, HR rows out, whatever the size.

LR -> pad to the latent grid -> sample the latent with the experts -> decode with the LR -> crop -> colour fix
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from linearsr.devices import is_out_of_memory
from linearsr.diffusion.guidance import guided
from linearsr.diffusion.sampler import StepCallback, VelocityFunction, noise, plan_timesteps, sample
from linearsr.errors import DeviceError, InputError
from linearsr.imaging.color import AdainFix, ColorFixRows, NoFix, WaveletFix
from linearsr.lr_image import DenoisedImage, LRImage
from linearsr.memory import StripPlan, plan_strips
from linearsr.models.autoencoder import LR_STRIDE, SCALE, Decoder
from linearsr.models.decoding import decode_rows
from linearsr.models.experts import ExpertTransformer
from linearsr.models.large import roomy_empty
from linearsr.models.peers import Alone, Peers
from linearsr.models.sweep import velocity_in_strips
from linearsr.request import UpscaleRequest
from linearsr.scratch import is_large
from linearsr.tags.guide import Guidance

T = TypeVar("T")
UP = LR_STRIDE * SCALE
"""HR pixels along a side of a latent cell."""
_FIX_REACH = 1
"""Latent rows around a band that its colour fix depends on."""


class Upscaling:
    """The work on one image. Where memory runs out, strips are halved and the work goes on where it stopped."""

    def __init__(
        self,
        decoder: Decoder,
        experts: ExpertTransformer,
        lr: LRImage | DenoisedImage,
        request: UpscaleRequest,
        peers: Peers | None = None,
        guidance: Guidance | None = None,
    ) -> None:
        """``peers`` are the processes that share the image; every one makes the rows of its own band."""
        self._decoder, self._experts, self._lr, self._request = decoder, experts, lr, request
        self._peers, self._guidance = peers, guidance or Guidance()
        weight = next(experts.parameters())
        self._device = weight.device
        self._plan = plan_strips(lr.width, lr.height, request.tile, like=weight)
        try:
            self._band = (peers or Alone()).band(lr.grid[0])
        except ValueError as error:
            raise InputError(str(error), remedy="upscale so small an image on one process") from error

    @torch.inference_mode()
    def sample_latent(self, generator: torch.Generator, on_step_end: StepCallback | None = None) -> Tensor:
        """Draw noise and follow the experts' velocity to a latent, (1, C, H, W) float32."""
        shape = (1, self._decoder.config.latent_channels, *self._lr.grid)
        timesteps = plan_timesteps(self._request.steps, self._experts.config.boundaries)
        room = roomy_empty(shape, torch.empty(0, device=generator.device))
        z1 = noise(shape, generator, out=room).to(self._device)

        def towards(tokens: Tensor | None) -> VelocityFunction:
            return lambda z, t: self._fitting(lambda plan: self._velocity(z, t, tokens, plan))

        wanted, negative = self._guidance
        # Without any tags both are the same, and one evaluation is enough.
        scale = 1.0 if wanted is negative else self._request.guidance_scale
        velocity = guided(towards(wanted), towards(negative), scale)
        in_place = is_large(z1.nbytes)
        return sample(velocity, z1, timesteps, solver=self._request.solver, on_step_end=on_step_end, in_place=in_place)

    def _velocity(self, z: Tensor, t: float, tokens: Tensor | None, plan: StripPlan) -> Tensor:
        expert = self._experts.expert_at(t)
        z = z.to(expert.patch_in.weight.dtype)
        condition = expert.condition(z.new_full((1,), t), None if tokens is None else tokens.to(z))
        rows = plan.transformer_rows
        return velocity_in_strips(expert, z, condition, self._lr.read, rows=rows, peers=self._peers).float()

    def _fitting(self, compute: Callable[[StripPlan], T]) -> T:
        """Return what ``compute`` makes with the present plan, or with the first smaller one that fits."""
        while True:
            try:
                return compute(self._plan)
            except RuntimeError as error:
                self._shrink(error)

    def _shrink(self, error: RuntimeError) -> None:
        if not is_out_of_memory(error):
            raise error
        smaller = self._plan.halved
        if smaller is None:
            raise DeviceError(
                f"out of memory on {self._device}, even in the shortest strips", remedy="use --device cpu"
            ) from error
        self._plan = smaller

    @torch.inference_mode()
    def rows(self, latent: Tensor) -> Iterator[Tensor]:
        """Yield the band's (1, 3, n, 4w) float32 rows in [-1, 1], not clamped, cropped to the image."""
        first, stop = self._band
        start, end = max(0, first - _FIX_REACH), min(self._lr.grid[0], stop + _FIX_REACH)
        fix, seen, done = self._color_fix(latent), start * UP, start * UP
        bottom = self._pixel_row(end)
        for result, source in self._pairs(latent, start, end):
            seen += result.shape[2]
            fixed = fix.push(result, source, last=seen == bottom)
            inside = fixed[:, :, max(0, first * UP - done) : max(0, self._pixel_row(stop) - done)]
            done += fixed.shape[2]
            if inside.shape[2]:
                yield inside

    def _pixel_row(self, cell: int) -> int:
        """First row of a latent row, or the image's height if that is smaller."""
        height: int = self._lr.height * SCALE
        return min(cell * UP, height)

    def _color_fix(self, latent: Tensor) -> ColorFixRows:
        if self._request.color_fix == "adain":
            # The moments are those of the whole picture: it is decoded twice, and memory stays flat.
            return AdainFix(self._pairs(latent, *self._band), (self._peers or Alone()).add_up)
        return WaveletFix() if self._request.color_fix == "wavelet" else NoFix()

    def _pairs(self, latent: Tensor, start: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows of the decoded image and of the enlarged LR image, both cropped to the image."""
        width, top, bottom = self._lr.width * SCALE, start * UP, self._pixel_row(stop)
        for detail, source in self._decoded(latent, start, stop):
            inside = min(source.shape[2], bottom - top)
            if inside > 0:
                source = source[:, :, :inside, :width]
                yield source + detail[:, :, :inside, :width], source
            top += inside

    def _decoded(self, latent: Tensor, start: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what ``decode_rows`` does, going on in shorter strips where memory runs out."""
        decoder, read = self._decoder, self._lr.read
        done = start * UP
        while True:
            cell, again = divmod(done, UP)
            try:
                for pair in decode_rows(decoder, latent, read, rows=self._plan.decoder_rows, start=cell, stop=stop):
                    detail, source = (part[:, :, again:] for part in pair)
                    again = max(0, again - pair[0].shape[2])
                    done += detail.shape[2]
                    yield detail, source
                return
            except RuntimeError as error:
                self._shrink(error)

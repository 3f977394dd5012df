"""The pipeline: from an image to the same image, four times larger.

picture -> rows of the enlarged image (streaming.py) -> depth, grey, alpha and size as asked (finishing.py)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from linearsr.catalog import DEFAULT_MODEL
from linearsr.devices import choose_device, choose_precision
from linearsr.diffusion.sampler import StepCallback
from linearsr.errors import InputError
from linearsr.expert_files import Layout, Residency
from linearsr.finishing import RowsCallback, finish
from linearsr.hub import COMPACT, EXACT, ModelParts, find_model, load_model, save_model
from linearsr.hub_transfer import upload
from linearsr.imaging.convert import to_picture
from linearsr.imaging.limits import CLI_LIMITS, Limits
from linearsr.imaging.picture import Picture, Samples
from linearsr.imaging.strips import Strips
from linearsr.lr_image import DenoisedImage, LRImage, denoised, fitting_share
from linearsr.memory import AUTO_TILE
from linearsr.models.autoencoder import SCALE, Autoencoder, Decoder
from linearsr.models.denoiser import Denoiser
from linearsr.models.experts import ExpertTransformer
from linearsr.models.fidelity import FidelityKnob
from linearsr.models.peers import Peers
from linearsr.output import OutputType, SROutput, check_output_type
from linearsr.request import UpscaleRequest
from linearsr.streaming import Upscaling
from linearsr.tags.encoder import WordEncoder
from linearsr.tags.guide import choose_tags, guide
from linearsr.tags.table import TagTable
from linearsr.tags.tagger import Tagger
from linearsr.tags.text import PACKAGE_WORDS
from linearsr.tags.words import parse_tags

if TYPE_CHECKING:
    from linearsr.imaging.convert import ImageLike


class SRPipeline:
    """Super-resolution by four experts and an LR-conditioned decoder.

    ``faithful`` is the decoder at the far end of the fidelity knob; without it, only a fidelity of 0 can be asked for.
    ``denoiser`` takes noise out of photos before they are enlarged; without it, they stay as they are. ``cleaned`` is
    the decoder for photos that it was taken out of; without it, they get that of all.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        experts: ExpertTransformer,
        faithful: Decoder | None = None,
        denoiser: Denoiser | None = None,
        cleaned: Decoder | None = None,
        *,
        name: str = "custom",
    ) -> None:
        self.autoencoder = autoencoder
        self.experts = experts
        self.knob = FidelityKnob(autoencoder.decoder, faithful, cleaned)
        self.denoiser = denoiser
        self.name = name
        self.tagger: Tagger | None = None
        """What finds tags, by default the tagger inside the package."""
        self.tag_table: TagTable | None = None
        """The model's own tokens of tags, for one trained with another text encoder than the package's."""
        self.text_encoder: WordEncoder | None = None
        """What turns words into guidance tokens, by default the model's table of tags, or the package's words."""
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self._tile: int | None = None
        for module in self._modules():
            module.eval()

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = DEFAULT_MODEL,
        *,
        device: str = "auto",
        precision: str = "auto",
        experts: Residency = "resident",
    ) -> SRPipeline:
        """Load a model: an embedded name, a folder, or a hub id "owner/name" or "owner/name@revision".

        With ``experts`` "on-demand", one is in memory at a time, and read when sampling comes to it.

        Raises:
            InputError, ModelError, DeviceError: if it cannot be found, is damaged, or the device is not there.
        """
        target = choose_device(device)
        parts = load_model(find_model(model), experts=experts)
        networks = parts.autoencoder, parts.experts, parts.faithful, parts.denoiser, parts.cleaned
        pipeline = cls(*networks, name=parts.name)
        pipeline.tag_table = parts.tag_table
        return pipeline.to(target, choose_precision(precision, target))

    def save_pretrained(self, folder: str | Path, *, compact: bool = False, layout: Layout = "together") -> None:
        """Write the model so that :meth:`from_pretrained` reads it.

        By default nothing is rounded; ``compact`` stores the autoencoder as bfloat16 and the experts as int8, a quarter
        of the size (docs/decisions/0003-tiny.md). ``layout`` is one file for all experts, one each, or differences.
        """
        parts = ModelParts(
            name=self.name,
            autoencoder=self.autoencoder,
            experts=self.experts,
            faithful=self.knob.faithful,
            cleaned=self.knob.cleaned,
            denoiser=self.denoiser,
            tag_table=self.tag_table,
        )
        save_model(parts, Path(folder), storage=COMPACT if compact else EXACT, layout=layout)

    def push_to_hub(self, model: str, *, private: bool = False, compact: bool = False) -> str:
        """Put the model on the hub as "owner/name" or "owner/name@branch"; return the commit, which names it for good.

        Raises:
            InputError, ModelError: if the name is none, or the hub refuses.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, compact=compact)
            return upload(Path(folder), model, private=private)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> SRPipeline:
        """Move to a device and, if given, a precision. Returns the pipeline itself."""
        self.device, self.dtype = torch.device(device), dtype or self.dtype
        self.knob.forget()
        for module in self._modules():
            module.to(self.device, self.dtype)
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def decoder(self, fidelity: float | None = None, *, denoised: float = 0.0) -> Decoder:
        """Return the decoder at ``fidelity``, 0 for the most detail and 1 for the least distance to the photo.

        ``denoised`` is the share of the photo's noise that is taken out. A fidelity of None is the model's own for
        that: a quarter of the way where nothing is, or 0 without a second decoder.

        Raises:
            InputError: if the model has none but that of 0.
        """
        try:
            return self.knob.at(self.knob.fitting(denoised) if fidelity is None else fidelity, denoised)
        except ValueError as error:
            remedy = "leave fidelity at 0, or train one with linearsr train fidelity"
            raise InputError(f"the model {self.name} has {error}", remedy=remedy) from error

    def lr_image(
        self, samples: Samples | NDArray[np.float32], denoise: float, noise: float | None = None
    ) -> LRImage | DenoisedImage:
        """Return what the networks read of a photo, (H, W, 1) or (H, W, 3), less a share of its noise.

        ``noise`` is how strong that is, in 8-bit levels; None measures it.

        Raises:
            InputError: if a share is asked for and the model has no denoiser.
        """
        if denoise and self.denoiser is None:
            remedy = "leave denoise out, or train one with linearsr train denoise"
            raise InputError(f"the model {self.name} has no denoiser for a share of {denoise}", remedy=remedy)
        return denoised(LRImage(samples, self.device), self.denoiser, denoise, noise)

    @property
    def words(self) -> WordEncoder:
        """What turns words into guidance tokens for this model."""
        return self.text_encoder or self.tag_table or PACKAGE_WORDS

    def enable_tiling(self, tile: int | None = AUTO_TILE) -> None:
        """Work in strips of ``tile`` x ``tile`` LR pixels: 0 never cuts, None goes by size. The result is the same."""
        self._tile = tile

    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        *,
        scale: float = 4.0,
        num_inference_steps: int = 4,
        denoise: float | None = None,
        fidelity: float | None = None,
        tags: str | Sequence[str] = "auto",
        caption: str | None = None,
        negative_tags: Sequence[str] = (),
        guidance_scale: float = 1.0,
        generator: torch.Generator | None = None,
        output_type: OutputType = "pil",
        callback_on_step_end: StepCallback | None = None,
    ) -> SROutput:
        """Upscale one image or several.

        Args:
            image: PIL image, (H, W, 3) array or (3, H, W) tensor; arrays are uint8, uint16, or float in [0, 1].
            scale: enlargement; 4 is native, others are reached from there with a Lanczos filter.
            num_inference_steps: sampling steps (NFE); 4 gives each expert one.
            denoise: share of the photo's noise and JPEG blocks that is taken out first, from 0 to 1; None takes out all
                where they are there for sure and nothing where it may be texture.
            fidelity: from 0, the most detail, to 1, the closest to the photo; None is the model's own: a quarter, or
                less, down to 0, where noise or blocks were taken out.
            tags: "none", words, or "auto": each photo's own, for a model trained with tags.
            caption: free text in the place of tags, for a model with a text encoder.
            negative_tags: what the images are not to look like; needs a ``guidance_scale`` above 1.
            guidance_scale: how far to follow the tags; above 1 it costs twice the evaluations.
            generator: source of the noise. Without one every image gets seed 0, whatever its company.
            output_type: "pil", "np" (H, W, 3) float in [0, 1], or "pt" (3, H, W) float in [0, 1].
            callback_on_step_end: called as (step, timestep reached, latent) after every step; the next one
                overwrites a latent of over 128 MB.
        """
        check_output_type(output_type)
        request = UpscaleRequest(
            scale=scale,
            steps=num_inference_steps,
            denoise=denoise,
            fidelity=fidelity,
            tags=parse_tags(tags) if isinstance(tags, str) else tuple(tags),
            caption=caption,
            negative_tags=tuple(negative_tags),
            guidance_scale=guidance_scale,
            tile=self._tile,
        )
        pictures = [to_picture(item) for item in (image if isinstance(image, Sequence) else [image])]
        requests = [self.settled(picture, request) for picture in pictures]
        results = [
            self.upscale(picture, own, generator=generator, on_step_end=callback_on_step_end)
            for picture, own in zip(pictures, requests, strict=True)
        ]
        return SROutput.of(results, requests, output_type)

    def settled(self, picture: Picture, request: UpscaleRequest) -> UpscaleRequest:
        """Return the request with what is left to the picture decided: tags, how much noise goes, and fidelity."""
        tags = choose_tags(picture, request, self.experts.transformer_config, self.tagger)
        share, noise, fidelity = request.denoise, request.noise, request.fidelity
        if share is None:
            share, found = fitting_share(LRImage(picture.color, self.device), self.denoiser)
            noise = found if noise is None else noise
        if fidelity is None:
            fidelity = self.knob.fitting(share)
        return replace(request, tags=tags, denoise=share, noise=noise, fidelity=fidelity)

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
        return self.stream(picture, request, generator=generator, on_step_end=on_step_end).gather()

    def stream(
        self,
        picture: Picture,
        request: UpscaleRequest,
        *,
        generator: torch.Generator | None = None,
        on_step_end: StepCallback | None = None,
        on_rows: RowsCallback | None = None,
        limits: Limits = CLI_LIMITS,
        peers: Peers | None = None,
    ) -> Strips:
        """Upscale as :meth:`upscale` does, but hand out rows as they are made.

        Before the first row, only the strength of the noise is measured.

        Args:
            picture: the LR picture.
            request: what is asked of it.
            generator: source of the noise; without one, the request's seed.
            on_step_end: called as (step, timestep reached, latent) after every sampling step.
            on_rows: called as (rows done, rows in all) of the decoded image; what it raises ends the work.
            limits: the largest output that is allowed.
            peers: the processes that share the work; the rows come out on rank 0, and none elsewhere.
        """
        native = picture.width * SCALE, picture.height * SCALE
        for size in (request.output_size(picture.width, picture.height), native):
            limits.check_output(*size)
        generator = generator or torch.Generator().manual_seed(request.seed)
        request, config = self.settled(picture, request), self.experts.transformer_config
        guidance = guide(request.chosen_tags, request.negative_tags, config, self.words, request.caption)
        lr = self.lr_image(picture.color, request.denoise or 0.0, request.noise)
        decoder = self.decoder(request.fidelity, denoised=request.denoise or 0.0)
        upscaling = Upscaling(decoder, self.experts, lr, request, peers, guidance)

        def decoded() -> Iterator[Tensor]:
            yield from upscaling.rows(upscaling.sample_latent(generator, on_step_end))

        return finish(decoded(), picture, request, on_rows=on_rows, peers=peers)

    def _modules(self) -> Iterator[nn.Module]:
        for module in (self.autoencoder, self.experts, self.knob.faithful, self.knob.cleaned, self.denoiser):
            if module is not None:
                yield module

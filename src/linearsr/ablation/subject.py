"""What makes the pictures of one row of an ablation: a model, sampling steps, fidelity, and where the latent is from.

The latent can be sampled, as in use; be zero, the mean of standardized latents, which leaves out the transformer; or be
that of the reference itself, which no transformer can better. Its error is the root mean square difference from the
reference's latent: about 1 for the mean latent, 0 for the reference's own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.errors import DataError
from linearsr.evaluation.metrics import Pixels
from linearsr.imaging.picture import from_unit, to_unit
from linearsr.lr_image import LRImage
from linearsr.models.autoencoder import SCALE
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest
from linearsr.streaming import UP, Upscaling
from linearsr.tags.guide import Guidance
from linearsr.tags.sources import GuidanceSource

LatentFrom = Literal["sampled", "mean", "reference"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model and how it is used; ``note`` goes into the row, such as where its training started.

    ``guidance`` makes of the LR image what the transformer is told; None is the null token.
    """

    pipeline: SRPipeline
    steps: int = 4
    fidelity: float = 0.0
    latent: LatentFrom = "sampled"
    guidance: GuidanceSource | None = None
    note: str = ""

    def fingerprint(self, seed: int) -> str:
        """SHA-256 of all that decides the pixels: networks, weights, steps, fidelity, latent, guidance and seed."""
        digest = hashlib.sha256(f"{self.steps} {self.latent} {seed}".encode())
        if self.guidance is not None:
            digest.update(getattr(self.guidance, "__name__", "").encode())
        for module in (self.pipeline.autoencoder, self.pipeline.decoder(self.fidelity), self.pipeline.experts):
            digest.update(repr(module).encode())
            for name, value in module.state_dict().items():
                digest.update(name.encode() + value.float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @torch.inference_mode()
    def upscale(self, lr: Pixels, reference: Pixels, seed: int) -> tuple[Pixels, float]:
        """Return the enlarged (4H, 4W, 3) picture of an (H, W, 3) one, and the error of its latent.

        Raises:
            DataError: if the reference is not four times as large.
        """
        if reference.shape[:2] != (SCALE * lr.shape[0], SCALE * lr.shape[1]):
            raise DataError(
                f"a reference of {reference.shape[1]}x{reference.shape[0]} for {lr.shape[1]}x{lr.shape[0]} pixels",
                remedy=f"ablations need pairs of scale {SCALE}",
            )
        request = UpscaleRequest(steps=self.steps, fidelity=self.fidelity)
        image = LRImage(lr, self.pipeline.device)
        decoder, guidance = self.pipeline.decoder(self.fidelity), self._guidance(lr)
        upscaling = Upscaling(decoder, self.pipeline.experts, image, request, guidance=guidance)
        true_latent = self._encode(reference, image.grid)
        latent = torch.zeros_like(true_latent)
        if self.latent == "sampled":
            latent = upscaling.sample_latent(torch.Generator().manual_seed(seed))
        elif self.latent == "reference":
            latent = true_latent
        hr = torch.cat(list(upscaling.rows(latent)), 2)[0].permute(1, 2, 0)
        return from_unit((hr.cpu().numpy() + 1) / 2, 8), float((latent - true_latent).square().mean().sqrt())

    def _guidance(self, lr: Pixels) -> Guidance:
        if self.guidance is None:
            return Guidance()
        tokens, mask = self.guidance(torch.from_numpy(to_unit(lr)).permute(2, 0, 1)[None])
        # Of one picture every token counts, or there is none.
        return Guidance(tokens if bool(mask.any()) else None)

    def _encode(self, reference: Pixels, grid: tuple[int, int]) -> Tensor:
        """(4H, 4W, 3) -> (1, C, h, w) float32, padded to the latent grid as the LR image is."""
        hr = torch.from_numpy(reference).to(self.pipeline.device).permute(2, 0, 1)[None].float() / 127.5 - 1
        missing = grid[1] * UP - hr.shape[3], grid[0] * UP - hr.shape[2]
        padded = F.pad(hr, (0, missing[0], 0, missing[1]), mode="replicate")
        return self.pipeline.autoencoder.encode(padded.to(self.pipeline.dtype)).float()

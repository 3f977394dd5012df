"""Upscale a folder with the mean latent instead of a sampled one, to see what the transformer adds.

    python recipes/ablate_latent.py --input LR --output OUT

The experts are replaced by the velocity z / t, whose path from any noise ends at zero: the mean of the standardized
latent. Everything else, decoder included, is the embedded model's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from linearsr import SRPipeline, UpscaleRequest
from linearsr.files import write_picture
from linearsr.imaging.codec import decode
from linearsr.imaging.formats import IMAGE_SUFFIXES
from linearsr.models.experts import ExpertTransformer


class MeanLatent(ExpertTransformer):
    """Leads every sample to the mean latent, whatever the image."""

    def forward(
        self, z_t: Tensor, t: float, lr: Tensor, guidance: Tensor | None = None, mask_BL: Tensor | None = None
    ) -> Tensor:
        """Return the velocity of the straight path from z_t at time t to zero."""
        return z_t / t


def main() -> None:
    """Write a PNG for every image of the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--input", "--output"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    full = SRPipeline.from_pretrained("tiny")
    experts = MeanLatent(full.experts.config, full.experts.transformer_config)
    pipeline = SRPipeline(full.autoencoder, experts, name="mean-latent").to(full.device, full.dtype)
    for path in sorted(path for path in arguments.input.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES):
        result = pipeline.upscale(decode(path), UpscaleRequest())
        write_picture(result, arguments.output / f"{path.stem}.png")


if __name__ == "__main__":
    main()

"""What a call of the pipeline returns: its results as the caller wants them, and what was decided for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from linearsr.errors import InputError
from linearsr.imaging.convert import to_pil
from linearsr.imaging.picture import Picture, to_unit
from linearsr.request import UpscaleRequest

if TYPE_CHECKING:
    from PIL.Image import Image

OutputType = Literal["pil", "np", "pt"]


@dataclass(frozen=True)
class SROutput:
    """Results of a pipeline call, one per image: its tags, the share of its noise or blocks that went, its fidelity."""

    images: list[Image] | list[np.ndarray] | list[Tensor]
    tags: list[tuple[str, ...]]
    denoised: list[float]
    fidelity: list[float]

    @classmethod
    def of(
        cls, pictures: Sequence[Picture], requests: Sequence[UpscaleRequest], output_type: OutputType = "pil"
    ) -> SROutput:
        """Bring results into the form of ``output_type``, beside the settled requests that they were made by."""
        return cls(
            images=_converted(pictures, output_type),
            tags=[request.chosen_tags for request in requests],
            denoised=[request.denoise or 0.0 for request in requests],
            fidelity=[request.fidelity or 0.0 for request in requests],
        )


def check_output_type(output_type: str) -> None:
    """Raise InputError for a form that there is not."""
    if output_type not in get_args(OutputType):
        raise InputError(f"output_type {output_type!r} is unknown", remedy='use "pil", "np" or "pt"')


def _converted(pictures: Sequence[Picture], output_type: OutputType) -> list[Image] | list[np.ndarray] | list[Tensor]:
    if output_type == "pil":
        return [to_pil(picture) for picture in pictures]
    arrays = [to_unit(picture.color) for picture in pictures]
    return arrays if output_type == "np" else [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]

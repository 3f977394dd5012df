"""Pictures of how far a stage has come: LR, output and HR side by side."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.imaging.atomic import write_atomically

ROWS = 4
"""Pairs that are shown."""


def comparison_sheet(lr: Tensor, output: Tensor, hr: Tensor) -> Tensor:
    """Return a (3, rows H, 3 W) uint8 picture; a row is the LR enlarged without smoothing, the output and the HR.

    Images are (B, 3, h, w) and (B, 3, H, W) in [0, 1]; the first ``ROWS`` are shown.
    """
    columns = (F.interpolate(lr[:ROWS], size=hr.shape[-2:], mode="nearest"), output[:ROWS], hr[:ROWS])
    rows = torch.cat(columns, dim=-1)
    return (torch.cat(tuple(rows), dim=-2).clamp(0, 1) * 255).round().to(torch.uint8)


def write_sheet(path: Path, picture: Tensor) -> None:
    """Write a (3, H, W) uint8 picture as PNG, replacing what was there."""
    stream = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).cpu().numpy())).save(stream, "png")
    write_atomically(path, stream.getvalue(), overwrite=True)

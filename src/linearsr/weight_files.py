"""Weights that others published: safetensors, or PyTorch files read without running anything that is in them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from linearsr.errors import InputError, ModelError

_PYTORCH = {".pt", ".pth", ".bin"}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, or of all safetensors files of a folder (a checkpoint in parts).

    Raises:
        InputError: if there is nothing to read there.
        ModelError: if it cannot be read, or holds anything but tensors.
    """
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise InputError(f"no weights at {path}", remedy="name a .safetensors or .pth file, or a folder of them")
    weights: dict[str, Tensor] = {}
    for file in files:
        weights |= _read_file(file)
    return weights


def refuse_position_embedding(path: Path) -> None:
    """Raise InputError if ``config.json`` beside the weights asks for a positional embedding, which we do not have."""
    config = (path if path.is_dir() else path.parent) / "config.json"
    if not config.is_file():
        return
    try:
        scale = json.loads(config.read_text(encoding="utf-8")).get("interpolation_scale")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"cannot read {config}: {error}", remedy="download it again") from error
    if scale is not None:
        raise InputError(
            f"{config} asks for a positional embedding (interpolation_scale {scale})",
            remedy="use the checkpoint of 512 or 1024 pixels; linear attention runs at any size without one",
        )


def _read_file(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix not in _PYTORCH:
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or dangerous file fails in as many ways as there are readers
        raise ModelError(f"cannot read {file}: {error}", remedy="use a file of plain tensors") from error
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"{file} holds something else than tensors", remedy="use a checkpoint of the transformer")
    return {str(name): value for name, value in content.items()}

"""Weights in safetensors files: how they are rounded for storage, and read only if their SHA-256 is the expected one.

    float32, bfloat16       every tensor as it is, or rounded
    int8                    matrices and kernels with one float32 scale per output channel, vectors float32

Rounding is for size on disk only; weights are float32 again once read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from linearsr.errors import ModelError
from linearsr.imaging.atomic import write_atomically

SCALE_SUFFIX = "#scale"
Storage = Literal["float32", "bfloat16", "int8"]


def write_packed(path: Path, weights: Mapping[str, Tensor], storage: Storage) -> dict[str, Any]:
    """Write weights as ``storage``; return what an index says of the file."""
    payload = save(pack(weights, storage))
    write_atomically(path, payload, overwrite=True)
    return {"sha256": hashlib.sha256(payload).hexdigest(), "storage": storage}


def read_packed(path: Path, sha256: str, *, prefix: str = "") -> dict[str, Tensor]:
    """Return float32 weights of a file whose SHA-256 is checked first; with ``prefix``, those whose names start so.

    Raises:
        ModelError: if the file is missing, is another one, or holds no tensors.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            raise ModelError(f"{path} has SHA-256 {digest}, not {sha256}", remedy="download the model again")
        with safe_open(path, framework="pt") as tensors:
            names = [name for name in tensors.keys() if name.startswith(prefix)]  # noqa: SIM118 - it is no dictionary
            stored = {name: tensors.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {path}: {error}", remedy="download the model again") from error
    return {name.removeprefix(prefix): value for name, value in unpack(stored).items()}


def pack(weights: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Return the tensors to store. int8 applies to matrices and kernels; vectors stay float32."""
    if storage != "int8":
        return {name: value.to(getattr(torch, storage)).contiguous() for name, value in weights.items()}
    packed = {}
    for name, value in weights.items():
        if value.ndim < 2 or name.endswith(("modulation", "modulation_out", "null_token")):
            packed[name] = value.float().contiguous()
            continue
        scale = value.float().flatten(1).abs().amax(1).clamp(min=1e-12) / 127
        rows = value.float() / scale.view(-1, *(1,) * (value.ndim - 1))
        packed[name] = rows.round().to(torch.int8).contiguous()
        packed[name + SCALE_SUFFIX] = scale
    return packed


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo :func:`pack`: float32 weights under their own names, apart from the memory of what was stored."""
    weights = {}
    for name, value in stored.items():
        if name.endswith(SCALE_SUFFIX):
            continue
        scale = stored.get(name + SCALE_SUFFIX)
        # The file may be mapped into memory: weights must not change with it.
        plain = value.to(torch.float32, copy=True)
        weights[name] = plain if scale is None else plain.mul_(scale.view(-1, *(1,) * (value.ndim - 1)))
    return weights

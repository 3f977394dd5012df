"""Files of tensors that are whole or absent, and that notice a flipped bit: safetensors with a SHA-256 inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from linearsr.errors import TrainingError
from linearsr.imaging.atomic import write_atomically

DIGEST = "sha256"
NOTES = "notes"
"""The one key of the metadata: safetensors writes several in an order that changes from run to run."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], **notes: str) -> None:
    """Write ``tensors`` in one step, replacing what was there, with ``notes`` and their SHA-256 as metadata."""
    kept = {name: value.detach().contiguous() for name, value in tensors.items()}
    described = json.dumps({**notes, DIGEST: digest(kept)}, sort_keys=True)
    write_atomically(path, save(kept, metadata={NOTES: described}), overwrite=True)


def read_tensors(path: Path, *, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and notes of a file written by :func:`write_tensors`.

    Raises:
        TrainingError: with ``remedy``, if it cannot be read or a bit of a tensor has changed.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            notes = json.loads((stream.metadata() or {}).get(NOTES, "{}"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise TrainingError(f"cannot read {path}: {error}", remedy=remedy) from error
    if DIGEST not in notes:
        raise TrainingError(f"cannot read {path}: it has no SHA-256", remedy=remedy)
    if notes.pop(DIGEST) != digest(tensors):
        raise TrainingError(f"{path} does not match its SHA-256", remedy=remedy)
    return tensors, notes


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over every tensor's name, type, shape and bytes."""
    total = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        total.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()

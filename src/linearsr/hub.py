"""Models on disk: a folder with ``model_index.json`` and safetensors files, each with its SHA-256.

    model_index.json   format version, name, configurations, and per weight file: SHA-256 and storage
    *.safetensors      weights (packing.py); experts in one file or several (expert_files.py); tokens of tags, if the
                       model has its own (tags/table.py)

Nothing here ever unpickles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from linearsr.catalog import EMBEDDED, embedded_folder
from linearsr.catalog import INDEX_NAME as INDEX_NAME
from linearsr.dc_ae import build_autoencoder
from linearsr.errors import InputError, ModelError
from linearsr.expert_files import Layout, Residency, load_experts, write_experts
from linearsr.hub_transfer import download, is_hub_id
from linearsr.imaging.atomic import write_atomically
from linearsr.models.autoencoder import Autoencoder, Decoder
from linearsr.models.configs import config_from_dict
from linearsr.models.denoiser import Denoiser, DenoiserConfig
from linearsr.models.experts import ExpertTransformer
from linearsr.packing import Storage, read_packed, write_packed
from linearsr.tags.table import TagTable

TAGS = "tags"
FORMAT_VERSION = 1
PARTS = "autoencoder", "experts", "faithful", "cleaned", "denoiser"
EXACT: dict[str, Storage] = dict.fromkeys(PARTS, "float32")
COMPACT: dict[str, Storage] = {**dict.fromkeys(PARTS, "int8"), "autoencoder": "bfloat16"}
"""How the parts of a shipped model are stored."""


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """The networks of one model, in float32; ``faithful`` is the decoder at the far end of the fidelity knob.

    ``denoiser`` takes noise out of photos before they are enlarged, and ``cleaned`` is the decoder for those.
    ``tag_table`` has the tokens of tags, for a model that takes those of a large text encoder.
    """

    name: str
    autoencoder: Autoencoder
    experts: ExpertTransformer
    faithful: Decoder | None = None
    cleaned: Decoder | None = None
    denoiser: Denoiser | None = None
    tag_table: TagTable | None = None


def find_model(model: str | Path) -> Path:
    """Return the folder of an embedded model's name, a folder, or a hub id (fetched unless it is here).

    A hub id is "owner/name", or "owner/name@revision" for a branch, tag or commit.

    Raises:
        InputError: if it is none of these.
        ModelError: if a hub id is given and cannot be fetched.
    """
    if (Path(model) / INDEX_NAME).is_file():
        return Path(model)
    if str(model) in EMBEDDED:
        return embedded_folder(str(model))
    if is_hub_id(str(model)) and not Path(model).exists():
        return download(str(model))
    raise InputError(
        f"no model {str(model)!r}",
        remedy=f"use one of {', '.join(EMBEDDED)}, a folder with {INDEX_NAME}, or a hub id owner/name",
    )


def load_model(folder: Path, *, experts: Residency = "resident") -> ModelParts:
    """Read a model folder, checking every file's SHA-256 before it is used.

    With ``experts`` on demand, one is in memory at a time, and its file is read when sampling comes to it.

    Raises:
        ModelError: if a file is missing, damaged, of an unknown version, or does not fit its configuration.
    """
    index = _read_index(folder)
    try:
        with torch.device("meta"):  # every weight is read; drawing random ones first would take as long
            autoencoder = build_autoencoder(index["autoencoder"])
            faithful, cleaned = (
                Decoder(autoencoder.config) if name in index["files"] else None for name in ("faithful", "cleaned")
            )
            denoiser = Denoiser(config_from_dict(DenoiserConfig, index["denoiser"])) if "denoiser" in index else None
        parts = ModelParts(
            name=str(index["name"]),
            autoencoder=autoencoder,
            experts=load_experts(folder, index, experts),
            faithful=faithful,
            cleaned=cleaned,
            denoiser=denoiser,
            tag_table=_read_table(folder, index["files"]),
        )
        for file, module in _modules(parts):
            weights = read_packed(folder / f"{file}.safetensors", index["files"][file]["sha256"])
            module.load_state_dict(weights, assign=True)
            module.eval()
        return parts
    except KeyError as error:
        raise ModelError(f"{folder / INDEX_NAME} lacks {error}", remedy="download the model again") from error
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder} does not fit together: {error}", remedy="download the model again") from error


def save_model(parts: ModelParts, folder: Path, *, storage: dict[str, Storage], layout: Layout = "together") -> None:
    """Write a model folder; ``storage`` maps the names of its parts to how they are stored. The index goes last."""
    files = {}
    for name, module in _modules(parts):
        files[name] = write_packed(folder / f"{name}.safetensors", module.state_dict(), storage[name])
        files[name]["parameters"] = sum(parameter.numel() for parameter in module.parameters())
    if parts.tag_table is not None:
        files[TAGS] = write_packed(folder / f"{TAGS}.safetensors", parts.tag_table.states, "float32")
    entries, expert_files = write_experts(parts.experts, folder, storage["experts"], layout)
    index = {
        "format": "linearsr",
        "version": FORMAT_VERSION,
        "name": parts.name,
        "autoencoder": asdict(parts.autoencoder.config),
        "transformer": asdict(parts.experts.transformer_config),
        "experts": asdict(parts.experts.config),
        "files": files | entries,
        "expert_files": expert_files,
    }
    if parts.denoiser is not None:
        index["denoiser"] = asdict(parts.denoiser.config)
    write_atomically(folder / INDEX_NAME, (json.dumps(index, indent=2) + "\n").encode(), overwrite=True)


def _modules(parts: ModelParts) -> Iterator[tuple[str, nn.Module]]:
    """Those that are there, each with the name of its one file; experts have files of their own (expert_files.py)."""
    for name in ("autoencoder", "faithful", "cleaned", "denoiser"):
        if (module := getattr(parts, name)) is not None:
            yield name, module


def _read_table(folder: Path, files: dict[str, Any]) -> TagTable | None:
    if TAGS not in files:
        return None
    return TagTable(states=read_packed(folder / f"{TAGS}.safetensors", files[TAGS]["sha256"]))


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX_NAME
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}", remedy="download the model again") from error
    version = index.get("version") if isinstance(index, dict) else None
    if version != FORMAT_VERSION or index.get("format") != "linearsr":
        raise ModelError(
            f"{path} has format version {version}, this release reads {FORMAT_VERSION}", remedy="upgrade linearsr"
        )
    return dict(index)

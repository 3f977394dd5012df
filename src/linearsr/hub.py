"""Models on disk: a folder with ``model_index.json`` and safetensors files, each with its SHA-256.

    model_index.json   format version, name, configurations, and per weight file: SHA-256 and storage
    *.safetensors      weights as float32, bfloat16, or int8 with one float32 scale per output channel

int8 storage is for size on disk only; weights are float again once loaded. Nothing here ever unpickles.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from linearsr.catalog import EMBEDDED, embedded_folder
from linearsr.errors import InputError, ModelError
from linearsr.hub_transfer import download, is_hub_id
from linearsr.imaging.atomic import write_atomically
from linearsr.models.autoencoder import Autoencoder, AutoencoderConfig, Decoder
from linearsr.models.configs import config_from_dict
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.transformer import TransformerConfig

INDEX_NAME = "model_index.json"
FORMAT_VERSION = 1
SCALE_SUFFIX = "#scale"
Storage = Literal["float32", "bfloat16", "int8"]
EXACT: dict[str, Storage] = {"autoencoder": "float32", "experts": "float32", "faithful": "float32"}
COMPACT: dict[str, Storage] = {"autoencoder": "bfloat16", "experts": "int8", "faithful": "bfloat16"}
"""How the parts of a shipped model are stored."""


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """The networks of one model, in float32; ``faithful`` is the decoder at the far end of the fidelity knob."""

    name: str
    autoencoder: Autoencoder
    experts: ExpertTransformer
    faithful: Decoder | None = None

    def modules(self) -> dict[str, nn.Module]:
        """The networks that there are, by the names of their files."""
        modules = {"autoencoder": self.autoencoder, "experts": self.experts, "faithful": self.faithful}
        return {name: module for name, module in modules.items() if module is not None}


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


def load_model(folder: Path) -> ModelParts:
    """Read a model folder, checking every file's SHA-256 before it is used.

    Raises:
        ModelError: if a file is missing, damaged, of an unknown version, or does not fit its configuration.
    """
    index = _read_index(folder)
    try:
        autoencoder = _build_autoencoder(index["autoencoder"])
        transformer = config_from_dict(TransformerConfig, index["transformer"])
        experts = ExpertTransformer(config_from_dict(ExpertsConfig, index["experts"]), transformer)
        faithful = Decoder(autoencoder.config) if "faithful" in index["files"] else None
        parts = ModelParts(name=str(index["name"]), autoencoder=autoencoder, experts=experts, faithful=faithful)
        for file, module in parts.modules().items():
            module.load_state_dict(_read_weights(folder / f"{file}.safetensors", index["files"][file]["sha256"]))
            module.eval()
        return parts
    except KeyError as error:
        raise ModelError(f"{folder / INDEX_NAME} lacks {error}", remedy="download the model again") from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder} does not fit together: {error}", remedy="download the model again") from error


def save_model(parts: ModelParts, folder: Path, *, storage: dict[str, Storage]) -> None:
    """Write a model folder; ``storage`` maps the names of its files to how they are stored. The index goes last."""
    files = {}
    for name, module in parts.modules().items():
        payload = save(pack(module.state_dict(), storage[name]))
        write_atomically(folder / f"{name}.safetensors", payload, overwrite=True)
        files[name] = {
            "sha256": hashlib.sha256(payload).hexdigest(),
            "storage": storage[name],
            "parameters": sum(parameter.numel() for parameter in module.parameters()),
        }
    index = {
        "format": "linearsr",
        "version": FORMAT_VERSION,
        "name": parts.name,
        "autoencoder": asdict(parts.autoencoder.config),
        "transformer": asdict(parts.experts.transformer_config),
        "experts": asdict(parts.experts.config),
        "files": files,
    }
    write_atomically(folder / INDEX_NAME, (json.dumps(index, indent=2) + "\n").encode(), overwrite=True)


def pack(weights: dict[str, Tensor], storage: Storage) -> dict[str, Tensor]:
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


def unpack(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo :func:`pack`: float32 weights under their own names."""
    weights = {}
    for name, value in stored.items():
        if name.endswith(SCALE_SUFFIX):
            continue
        scale = stored.get(name + SCALE_SUFFIX)
        weights[name] = value.float() if scale is None else value.float() * scale.view(-1, *(1,) * (value.ndim - 1))
    return weights


def _build_autoencoder(settings: dict[str, Any]) -> Autoencoder:
    """Our own autoencoder, or a DC-AE, told by its having a network of diffusers'."""
    if "network" in settings:
        from linearsr.dc_ae import dc_ae

        return cast(Autoencoder, dc_ae(settings["network"]))
    return Autoencoder(config_from_dict(AutoencoderConfig, settings))


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


def _read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        payload = path.read_bytes()
        digest = hashlib.sha256(payload).hexdigest()
        if digest != sha256:
            raise ModelError(f"{path} has SHA-256 {digest}, not {sha256}", remedy="download the model again")
        return unpack(load(payload))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {path}: {error}", remedy="download the model again") from error

"""How the experts of a model lie on disk: in one file, in one each, or as differences from the first.

    together          experts.safetensors, names start with ``experts.N.``
    separate          experts-1.safetensors ... one per expert, equal ones once
    delta-int8        experts-1.safetensors, and of the others what they differ by, as int8
    delta-bfloat16    the same, as bfloat16

Experts that start from one knee differ little, so their differences are rounded far less than they would be themselves.
The index lists the file of each expert, and beside a difference the file it is to be added to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from linearsr.errors import ModelError
from linearsr.models.configs import config_from_dict
from linearsr.models.experts import ExpertsConfig, ExpertTransformer, OnDemandExperts
from linearsr.models.transformer import TransformerConfig
from linearsr.packing import Storage, read_packed, write_packed

Layout = Literal["together", "separate", "delta-int8", "delta-bfloat16"]
Residency = Literal["resident", "on-demand"]
"""All experts in memory, or one at a time."""
TOGETHER = "experts"
_DELTAS: dict[str, Storage] = {"delta-int8": "int8", "delta-bfloat16": "bfloat16"}
_FILE_NAME = re.compile(r"experts(-\d+)?")


def write_experts(
    experts: ExpertTransformer, folder: Path, storage: Storage, layout: Layout
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Write the experts, holding two at most; return index entries of their files, and the file of each expert."""
    count = experts.config.count
    if layout == "together":
        weights = {f"experts.{i}.{name}": value for i in range(count) for name, value in experts.weights(i).items()}
        return {TOGETHER: _write(folder, TOGETHER, weights, storage)}, [TOGETHER] * count
    entries: dict[str, dict[str, Any]] = {}
    names: list[str] = []
    base: dict[str, Tensor] = {}
    for index in range(count):
        name, weights = f"{TOGETHER}-{index + 1}", dict(experts.weights(index))
        if base:
            entry = _write(folder, name, _difference(weights, base), _DELTAS[layout]) | {"base": names[0]}
        else:
            entry = _write(folder, name, weights, storage)
        if layout in _DELTAS and not base:  # differences are to what is read back, not to what was rounded
            base = read_packed(_path(folder, name), entry["sha256"])
        same = [other for other, known in entries.items() if known == entry]
        if same:
            _path(folder, name).unlink()
        else:
            entries[name] = entry
        names.append(same[0] if same else name)
    return entries, names


def load_experts(folder: Path, index: Mapping[str, Any], residency: Residency) -> ExpertTransformer:
    """Return the experts that the index of a model folder describes, in float32.

    Raises:
        AttributeError, KeyError, TypeError, ValueError, RuntimeError: if the index lacks something or does not fit.
        ModelError: if a file is missing, damaged or another one; of an on-demand expert, when it is first needed.
    """
    config = config_from_dict(ExpertsConfig, index["experts"])
    transformer = config_from_dict(TransformerConfig, index["transformer"])
    names = index.get("expert_files", [TOGETHER] * config.count)
    if len(names) != config.count:
        raise ValueError(f"{len(names)} expert_files for {config.count} experts")
    entries = {name: index["files"][name] for name in names}
    entries |= {entry["base"]: index["files"][entry["base"]] for entry in entries.values() if "base" in entry}
    for name in entries:
        if not _FILE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no file of experts")
    with torch.device("meta"):  # every weight is read; drawing random ones first would take longer than that
        experts = ExpertTransformer(config, transformer)
    shapes = {name: value.shape for name, value in experts.weights(0).items()}
    files = ExpertFiles(folder=folder, names=names, entries=entries, shapes=shapes)
    if residency == "on-demand":
        return OnDemandExperts(config, transformer, files.read)
    if names == [TOGETHER] * config.count:
        experts.load_state_dict(files.read_file(TOGETHER), assign=True)
        return experts.eval()
    for number, expert in enumerate(experts.experts):
        expert.load_state_dict(files.read(number), assign=True)
    return experts.eval()


@dataclass(frozen=True, kw_only=True)
class ExpertFiles:
    """The files of a model's experts: ``names`` by expert, ``entries`` of the index by file, ``shapes`` by weight."""

    folder: Path
    names: list[str]
    entries: Mapping[str, Any]
    shapes: Mapping[str, torch.Size]

    def read(self, number: int) -> dict[str, Tensor]:
        """Return the float32 weights of an expert, counted from 0.

        Raises:
            ModelError: if a file is missing, damaged, or of another geometry.
        """
        name = self.names[number]
        if name == TOGETHER:
            return self._checked(name, self.read_file(name, prefix=f"experts.{number}."))
        weights = self._checked(name, self.read_file(name))
        if "base" in self.entries[name]:
            base = self.entries[name]["base"]
            for tensor, value in self._checked(base, self.read_file(base)).items():
                weights[tensor] += value
        return weights

    def read_file(self, name: str, *, prefix: str = "") -> dict[str, Tensor]:
        """Return the float32 weights of a file whose names start with ``prefix``."""
        return read_packed(_path(self.folder, name), self.entries[name]["sha256"], prefix=prefix)

    def _checked(self, name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        wrong = [key for key in self.shapes.keys() | weights.keys() if _shape(weights, key) != self.shapes.get(key)]
        if wrong:
            raise ModelError(
                f"{_path(self.folder, name)} does not fit the configuration: {min(wrong)}",
                remedy="download the model again",
            )
        return weights


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _write(folder: Path, name: str, weights: Mapping[str, Tensor], storage: Storage) -> dict[str, Any]:
    entry = write_packed(_path(folder, name), weights, storage)
    return entry | {"parameters": sum(value.numel() for value in weights.values())}


def _shape(weights: Mapping[str, Tensor], name: str) -> torch.Size | None:
    return weights[name].shape if name in weights else None


def _difference(weights: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() - base[name] for name, value in weights.items()}

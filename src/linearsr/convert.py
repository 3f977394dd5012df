"""From published SANA weights to a model of ours: a transformer, or four, and an autoencoder, in one folder.

Experts are read and written one after the other: two checkpoints are in memory at a time, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from linearsr.dc_ae import load_dc_ae
from linearsr.errors import InputError, ModelError
from linearsr.expert_files import Layout
from linearsr.hub import ModelParts, save_model
from linearsr.models.autoencoder import Autoencoder
from linearsr.models.experts import ExpertsConfig, OnDemandExperts
from linearsr.models.sana import import_sana, sana_geometry
from linearsr.models.transformer import LinearTransformer, TransformerConfig
from linearsr.packing import Storage
from linearsr.weight_files import read_weights, refuse_position_embedding


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What becomes of what. ``sources`` is one checkpoint for all experts, or one for each, from noise to detail."""

    sources: Sequence[Path]
    autoencoder: Path
    output: Path
    storage: Storage = "float32"
    layout: Layout = "separate"
    name: str = "sana"

    def __post_init__(self) -> None:
        count = ExpertsConfig().count
        if len(self.sources) not in (1, count):
            raise InputError(
                f"{len(self.sources)} checkpoints for {count} experts", remedy=f"name 1 for all, or {count}"
            )


def convert(conversion: Conversion) -> ModelParts:
    """Write the model folder and return what is in it.

    Raises:
        InputError, ModelError: if a file cannot be read, or tensors are left over, missing or of another shape.
    """
    autoencoder = load_dc_ae(conversion.autoencoder)
    geometries = {fitting_geometry(source) for source in dict.fromkeys(conversion.sources)}
    if len(geometries) != 1:
        raise InputError("the checkpoints differ in geometry", remedy="use four of the same size")

    @lru_cache(maxsize=1)
    def weights_of(source: Path) -> dict[str, Tensor]:
        return read_transformer(source).state_dict()

    def read(index: int) -> dict[str, Tensor]:
        return weights_of(conversion.sources[index % len(conversion.sources)])

    experts = OnDemandExperts(ExpertsConfig(), geometries.pop(), read)
    # A DC-AE is used like our own autoencoder but shares none of its code.
    parts = ModelParts(name=conversion.name, autoencoder=cast(Autoencoder, autoencoder), experts=experts)
    storage: dict[str, Storage] = {"autoencoder": "float32", "experts": conversion.storage}
    save_model(parts, conversion.output, storage=storage, layout=conversion.layout)
    return parts


def fitting_geometry(source: Path) -> TransformerConfig:
    """Return the geometry of a SANA checkpoint, all of whose tensors find their place."""
    # Without their values: the checks see names and shapes, and nothing is computed or held.
    weights = {name: value.to("meta") for name, value in _weights(source).items()}
    with torch.device("meta"):
        return _imported(source, weights).config


def read_transformer(source: Path) -> LinearTransformer:
    """Return the transformer of a SANA checkpoint, in diffusers' layout or SANA's own."""
    return _imported(source, _weights(source))


def _weights(source: Path) -> dict[str, Tensor]:
    refuse_position_embedding(source)
    return read_weights(source)


def _imported(source: Path, weights: dict[str, Tensor]) -> LinearTransformer:
    try:
        return import_sana(weights, sana_geometry(weights))
    except ValueError as error:
        raise ModelError(f"{source}: {error}", remedy="use a transformer checkpoint of SANA") from error

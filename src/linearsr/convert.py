"""From published SANA weights to a model of ours: a transformer, or four, and an autoencoder, in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from linearsr.dc_ae import load_dc_ae
from linearsr.errors import InputError, ModelError
from linearsr.hub import ModelParts, Storage, save_model
from linearsr.models.autoencoder import Autoencoder
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.sana import import_sana, sana_geometry
from linearsr.models.transformer import LinearTransformer
from linearsr.weight_files import read_weights, refuse_position_embedding


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What becomes of what. ``sources`` is one checkpoint for all experts, or one for each, from noise to detail."""

    sources: Sequence[Path]
    autoencoder: Path
    output: Path
    storage: Storage = "float32"
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
    sources = list(conversion.sources) * (ExpertsConfig().count if len(conversion.sources) == 1 else 1)
    autoencoder = load_dc_ae(conversion.autoencoder)
    networks = {source: read_transformer(source) for source in dict.fromkeys(sources)}
    geometries = {network.config for network in networks.values()}
    if len(geometries) != 1:
        raise InputError("the checkpoints differ in geometry", remedy="use four of the same size")
    experts = ExpertTransformer(ExpertsConfig(), geometries.pop())
    for expert, source in zip(experts.experts, sources, strict=True):
        expert.load_state_dict(networks[source].state_dict())
    # A DC-AE is used like our own autoencoder but shares none of its code.
    parts = ModelParts(name=conversion.name, autoencoder=cast(Autoencoder, autoencoder), experts=experts)
    save_model(parts, conversion.output, storage={"autoencoder": "float32", "experts": conversion.storage})
    return parts


def read_transformer(source: Path) -> LinearTransformer:
    """Return the transformer of a SANA checkpoint, in diffusers' layout or SANA's own."""
    refuse_position_embedding(source)
    weights = read_weights(source)
    try:
        return import_sana(weights, sana_geometry(weights))
    except ValueError as error:
        raise ModelError(f"{source}: {error}", remedy="use a transformer checkpoint of SANA") from error

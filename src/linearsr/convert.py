"""From published SANA weights to a model of ours: a transformer, or four, and an autoencoder, in one folder.

Experts are read and written one after the other: two checkpoints are in memory at a time, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from linearsr.models.sana import NULL_CAPTION, import_sana, sana_geometry
from linearsr.models.transformer import LinearTransformer, TransformerConfig
from linearsr.packing import Storage
from linearsr.tags.gemma import load_gemma
from linearsr.tags.table import START, TagTable
from linearsr.tags.vocabulary import load_vocabulary
from linearsr.weight_files import read_weights, refuse_position_embedding


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What becomes of what. ``sources`` is one checkpoint for all experts, or one for each, from noise to detail.

    ``text_encoder`` is a Gemma-2, a folder or a hub id. It encodes the words of the package and ``more_tags`` into the
    model's table of tags, and makes the null token where the checkpoints bring none.
    """

    sources: Sequence[Path]
    autoencoder: Path
    output: Path
    storage: Storage = "float32"
    layout: Layout = "separate"
    name: str = "sana"
    text_encoder: str | None = None
    more_tags: Sequence[str] = ()

    def __post_init__(self) -> None:
        count = ExpertsConfig().count
        if len(self.sources) not in (1, count):
            raise InputError(
                f"{len(self.sources)} checkpoints for {count} experts", remedy=f"name 1 for all, or {count}"
            )
        if self.more_tags and self.text_encoder is None:
            raise InputError("a list of tags has no text encoder to encode it", remedy="name one, or leave it out")


def convert(conversion: Conversion) -> ModelParts:
    """Write the model folder and return what is in it.

    Raises:
        InputError, ModelError: if a file cannot be read, or tensors are left over, missing or of another shape.
    """
    autoencoder = load_dc_ae(conversion.autoencoder)
    geometries = {fitting_geometry(source) for source in dict.fromkeys(conversion.sources)}
    if len(geometries) != 1:
        raise InputError("the checkpoints differ in geometry", remedy="use four of the same size")
    geometry = geometries.pop()
    tag_table = _tag_table(conversion, geometry)
    if tag_table is not None:
        geometry = replace(geometry, guidance="tags")

    @lru_cache(maxsize=1)
    def weights_of(source: Path) -> dict[str, Tensor]:
        return read_transformer(source, tag_table).state_dict()

    def read(index: int) -> dict[str, Tensor]:
        return weights_of(conversion.sources[index % len(conversion.sources)])

    parts = ModelParts(
        name=conversion.name,
        # A DC-AE is used like our own autoencoder but shares none of its code.
        autoencoder=cast(Autoencoder, autoencoder),
        experts=OnDemandExperts(ExpertsConfig(), geometry, read),
        tag_table=tag_table,
    )
    storage: dict[str, Storage] = {"autoencoder": "float32", "experts": conversion.storage}
    save_model(parts, conversion.output, storage=storage, layout=conversion.layout)
    return parts


def fitting_geometry(source: Path) -> TransformerConfig:
    """Return the geometry of a SANA checkpoint, all of whose tensors find their place."""
    # Without their values: the checks see names and shapes, and nothing is computed or held.
    weights = {name: value.to("meta") for name, value in _weights(source).items()}
    with torch.device("meta"):
        return _imported(source, weights).config


def read_transformer(source: Path, tag_table: TagTable | None = None) -> LinearTransformer:
    """Return the transformer of a SANA checkpoint, in diffusers' layout or SANA's own.

    Its null token is that of the checkpoint; else that of ``tag_table``; else random.
    """
    weights = _weights(source)
    if tag_table is not None:
        weights.setdefault(NULL_CAPTION, tag_table.states[START])
    return _imported(source, weights)


def _tag_table(conversion: Conversion, geometry: TransformerConfig) -> TagTable | None:
    if conversion.text_encoder is None:
        return None
    encoder = load_gemma(conversion.text_encoder)
    if encoder.width != geometry.guidance_width:
        raise InputError(
            f"{conversion.text_encoder} has states of width {encoder.width}, not {geometry.guidance_width}",
            remedy="use the text encoder that the checkpoints were trained with",
        )
    return encoder.table(list(dict.fromkeys((*load_vocabulary().tags, *conversion.more_tags))))


def _weights(source: Path) -> dict[str, Tensor]:
    refuse_position_embedding(source)
    return read_weights(source)


def _imported(source: Path, weights: dict[str, Tensor]) -> LinearTransformer:
    try:
        return import_sana(weights, sana_geometry(weights))
    except ValueError as error:
        raise ModelError(f"{source}: {error}", remedy="use a transformer checkpoint of SANA") from error

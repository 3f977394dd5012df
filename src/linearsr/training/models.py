"""What a finished stage leaves for the next: the networks so far, each a file of weights with its geometry inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from linearsr.dc_ae import build_autoencoder
from linearsr.imaging.atomic import remove_unfinished
from linearsr.models.autoencoder import Autoencoder, AutoencoderConfig
from linearsr.models.configs import config_from_dict
from linearsr.models.denoiser import Denoiser, DenoiserConfig
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.transformer import LinearTransformer, TransformerConfig
from linearsr.tags.table import TagTable
from linearsr.training import distributed
from linearsr.training.tensors import read_tensors, write_tensors

ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)
DENOISER = "denoiser.safetensors"
POLISHED_DENOISER = "polish-denoiser"
"""The folder of a denoiser that was judged by the images made of what it leaves."""
CLEANED = "cleaned"
"""That of a denoiser with a clean answer, and of the decoder for what it leaves."""
Geometry = AutoencoderConfig | TransformerConfig | ExpertsConfig | DenoiserConfig


@dataclass(frozen=True, kw_only=True)
class Models:
    """The networks of a recipe, as far as they exist: one ``transformer`` after flow, ``experts`` from then on.

    ``tag_table`` has the tokens of tags, if the model brought its own. ``denoiser`` takes noise out of what the decoder
    sees; its own stage keeps it.
    """

    autoencoder: Autoencoder
    transformer: LinearTransformer | None = None
    experts: ExpertTransformer | None = None
    tag_table: TagTable | None = None
    denoiser: Denoiser | None = None

    def to(self, device: str) -> Models:
        """Move everything to a device; returns itself."""
        for module in (self.autoencoder, self.transformer, self.experts, self.denoiser):
            if module is not None:
                module.to(device)
        self.autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def save(self, folder: Path) -> None:
        """Write the networks, the autoencoder last: where it is, all are. To be called on every rank."""
        if distributed.is_main():
            remove_unfinished(folder)
            if self.transformer is not None:
                _write(folder / "transformer.safetensors", self.transformer, transformer=self.transformer.config)
            if self.experts is not None:
                config, transformer = self.experts.config, self.experts.transformer_config
                _write(folder / "experts.safetensors", self.experts, experts=config, transformer=transformer)
            if self.tag_table is not None:
                write_tensors(folder / "tags.safetensors", self.tag_table.states)
            _write(folder / "autoencoder.safetensors", self.autoencoder, autoencoder=self.autoencoder.config)
        distributed.wait_for_all()


def load_models(folder: Path, *, remedy: str) -> Models:
    """Read what a finished stage left in ``folder``.

    Raises:
        TrainingError: with ``remedy``, if the stage is not finished or a file is damaged.
    """
    weights, geometry = _read(folder / "autoencoder.safetensors", remedy)
    autoencoder = build_autoencoder(geometry["autoencoder"])
    autoencoder.load_state_dict(weights)
    models = Models(autoencoder=autoencoder)
    if (folder / "transformer.safetensors").exists():
        weights, geometry = _read(folder / "transformer.safetensors", remedy)
        transformer = LinearTransformer(config_from_dict(TransformerConfig, geometry["transformer"]))
        transformer.load_state_dict(weights)
        models = replace(models, transformer=transformer)
    if (folder / "experts.safetensors").exists():
        weights, geometry = _read(folder / "experts.safetensors", remedy)
        config = config_from_dict(ExpertsConfig, geometry["experts"])
        experts = ExpertTransformer(config, config_from_dict(TransformerConfig, geometry["transformer"]))
        experts.load_state_dict(weights)
        models = replace(models, experts=experts)
    if (folder / "tags.safetensors").exists():
        models = replace(models, tag_table=TagTable(states=read_tensors(folder / "tags.safetensors", remedy=remedy)[0]))
    return models


def save_denoiser(denoiser: Denoiser, folder: Path) -> None:
    """Write what takes noise out of photos. To be called on every rank."""
    if distributed.is_main():
        remove_unfinished(folder)
        _write(folder / DENOISER, denoiser, denoiser=denoiser.config)
    distributed.wait_for_all()


def load_denoiser(folder: Path, *, remedy: str) -> Denoiser:
    """Read what :func:`save_denoiser` wrote.

    Raises:
        TrainingError: with ``remedy``, if it is not there or damaged.
    """
    weights, geometry = _read(folder / DENOISER, remedy)
    denoiser = Denoiser(config_from_dict(DenoiserConfig, geometry["denoiser"]))
    denoiser.load_state_dict(weights)
    return denoiser


def seeded(seed: int, build: Callable[[], ModuleT]) -> ModuleT:
    """Build a network whose first weights are a function of ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _write(path: Path, module: torch.nn.Module, **geometry: Geometry) -> None:
    described = {name: asdict(config) for name, config in geometry.items()}
    weights = {name: value.cpu() for name, value in module.state_dict().items()}
    write_tensors(path, weights, geometry=json.dumps(described))


def _read(path: Path, remedy: str) -> tuple[dict[str, Tensor], dict[str, dict[str, object]]]:
    weights, notes = read_tensors(path, remedy=remedy)
    return weights, json.loads(notes["geometry"])

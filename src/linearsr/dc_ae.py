"""DC-AE f32c32 through diffusers' ``AutoencoderDC``: from a folder on disk, or with random weights.

Whatever names an autoencoder by its configuration builds it here: our own, or a DC-AE.

The sana-1.0 and 1.1 autoencoders and the faster Lite and turbo decoders differ in their ``config.json`` only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from linearsr.errors import ModelError
from linearsr.models.autoencoder import LR_STRIDE, SCALE, Autoencoder, AutoencoderConfig, Decoder
from linearsr.models.configs import config_from_dict
from linearsr.models.deep import DeepAutoencoder, DeepAutoencoderConfig, DeepNetwork
from linearsr.weight_files import read_weights

_STAGES, _FINE = 6, 3
_VIT = (*["ResBlock"] * 3, *["EfficientViTBlock"] * 3)
_SCALES: tuple[tuple[int, ...], ...] = ((), (), (), (5,), (5,), (5,))
F32C32: dict[str, Any] = {
    "latent_channels": 32,
    "encoder_block_types": _VIT,
    "decoder_block_types": _VIT,
    "encoder_block_out_channels": (128, 256, 512, 512, 1024, 1024),
    "decoder_block_out_channels": (128, 256, 512, 512, 1024, 1024),
    "encoder_layers_per_block": (2, 2, 2, 3, 3, 3),
    "decoder_layers_per_block": (3,) * _STAGES,
    "encoder_qkv_multiscales": _SCALES,
    "decoder_qkv_multiscales": _SCALES,
    "upsample_block_type": "interpolate",
    "downsample_block_type": "Conv",
    "scaling_factor": 0.41407,
}
"""dc-ae-f32c32-sana-1.0 and 1.1."""


def dc_ae(network: dict[str, Any] | None = None, refiner: Decoder | None = None) -> DeepAutoencoder:
    """Build a DC-AE with random weights; ``network`` is diffusers' configuration, by default :data:`F32C32`.

    Raises:
        ModelError: if diffusers is not installed, or the network has not 32 pixels to a latent cell.
    """
    settings = F32C32 if network is None else {name: v for name, v in network.items() if not name.startswith("_")}
    model = _autoencoder_dc(settings)
    stride = 2 ** (len(model.config.encoder_block_out_channels) - 1)
    if stride != LR_STRIDE * SCALE:
        raise ModelError(
            f"this DC-AE has {stride} pixels to a latent cell, not {LR_STRIDE * SCALE}", remedy="use an f32 autoencoder"
        )
    config = DeepAutoencoderConfig(
        latent_channels=model.config.latent_channels, scaling=model.config.scaling_factor, network=settings
    )
    return DeepAutoencoder(model.encoder, _Decoder(model.decoder, settings), config, refiner)


def build_autoencoder(settings: Mapping[str, Any]) -> Autoencoder:
    """Build what a configuration in an index describes: a DC-AE, told by having a network of diffusers', or our own."""
    if "network" in settings:
        # Used like our own autoencoder, without sharing its code.
        return cast(Autoencoder, dc_ae(settings["network"]))
    return Autoencoder(config_from_dict(AutoencoderConfig, settings))


def load_dc_ae(folder: Path, refiner: Decoder | None = None) -> DeepAutoencoder:
    """Read a DC-AE in diffusers' layout: a folder with ``config.json`` and safetensors files.

    Raises:
        ModelError: if it cannot be read, or its weights do not fit its configuration.
    """
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        autoencoder = dc_ae(settings, refiner)
        weights = read_weights(folder)
        network = autoencoder.decoder.network
        assert isinstance(network, _Decoder), "dc_ae made it"
        nn.ModuleDict({"encoder": autoencoder.encoder, "decoder": network.decoder}).load_state_dict(weights)
        return autoencoder.eval()
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{folder} is no DC-AE: {error}", remedy="name a folder in diffusers' layout") from error


class _Decoder(DeepNetwork):
    """diffusers' decoder, cut where the attention ends."""

    def __init__(self, decoder: Any, settings: dict[str, Any]) -> None:
        super().__init__()
        kinds = settings.get("decoder_block_types", "ResBlock")
        if isinstance(kinds, tuple | list) and set(kinds[:_FINE]) != {"ResBlock"}:
            raise ModelError(f"this DC-AE has {kinds[0]} in its fine stages", remedy="use one with ResBlock there")
        self.decoder = decoder
        # At stride 2^i: two rows for the step up, two for the two convolutions of each block, one for the last.
        depths = [len(stage) for stage in decoder.up_blocks[:_FINE]]
        self.reach = -(-(2 + sum(2**i * (2 + 2 * depth) for i, depth in enumerate(depths))) // (LR_STRIDE * SCALE))

    def coarse(self, latent: Tensor) -> Tensor:
        decoder = self.decoder
        x: Tensor = decoder.conv_in(latent)
        if decoder.in_shortcut:
            x = x + latent.repeat_interleave(decoder.in_shortcut_repeats, dim=1)
        for stage in reversed(decoder.up_blocks[_FINE:]):
            x = stage(x)
        return x

    def fine(self, features: Tensor) -> Tensor:
        decoder, x = self.decoder, features
        for stage in reversed(decoder.up_blocks[:_FINE]):
            x = stage(x)
        image: Tensor = decoder.conv_out(decoder.conv_act(decoder.norm_out(x.movedim(1, -1)).movedim(-1, 1)))
        return image


def _autoencoder_dc(settings: dict[str, Any]) -> Any:
    try:
        from diffusers import AutoencoderDC
    except ImportError as error:
        raise ModelError("DC-AE needs the diffusers package", remedy="pip install 'linearsr[sana]'") from error
    with torch.device("cpu"):
        return AutoencoderDC(**settings)

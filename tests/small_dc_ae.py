"""A DC-AE of random weights, with every kind of layer of the published one, small enough for tests."""

from __future__ import annotations

from small_models import seeded

from linearsr.dc_ae import F32C32, dc_ae
from linearsr.models.autoencoder import Decoder
from linearsr.models.deep import DeepAutoencoder

SMALL_F32C4 = {
    **F32C32,
    "latent_channels": 4,
    "attention_head_dim": 4,
    "encoder_block_out_channels": (8, 8, 8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8, 8, 8, 8),
    "encoder_layers_per_block": (1,) * 6,
    "decoder_layers_per_block": (1,) * 6,
}
LITE = {**SMALL_F32C4, "decoder_block_types": ("ResBlock",) * 6, "decoder_layers_per_block": (0, 1, 1, 1, 1, 1)}
"""Convolutions only, as in the Lite decoder."""


def small_dc_ae(settings: dict[str, object] = SMALL_F32C4, refiner: Decoder | None = None) -> DeepAutoencoder:
    return seeded(0, lambda: dc_ae(settings, refiner)).eval()

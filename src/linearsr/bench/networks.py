"""One forward of the networks that other diffusion upscalers are built on, through diffusers, with random weights.

Nothing is downloaded: speed does not depend on the weights, and the configurations are the published ones. Each is run
at the size of latent that its pipeline makes of a result of the given side, with a batch of one and text of zeros. Text
encoders, autoencoders and guidance come on top, and the forward repeats for every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from linearsr.bench.machine import Machine
from linearsr.bench.macs import count_macs
from linearsr.bench.tables import count, markdown_table, paragraphs, seconds, share
from linearsr.bench.timing import median_seconds
from linearsr.devices import is_out_of_memory

INSTALL = "pip install diffusers"
CLIP_TOKENS = 77
SD3_TOKENS = 77 + 256
SANA_TOKENS = 300
MakeInputs = Callable[[int, Callable[..., Tensor]], dict[str, Any]]
"""(side of the latent, makes a tensor of a shape on the device) -> arguments of the network's forward."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A published network. ``stride`` is pixels per latent pixel; ``build`` makes it and may raise ImportError."""

    name: str
    used_by: str
    stride: int
    build: Callable[[], nn.Module]
    inputs: MakeInputs


@dataclass(frozen=True, kw_only=True)
class NetworkTiming:
    """One forward; ``ratio`` is to one evaluation of LinearSR for the same size of result."""

    name: str
    used_by: str
    parameters: int | None = None
    macs: int | None = None
    seconds: float | None = None
    ratio: float | None = None
    missing: str = ""


def _sd21() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=64,
        cross_attention_dim=1024,
        attention_head_dim=(5, 10, 20, 20),
        use_linear_projection=True,
    )


def _sdxl() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=128,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(320, 640, 1280),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )


def _sd3() -> Any:
    from diffusers import SD3Transformer2DModel

    return SD3Transformer2DModel(
        sample_size=128,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=24,
        num_attention_heads=24,
        attention_head_dim=64,
        joint_attention_dim=4096,
        caption_projection_dim=1536,
        pooled_projection_dim=2048,
        pos_embed_max_size=192,
    )


def _sana(heads: int, cross_heads: int, cross_width: int, layers: int) -> Any:
    from diffusers import SanaTransformer2DModel

    return SanaTransformer2DModel(
        sample_size=32,
        patch_size=1,
        in_channels=32,
        out_channels=32,
        num_layers=layers,
        num_attention_heads=heads,
        attention_head_dim=32,
        num_cross_attention_heads=cross_heads,
        cross_attention_head_dim=cross_width,
        cross_attention_dim=cross_heads * cross_width,
        caption_channels=2304,
        mlp_ratio=2.5,
    )


def _unet_inputs(width: int) -> MakeInputs:
    def make(side: int, tensor: Callable[..., Tensor]) -> dict[str, Any]:
        text = tensor(1, CLIP_TOKENS, width)
        return {"sample": tensor(1, 4, side, side), "timestep": 500, "encoder_hidden_states": text}

    return make


def _sdxl_inputs(side: int, tensor: Callable[..., Tensor]) -> dict[str, Any]:
    added = {"text_embeds": tensor(1, 1280), "time_ids": tensor(1, 6)}
    return {**_unet_inputs(2048)(side, tensor), "added_cond_kwargs": added}


def _sd3_inputs(side: int, tensor: Callable[..., Tensor]) -> dict[str, Any]:
    return {
        "hidden_states": tensor(1, 16, side, side),
        "encoder_hidden_states": tensor(1, SD3_TOKENS, 4096),
        "pooled_projections": tensor(1, 2048),
        "timestep": tensor(1),
    }


def _sana_inputs(side: int, tensor: Callable[..., Tensor]) -> dict[str, Any]:
    return {
        "hidden_states": tensor(1, 32, side, side),
        "encoder_hidden_states": tensor(1, SANA_TOKENS, 2304),
        "timestep": tensor(1),
    }


NETWORKS = (
    Network(
        name="SD 2.1 UNet",
        used_by="StableSR, SeeSR, OSEDiff",
        stride=8,
        build=_sd21,
        inputs=_unet_inputs(1024),
    ),
    Network(name="SDXL UNet", used_by="SUPIR", stride=8, build=_sdxl, inputs=_sdxl_inputs),
    Network(name="SD3 medium", used_by="TSD-SR", stride=8, build=_sd3, inputs=_sd3_inputs),
    Network(
        name="SANA 0.6B",
        used_by="SANA-SR",
        stride=32,
        build=lambda: _sana(36, 16, 72, 28),
        inputs=_sana_inputs,
    ),
    Network(
        name="SANA 1.6B",
        used_by="SANA",
        stride=32,
        build=lambda: _sana(70, 20, 112, 20),
        inputs=_sana_inputs,
    ),
)
"""SUPIR adds a ControlNet to SDXL, and SeeSR one to SD 2.1: their steps take longer than this one forward."""


def time_networks(
    networks: Sequence[Network], *, side: int, repeats: int, device: torch.device, dtype: torch.dtype, ours: float
) -> Iterator[NetworkTiming]:
    """Time one forward of each network for a result of ``side`` x ``side`` pixels.

    Args:
        networks: usually ``NETWORKS``.
        side: a multiple of 64.
        repeats: the median of that many runs counts, after a warm-up.
        device: where.
        dtype: in which precision.
        ours: seconds of one evaluation of LinearSR for the same size, measured in the same run.
    """
    for network in networks:
        try:
            yield _time(network, side, repeats, device, dtype, ours)
        except ImportError as error:
            missing = f"not installed ({error}): {INSTALL}"
            yield NetworkTiming(name=network.name, used_by=network.used_by, missing=missing)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            yield NetworkTiming(name=network.name, used_by=network.used_by, missing=f"out of memory on {device}")


def _with_random_weights(build: Callable[[], nn.Module], device: torch.device, dtype: torch.dtype) -> nn.Module:
    with torch.device("meta"):
        model = build()
    model = model.to(dtype).to_empty(device=device).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.02)
    for buffer in model.buffers():
        buffer.zero_()
    return model


@torch.inference_mode()
def _time(
    network: Network, side: int, repeats: int, device: torch.device, dtype: torch.dtype, ours: float
) -> NetworkTiming:
    model = _with_random_weights(network.build, device, dtype)
    weight = next(model.parameters())
    inputs = network.inputs(side // network.stride, lambda *shape: weight.new_zeros(shape))
    macs = count_macs(lambda: model(**inputs))  # the warm-up
    median = median_seconds(lambda: model(**inputs), repeats=repeats, device=weight.device, warm_up=False)
    return NetworkTiming(
        name=network.name,
        used_by=network.used_by,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=macs,
        seconds=median,
        ratio=median / ours,
    )


def render_networks(timings: Sequence[NetworkTiming], side: int, ours: float, machine: Machine) -> str:
    """Return the Markdown table of one forward each, every row labelled."""
    rows = [
        (
            f"{timing.name}, random weights, one forward",
            timing.used_by,
            count(timing.parameters),
            count(timing.macs),
            seconds(timing.seconds),
            share(timing.macs / machine.peak_macs, timing.seconds),
            f"{timing.ratio:.1f}",
        )
        for timing in timings
        if timing.seconds is not None and timing.macs is not None
    ]
    header = ("network", "used by", "parameters", "MAC", "seconds", "floor / time", "times LinearSR's")
    missing = [f"- not timed: {row.name} ({row.used_by}): {row.missing}" for row in timings if row.missing]
    own = f"one evaluation of LinearSR takes {seconds(ours)} s here"
    notes = f"For a result of {side}x{side}; {own}. {machine.sentence()}"
    return paragraphs(markdown_table(header, rows), "\n".join(missing), notes)

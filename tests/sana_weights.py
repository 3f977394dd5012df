"""A small SANA of random weights, in both published layouts, for tests that need no download."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from linearsr.models.sana import QK_NORM_EPS, sana_600m
from linearsr.models.transformer import TransformerConfig

SMALL = replace(sana_600m(), width=96, depth=2, heads=3, cross_heads=4, guidance_width=24, lr_channels=6)
SMALL_NORMED = replace(SMALL, qk_norm_eps=QK_NORM_EPS)
_TOP = {
    "time_embed.emb.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_embed.emb.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_embed.guidance_embedder.linear_1": "cfg_embedder.mlp.0",
    "time_embed.guidance_embedder.linear_2": "cfg_embedder.mlp.2",
    "time_embed.linear": "t_block.1",
    "caption_projection.linear_1": "y_embedder.y_proj.fc1",
    "caption_projection.linear_2": "y_embedder.y_proj.fc2",
    "caption_norm": "attention_y_norm",
    "patch_embed.proj": "x_embedder.proj",
    "proj_out": "final_layer.linear",
}
_IN_BLOCK = {
    "attn1.norm_q": "attn.q_norm",
    "attn1.norm_k": "attn.k_norm",
    "attn1.to_out.0": "attn.proj",
    "attn2.to_q": "cross_attn.q_linear",
    "attn2.norm_q": "cross_attn.q_norm",
    "attn2.norm_k": "cross_attn.k_norm",
    "attn2.to_out.0": "cross_attn.proj",
    "ff.conv_inverted": "mlp.inverted_conv.conv",
    "ff.conv_depth": "mlp.depth_conv.conv",
    "ff.conv_point": "mlp.point_conv.conv",
}


def diffusers_sana(config: TransformerConfig, seed: int = 0, *, sprint: bool = False) -> nn.Module:
    """diffusers' own network of that geometry, with random weights of a size at which every part matters."""
    from diffusers import SanaTransformer2DModel

    assert config.cross_heads is not None
    model = SanaTransformer2DModel(
        num_attention_heads=config.heads,
        attention_head_dim=config.width // config.heads,
        num_layers=config.depth,
        num_cross_attention_heads=config.cross_heads,
        cross_attention_head_dim=config.width // config.cross_heads,
        cross_attention_dim=config.width,
        caption_channels=config.guidance_width,
        qk_norm=None if config.qk_norm_eps is None else "rms_norm_across_heads",
        guidance_embeds=sprint,
    )
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1, generator=generator)
    return model.eval()


def original_layout(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as SANA's own files name and arrange them, with the tensors that only those files have."""
    original = {
        "pos_embed": torch.zeros(1, 4, 4),
        "logvar_linear.weight": torch.zeros(1, 4),
        "logvar_linear.bias": torch.zeros(1),
        "final_layer.scale_shift_table": weights["scale_shift_table"],
    }
    for name, value in weights.items():
        layer, _, kind = name.rpartition(".")
        if layer in _TOP:
            original[f"{_TOP[layer]}.{kind}"] = value
        elif name.startswith("transformer_blocks."):
            _, index, rest = name.split(".", 2)
            inside, _, kind = rest.rpartition(".")
            if rest == "scale_shift_table":
                original[f"blocks.{index}.scale_shift_table"] = value
            elif inside in _IN_BLOCK:
                original[f"blocks.{index}.{_IN_BLOCK[inside]}.{kind}"] = value
            elif inside in ("attn1.to_q", "attn2.to_k"):
                start = name.removesuffix(f"{inside[-1]}.{kind}")
                parts = "qkv" if inside == "attn1.to_q" else "kv"
                joined = "attn.qkv" if inside == "attn1.to_q" else "cross_attn.kv_linear"
                original[f"blocks.{index}.{joined}.{kind}"] = torch.cat([weights[f"{start}{p}.{kind}"] for p in parts])
    return original

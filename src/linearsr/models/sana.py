"""SANA's geometry, and its published weights under our names.

The same transformer as everywhere, by configuration. Weights come as a dictionary in one of two layouts: that of
diffusers' ``SanaTransformer2DModel``, or SANA's own. What SANA lacks starts so that nothing changes: the columns of
the LR features in the patch embedding are zero, so the imported model ignores the LR image until it is trained.

References: Xie et al., SANA, 2024 (arXiv:2410.10629); SANA 1.5 (arXiv:2501.18427); SANA-Sprint (arXiv:2503.09641).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.models.conditioning import sinusoids
from linearsr.models.transformer import LinearTransformer, TransformerConfig

Weights = Mapping[str, Tensor]

GEMMA_WIDTH = 2304
"""Width of the states of Gemma-2-2B, SANA's text encoder."""
QK_NORM_EPS = 1e-5
"""Epsilon of the RMS norm of queries and keys in SANA 1.5 and Sprint; the first SANA has no such norm."""
SPRINT_GUIDANCE = 0.45
"""What SANA-Sprint's guidance embedding is told by default: a guidance scale of 4.5, times 0.1."""

_OURS = {
    "time.mlp.0": ("time_embed.emb.timestep_embedder.linear_1", "t_embedder.mlp.0"),
    "time.mlp.2": ("time_embed.emb.timestep_embedder.linear_2", "t_embedder.mlp.2"),
    "time_modulation.1": ("time_embed.linear", "t_block.1"),
    "guidance.mlp.0": ("caption_projection.linear_1", "y_embedder.y_proj.fc1"),
    "guidance.mlp.2": ("caption_projection.linear_2", "y_embedder.y_proj.fc2"),
    "guidance.norm": ("caption_norm", "attention_y_norm"),
    "patch_in": ("patch_embed.proj", "x_embedder.proj"),
    "patch_out": ("proj_out", "final_layer.linear"),
    "modulation_out": ("scale_shift_table", "final_layer.scale_shift_table"),
}
_OURS_IN_BLOCK = {
    "modulation": ("scale_shift_table", "scale_shift_table"),
    "attention.q": ("attn1.to_q", "attn.q"),
    "attention.k": ("attn1.to_k", "attn.k"),
    "attention.v": ("attn1.to_v", "attn.v"),
    "attention.qkv": ("attn1.qkv", "attn.qkv"),
    "attention.q_norm": ("attn1.norm_q", "attn.q_norm"),
    "attention.k_norm": ("attn1.norm_k", "attn.k_norm"),
    "attention.out": ("attn1.to_out.0", "attn.proj"),
    "cross_attention.q": ("attn2.to_q", "cross_attn.q_linear"),
    "cross_attention.k": ("attn2.to_k", "cross_attn.k"),
    "cross_attention.v": ("attn2.to_v", "cross_attn.v"),
    "cross_attention.kv": ("attn2.kv", "cross_attn.kv_linear"),
    "cross_attention.q_norm": ("attn2.norm_q", "cross_attn.q_norm"),
    "cross_attention.k_norm": ("attn2.norm_k", "cross_attn.k_norm"),
    "cross_attention.out": ("attn2.to_out.0", "cross_attn.proj"),
    "ffn.expand": ("ff.conv_inverted", "mlp.inverted_conv.conv"),
    "ffn.depthwise": ("ff.conv_depth", "mlp.depth_conv.conv"),
    "ffn.project": ("ff.conv_point", "mlp.point_conv.conv"),
}
"""Our names of layers, beside those of diffusers' layout and of SANA's own."""
NULL_CAPTION = "y_embedder.y_embedding"
"""States (300, 2304) of a caption without words; only SANA's own files have them."""
_UNUSED = {"pos_embed", "logvar_linear.weight", "logvar_linear.bias"}
"""In SANA's own files, but without a part in the forward pass at 512 and 1024 pixels."""
_BLOCK = re.compile(r"(?:transformer_blocks|blocks)\.(\d+)\.(.+)")


def sana_600m() -> TransformerConfig:
    """Sana_600M_1024px: 28 blocks, 36 heads of 32."""
    return TransformerConfig(
        lr_channels=32,
        width=1152,
        depth=28,
        heads=36,
        cross_heads=16,
        guidance_width=GEMMA_WIDTH,
        qk_norm_eps=None,
        guidance_norm=True,
    )


def sana_1600m() -> TransformerConfig:
    """Sana_1600M_1024px: 20 blocks, 70 heads of 32. With 60 blocks it is SANA 1.5 of 4.8 billion parameters."""
    return replace(sana_600m(), width=2240, depth=20, heads=70, cross_heads=20)


def sana_geometry(weights: Weights) -> TransformerConfig:
    """Return the geometry of published SANA weights, told by their width, depth and whether queries are normed.

    Raises:
        ValueError: if they have the width of no published model.
    """
    patches = [weights[name] for name in ("patch_embed.proj.weight", "x_embedder.proj.weight") if name in weights]
    width = len(patches[0]) if patches else None
    known = {config.width: config for config in (sana_600m(), sana_1600m())}
    if width not in known:
        raise ValueError(f"no SANA transformer: the patch embedding has width {width}, not one of {sorted(known)}")
    blocks = {int(found[1]) for name in weights if (found := _BLOCK.fullmatch(name))}
    has_norm = any(name.endswith((".norm_q.weight", ".q_norm.weight")) for name in weights)
    return replace(known[width], depth=len(blocks), qk_norm_eps=QK_NORM_EPS if has_norm else None)


def import_sana(weights: Weights, config: TransformerConfig) -> LinearTransformer:
    """Return our transformer with SANA's weights, in float32; what SANA lacks is new, LR columns are zero.

    Raises:
        ValueError: naming every tensor that is left over, missing, or of another shape.
    """
    transformer = LinearTransformer(config)
    own = transformer.state_dict()
    given, leftovers = _translated(weights)
    new = {name: value for name, value in own.items() if name.startswith("lr_encoder.")}
    new["guidance.null_token"] = own["guidance.null_token"]
    if "patch_in.weight" in given:
        given["patch_in.weight"] = F.pad(given["patch_in.weight"].flatten(1), (0, config.lr_channels))
    ready = {**new, **{name: _shaped(value, own.get(name)) for name, value in given.items()}}
    _check(ready, own, leftovers)
    transformer.load_state_dict(ready)
    return transformer


def _translated(weights: Weights) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors under our names, float32, and the names that have none."""
    renamed: dict[str, Tensor] = {}
    leftovers = []
    sprint, plain = _without_guidance_embedding(weights)
    for name, value in plain.items():
        ours = _our_name(name)
        if ours is not None:
            renamed[ours] = value.float()
        elif name == NULL_CAPTION:
            # The states of an empty caption; the first is that of the token every caption begins with.
            renamed["guidance.null_token"] = value[:1].float().unsqueeze(0)
        elif name not in _UNUSED:
            leftovers.append(name)
    if sprint is not None and "time.mlp.2.bias" in renamed:
        renamed["time.mlp.2.bias"] = renamed["time.mlp.2.bias"] + sprint
    return _joined(renamed), leftovers


def _our_name(name: str) -> str | None:
    found = _BLOCK.fullmatch(name)
    table, prefix, rest = (_OURS_IN_BLOCK, f"blocks.{found[1]}.", found[2]) if found else (_OURS, "", name)
    for ours, theirs in table.items():
        for layer in theirs:
            if rest == layer or rest in (f"{layer}.weight", f"{layer}.bias"):
                return prefix + ours + rest[len(layer) :]
    return None


def _joined(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put separate projections to queries, keys and values into the one matrix that we have for them."""
    joined = dict(weights)
    for layer, parts in (("attention.", "qkv"), ("cross_attention.", "kv")):
        for name in weights:
            start, found, kind = name.rpartition(f".{layer}{parts[0]}.")
            names = [f"{start}.{layer}{part}.{kind}" for part in parts]
            if found and all(part in joined for part in names):
                joined[f"{start}.{layer}{parts}.{kind}"] = torch.cat([joined.pop(part) for part in names])
    return joined


def _without_guidance_embedding(weights: Weights) -> tuple[Tensor | None, dict[str, Tensor]]:
    """Fold SANA-Sprint's guidance embedding, at its default guidance, into a constant added to the time embedding."""
    plain = {
        name.replace("time_embed.timestep_embedder.", "time_embed.emb.timestep_embedder."): value
        for name, value in weights.items()
    }
    for prefix, first, second in (
        ("time_embed.guidance_embedder.", "linear_1", "linear_2"),
        ("cfg_embedder.mlp.", "0", "2"),
    ):
        names = [f"{prefix}{layer}.{kind}" for layer in (first, second) for kind in ("weight", "bias")]
        if all(name in plain for name in names):
            w1, b1, w2, b2 = (plain.pop(name).float() for name in names)
            # Their sinusoids are of the guidance itself; ours take a thousandth of it.
            features = sinusoids(torch.tensor([SPRINT_GUIDANCE / 1000]))
            return F.linear(F.silu(F.linear(features, w1, b1)), w2, b2)[0], plain
    return None, plain


def _shaped(value: Tensor, own: Tensor | None) -> Tensor:
    """Their 1x1 convolutions are our linear layers: drop the two sides of the kernel."""
    is_pointwise = own is not None and own.ndim == 2 and value.ndim == 4 and value.shape[2:] == (1, 1)
    return value.flatten(1) if is_pointwise else value


def _check(ready: Weights, own: Weights, leftovers: list[str]) -> None:
    wrong = {
        "left over": sorted({*leftovers, *(ready.keys() - own.keys())}),
        "missing": sorted(own.keys() - ready.keys()),
        "of another shape": [
            f"{name} {tuple(ready[name].shape)}, not {tuple(own[name].shape)}"
            for name in sorted(ready.keys() & own.keys())
            if ready[name].shape != own[name].shape
        ],
    }
    found = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in wrong.items() if names)
    if found:
        raise ValueError(f"these weights do not fit: {found}")

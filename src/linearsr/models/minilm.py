"""MiniLM: the sentence encoder all-MiniLM-L6-v2, a BERT of six layers of width 384.

    states = Layer_6(... Layer_1(LN(word + position + segment)))        one for each token of the text
    embedding = mean of the states / its length                           one for the whole text

Legend: B texts, T tokens. Layers are PyTorch's own, with the norm after each half.
References: Wang et al., 2020 (arXiv:2002.10957); Reimers and Gurevych, 2019 (arXiv:1908.10084).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 384
_WORDS, _POSITIONS, _SEGMENTS, _LAYERS, _HEADS = 30_522, 512, 2, 6, 12
_NORM_EPS = 1e-12


class MiniLM(nn.Module):
    """Token states of texts: (B, T) token numbers and which of them count -> (B, T, 384)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(_WORDS, WIDTH)
        self.positions = nn.Embedding(_POSITIONS, WIDTH)
        self.segments = nn.Embedding(_SEGMENTS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=_NORM_EPS)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, _HEADS, 4 * WIDTH, activation="gelu", layer_norm_eps=_NORM_EPS, batch_first=True
            )
            for _ in range(_LAYERS)
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x: Tensor = self.norm(self.words(tokens) + self.positions(places) + self.segments.weight[0])
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~mask)
        return x


def pool(states: Tensor, mask: Tensor) -> Tensor:
    """Token states (B, T, 384) and which of them count (B, T) -> embeddings (B, 384) of length 1."""
    counted = mask[:, :, None].to(states)
    return F.normalize((states * counted).sum(1) / counted.sum(1), dim=-1)


def from_published(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names of Hugging Face's BertModel -> ours.

    Raises:
        KeyError: if they are not those of this model.
    """
    weights = {
        "words.weight": published["embeddings.word_embeddings.weight"],
        "positions.weight": published["embeddings.position_embeddings.weight"],
        "segments.weight": published["embeddings.token_type_embeddings.weight"],
    }
    names = {"norm": "embeddings.LayerNorm"}
    for index in range(_LAYERS):
        theirs, ours = f"encoder.layer.{index}", f"layers.{index}"
        names |= {
            f"{ours}.self_attn.out_proj": f"{theirs}.attention.output.dense",
            f"{ours}.norm1": f"{theirs}.attention.output.LayerNorm",
            f"{ours}.linear1": f"{theirs}.intermediate.dense",
            f"{ours}.linear2": f"{theirs}.output.dense",
            f"{ours}.norm2": f"{theirs}.output.LayerNorm",
        }
        for kind in ("weight", "bias"):
            parts = [published[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            weights[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(parts)
    for ours, theirs in names.items():
        for kind in ("weight", "bias"):
            weights[f"{ours}.{kind}"] = published[f"{theirs}.{kind}"]
    return weights

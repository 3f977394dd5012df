"""Recognize Anything (RAM) and RAM++: what is in an image, among thousands of tags.

    image tokens  f = Linear(Swin(image))                                         first token: the whole image
    labels        y = ReLU(Linear(e)),   RAM++: e = sum_d softmax_d(s f_0 . e_d) e_d over descriptions d of a tag
    layers        y <- LN(y + CrossAttention(y, f)),  y <- LN(y + MLP(y));        probability = sigmoid(Linear(y))

Attribute names are those of the published weights, which also tell the geometry (:func:`ram_from_weights`).
References: Zhang et al., 2023 (arXiv:2306.03514); Huang et al., 2023 (arXiv:2310.15200).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models.attention import merge_heads, split_heads
from linearsr.models.swin import Swin, SwinConfig

SIDE = 384
"""Pixels along a side of the input."""
_HEADS = 4
_NORM_EPS = 1e-12
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BLOCK = re.compile(r"visual_encoder\.layers\.(\d+)\.blocks\.(\d+)\.attn\.relative_position_bias_table")


@dataclass(frozen=True, kw_only=True)
class RamConfig:
    """``labels`` are embeddings: as many as there are ``tags``, or for RAM++ several descriptions of each tag."""

    image: SwinConfig
    tags: int
    labels: int
    joint: int = 512
    width: int = 768
    layers: int = 2


class _CrossAttention(nn.Module):
    def __init__(self, width: int, joint: int) -> None:
        super().__init__()
        self.self = nn.ModuleDict(
            {"query": nn.Linear(width, width), "key": nn.Linear(joint, width), "value": nn.Linear(joint, width)}
        )
        self.output = _Output(width, width)

    def forward(self, y: Tensor, image: Tensor) -> Tensor:
        inputs = {"query": y, "key": image, "value": image}
        q, k, v = (split_heads(self.self[name](x), _HEADS) for name, x in inputs.items())
        out: Tensor = self.output(merge_heads(F.scaled_dot_product_attention(q, k, v)), y)
        return out


class _Output(nn.Module):
    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, width)
        self.LayerNorm = nn.LayerNorm(width, eps=_NORM_EPS)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out: Tensor = self.LayerNorm(self.dense(x) + y)
        return out


class _Layer(nn.Module):
    def __init__(self, width: int, joint: int) -> None:
        super().__init__()
        self.crossattention = _CrossAttention(width, joint)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, 4 * width)})
        self.output = _Output(4 * width, width)

    def forward(self, y: Tensor, image: Tensor) -> Tensor:
        y = self.crossattention(y, image)
        out: Tensor = self.output(F.gelu(self.intermediate["dense"](y)), y)
        return out


class Ram(nn.Module):
    """Images (B, 3, 384, 384) in [0, 1] -> the probability of every tag (B, T)."""

    def __init__(self, config: RamConfig) -> None:
        super().__init__()
        self.config = config
        self.visual_encoder = Swin(config.image)
        self.image_proj = nn.Linear(config.image.width_out, config.joint)
        self.label_embed = nn.Parameter(torch.zeros(config.labels, config.joint))
        self.wordvec_proj = nn.Linear(config.joint, config.width)
        layers = nn.ModuleList(_Layer(config.width, config.joint) for _ in range(config.layers))
        self.tagging_head = nn.ModuleDict({"encoder": nn.ModuleDict({"layer": layers})})
        self.fc = nn.Linear(config.width, 1)
        if config.labels > config.tags:
            self.reweight_scale = nn.Parameter(torch.zeros(()))

    def forward(self, image: Tensor) -> Tensor:
        mean, std = (image.new_tensor(values)[:, None, None] for values in (_MEAN, _STD))
        tokens = self.image_proj(self.visual_encoder((image - mean) / std))
        y = F.relu(self.wordvec_proj(self._labels(tokens[:, 0])))
        for layer in self.tagging_head["encoder"]["layer"]:  # type: ignore[index]
            y = layer(y, tokens)
        return torch.sigmoid(self.fc(y)[..., 0])

    def _labels(self, whole: Tensor) -> Tensor:
        """Label embeddings for images of embedding (B, J): (B, T, J)."""
        if self.config.labels == self.config.tags:
            return self.label_embed.expand(len(whole), -1, -1)
        by_tag = self.label_embed.view(self.config.tags, -1, self.config.joint)
        fit = self.reweight_scale.exp() * torch.einsum("bj,tdj->btd", F.normalize(whole, dim=-1), by_tag)
        return torch.einsum("btd,tdj->btj", fit.softmax(-1), by_tag)


def ram_from_weights(published: dict[str, Tensor], tags: int) -> Ram:
    """Build the network that published weights belong to; what belongs to captions is left out.

    Raises:
        ValueError: if they are not those of RAM or RAM++ for that number of tags.
    """
    tables = {match.groups(): value for name, value in published.items() if (match := _BLOCK.fullmatch(name))}
    missing = {"label_embed", "visual_encoder.patch_embed.proj.weight"} - published.keys()
    if missing or not tables:
        raise ValueError(f"no weights of RAM: {', '.join(sorted(missing)) or 'the Swin blocks'} missing")
    labels, joint = published["label_embed"].shape
    if labels % tags:
        raise ValueError(f"{labels} label embeddings do not belong to {tags} tags")
    stages = range(1 + max(int(stage) for stage, _ in tables))
    image = SwinConfig(
        width=len(published["visual_encoder.patch_embed.proj.weight"]),
        depths=tuple(sum(int(stage) == index for stage, _ in tables) for index in stages),
        heads=tuple(tables[str(index), "0"].shape[1] for index in stages),
        window=(round(len(tables["0", "0"]) ** 0.5) + 1) // 2,
    )
    network = Ram(RamConfig(image=image, tags=tags, labels=labels, joint=joint, width=len(published["fc.weight"][0])))
    own = network.state_dict()
    absent = own.keys() - published.keys()
    if absent:
        raise ValueError(f"weights of RAM lack {', '.join(sorted(absent)[:3])}")
    network.load_state_dict({name: published[name].float().reshape(value.shape) for name, value in own.items()})
    return network.eval()

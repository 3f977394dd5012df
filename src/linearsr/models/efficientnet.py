"""EfficientNet-Lite0: an image classifier of 4.7 million parameters, made for phones and for int8.

    stem 3x3 / 2 -> 16 inverted bottlenecks -> 1x1 to 1280 -> mean over the image -> linear

    inverted bottleneck   x -> 1x1 to 6 C -> k x k depth-wise -> 1x1 to C' (-> + x, where shape and stride allow)

Batch norm is folded into the convolutions (:func:`fold_batch_norms`): what is left is convolution, bias and ReLU6.
Shapes: (B, 3, 224, 224) RGB in [0, 1] -> features (B, 1280) -> logits (B, classes).
Reference: Tan and Le, 2019 (arXiv:1905.11946); the Lite variants are of the TensorFlow TPU repository, 2020.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 224
"""Pixels along a side of the input it was trained on."""
FEATURES = 1280
_MEAN, _RANGE = 127 / 255, 128 / 255
_BATCH_NORM_EPS = 1e-3


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STEM = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class SameConv(nn.Conv2d):
    """Convolution whose output is the input's size over ``stride``; as in TensorFlow, an odd pixel of padding is last.

    (B, C, H, W) -> (B, C', H / stride, W / stride), for sides that the stride divides.
    """

    def __init__(self, channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride=stride, groups=groups)
        before = (kernel - stride) // 2
        self._margins = (before, kernel - stride - before) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self._margins))


class InvertedBottleneck(nn.Module):
    """Widen, filter each channel, and narrow again. (B, C, H, W) -> (B, C', H / stride, W / stride)."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.expand = SameConv(channels, hidden, 1) if expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = SameConv(hidden, out, 1)
        self._adds_input = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else F.relu6(self.expand(x))
        out: Tensor = self.project(F.relu6(self.depthwise(hidden)))
        return x + out if self._adds_input else out


class EfficientNetLite0(nn.Module):
    """The classifier; ``features`` are what its last layer reads."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = SameConv(3, _STEM, 3, stride=2)
        blocks, channels = [], _STEM
        for stage in _STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(InvertedBottleneck(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(channels, FEATURES, 1)
        self.classifier = nn.Linear(FEATURES, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(image))
        return logits

    def features(self, image: Tensor) -> Tensor:
        """(B, 3, 224, 224) in [0, 1] -> (B, 1280)."""
        return self.feature_map(image).mean((2, 3))

    def feature_map(self, image: Tensor) -> Tensor:
        """(B, 3, 224, 224) in [0, 1] -> (B, 1280, 7, 7)."""
        x = F.relu6(self.stem((image - _MEAN) / _RANGE))
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.head(x))


def fold_batch_norms(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names of the PyTorch port (lukemelas, workingcoder) -> ours, batch norms folded in.

    Raises:
        KeyError: if they are not those of EfficientNet-Lite0.
    """
    names = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for index in range(sum(stage.repeats for stage in _STAGES)):
        parts = {
            "expand": ("expand_conv", "bn0"),
            "depthwise": ("depthwise_conv", "bn1"),
            "project": ("project_conv", "bn2"),
        }
        for ours, (conv, norm) in parts.items():
            if f"_blocks.{index}._{conv}.weight" in published:
                names[f"blocks.{index}.{ours}"] = (f"_blocks.{index}._{conv}", f"_blocks.{index}._{norm}")
    weights = {"classifier.weight": published["_fc.weight"], "classifier.bias": published["_fc.bias"]}
    for ours, (conv, norm) in names.items():
        gain = published[f"{norm}.weight"] * torch.rsqrt(published[f"{norm}.running_var"] + _BATCH_NORM_EPS)
        weights[f"{ours}.weight"] = published[f"{conv}.weight"] * gain[:, None, None, None]
        weights[f"{ours}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * gain
    return weights

"""Perceptual distances between images: LPIPS and DISTS, differentiable, for losses and for evaluation.

    LPIPS(x, y) = sum_l mean_hw  w_l . (u(f_l(x)) - u(f_l(y)))^2         u: unit length over channels
    DISTS(x, y) = 1 - sum_l,c [ alpha l(mu_x, mu_y) + beta s(x, y) ]     over VGG16 features and the image itself

Images are (B, 3, H, W) in [0, 1]; results are (B,). The pretrained trunks come as safetensors from the user's disk.
References: Zhang et al., 2018 (arXiv:1801.03924, version 0.1 weights); Ding et al., 2020 (arXiv:2004.07728).
"""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Features = list[Tensor]
_ALEX_LAYERS = ((4, 2, False), (1, 2, True), (1, 1, True), (1, 1, False), (1, 1, False))
_VGG_BLOCKS = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))
_DISTS_CHANNELS = [3, 64, 128, 256, 512, 512]


class PerceptualDistance(nn.Module):
    """Distance of features of fixed convolutions. (B, 3, H, W) x 2 in [0, 1] -> (B,).

    Weights are named ``conv{i}.weight`` and ``conv{i}.bias``; what else there is belongs to the distance.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: dict[str, Tensor], mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        for name, tensor in weights.items():
            self.register_buffer(name.replace(".", "_"), tensor.float())
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features_x, features_y = self.features(x), self.features(y)
        # Under autocast the trunk runs in the low precision; the distances are small differences of its features.
        with torch.autocast(x.device.type, enabled=False):
            return self.distance([f.float() for f in features_x], [f.float() for f in features_y])

    @abstractmethod
    def features(self, x: Tensor) -> Features:
        """(B, 3, H, W) in [0, 1] -> features of every level."""
        ...

    @abstractmethod
    def distance(self, features_x: Features, features_y: Features) -> Tensor:
        """(B,) distances of the images that these are the features of."""
        ...

    def conv(self, x: Tensor, index: int, *, stride: int = 1, padding: int = 1) -> Tensor:
        weight, bias = self.get_buffer(f"conv{index}_weight"), self.get_buffer(f"conv{index}_bias")
        return F.relu(F.conv2d(x, weight, bias, stride=stride, padding=padding))


class LPIPS(PerceptualDistance):
    """Learned perceptual distance on AlexNet features (version 0.1). (B, 3, H, W) x 2 in [0, 1] -> (B,).

    ``weights`` are the trunk's convolutions and the heads ``lin0`` to ``lin4``.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        # LPIPS states its constants for images in [-1, 1]; these are the same for [0, 1].
        super().__init__(weights, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

    def distance(self, features_x: Features, features_y: Features) -> Tensor:
        total = features_x[0].new_zeros(features_x[0].shape[0])
        for level, (a, b) in enumerate(zip(features_x, features_y, strict=True)):
            weight = self.get_buffer(f"lin{level}").view(1, -1, 1, 1)
            total = total + ((_unit(a) - _unit(b)) ** 2 * weight).sum(1).mean((1, 2))
        return total

    def features(self, x: Tensor) -> Features:
        x = (x - self.mean) / self.std
        features = []
        for index, (stride, padding, pooled) in enumerate(_ALEX_LAYERS):
            x = self.conv(F.max_pool2d(x, 3, 2) if pooled else x, index, stride=stride, padding=padding)
            features.append(x)
        return features


class LPIPSOnVGG(LPIPS):
    """The same distance on VGG16 features."""

    def features(self, x: Tensor) -> Features:
        x = (x - self.mean) / self.std
        features = []
        for number, block in enumerate(_VGG_BLOCKS):
            x = F.max_pool2d(x, 2) if number else x
            for index in block:
                x = self.conv(x, index)
            features.append(x)
        return features


class DISTS(PerceptualDistance):
    """Structure and texture similarity on VGG16 features. (B, 3, H, W) x 2 in [0, 1] -> (B,)."""

    def __init__(self, vgg: dict[str, Tensor], heads: dict[str, Tensor]) -> None:
        convolutions = {name: tensor for name, tensor in vgg.items() if name.startswith("conv")}
        super().__init__(convolutions, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
        total = heads["alpha"].sum() + heads["beta"].sum()
        self.register_buffer("alpha", heads["alpha"] / total)
        self.register_buffer("beta", heads["beta"] / total)
        taps = torch.tensor((0.25, 0.5, 0.25))
        self.register_buffer("hanning", torch.outer(taps, taps)[None, None])

    def distance(self, features_x: Features, features_y: Features) -> Tensor:
        alphas = torch.split(self.get_buffer("alpha"), _DISTS_CHANNELS, 1)
        betas = torch.split(self.get_buffer("beta"), _DISTS_CHANNELS, 1)
        similarity = features_x[0].new_zeros(features_x[0].shape[0])
        for a, b, alpha, beta in zip(features_x, features_y, alphas, betas, strict=True):
            mean_a, mean_b = a.mean((2, 3), keepdim=True), b.mean((2, 3), keepdim=True)
            var_a, var_b = ((f - m).square().mean((2, 3), keepdim=True) for f, m in ((a, mean_a), (b, mean_b)))
            covariance = (a * b).mean((2, 3), keepdim=True) - mean_a * mean_b
            luminance = (2 * mean_a * mean_b + 1e-6) / (mean_a**2 + mean_b**2 + 1e-6)
            structure = (2 * covariance + 1e-6) / (var_a + var_b + 1e-6)
            similarity = similarity + (alpha * luminance + beta * structure).sum((1, 2, 3))
        return 1 - similarity

    def features(self, x: Tensor) -> Features:
        features = [x]
        x = (x - self.mean) / self.std
        for number, block in enumerate(_VGG_BLOCKS):
            x = self._l2_pool(x) if number else x
            for index in block:
                x = self.conv(x, index)
            features.append(x)
        return features

    def _l2_pool(self, x: Tensor) -> Tensor:
        kernel = self.get_buffer("hanning").expand(x.shape[1], 1, 3, 3)
        with torch.autocast(x.device.type, enabled=False):
            return (F.conv2d(x.float() ** 2, kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


def _unit(x: Tensor) -> Tensor:
    # The small constant sits inside the root: its gradient is finite where all features are zero.
    return x / (x.square().sum(1, keepdim=True) + 1e-10).sqrt()

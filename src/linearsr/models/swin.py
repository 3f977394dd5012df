"""Swin transformer: attention inside windows, which every other block shifts by half a window.

    patches 4x4 -> stages of blocks, each but the last ending with a merge of 2x2 tokens into one of twice the width

    block   x <- x + WindowAttention(LN(x)),   x <- x + MLP(LN(x));   softmax(q k / sqrt(C) + bias of the offset) v

Attribute names are those of the published weights. Legend: B batch, H x W tokens, D width, w side of a window.
Reference: Liu et al., 2021 (arXiv:2103.14030).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models.attention import merge_heads, split_heads

PATCH = 4


@dataclass(frozen=True, kw_only=True)
class SwinConfig:
    """Geometry; ``width`` is that of the first stage, ``depths`` and ``heads`` have an entry for each stage."""

    width: int = 192
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (6, 12, 24, 48)
    window: int = 12

    @property
    def width_out(self) -> int:
        """Width of what comes out."""
        return self.width << (len(self.depths) - 1)


class WindowAttention(nn.Module):
    """Softmax attention within windows (B, w w, D), with a learned bias for every offset; ``mask`` is (B, w w, w w)."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        rows, columns = (places[:, None] - places + window - 1).unbind(-1)
        self.register_buffer("offsets", rows * (2 * window - 1) + columns, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        bias = self.relative_position_bias_table[self.offsets].permute(2, 0, 1)[None]  # type: ignore[index]
        allowed = bias if mask is None else bias.masked_fill(~mask[:, None], float("-inf"))
        out: Tensor = self.proj(merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)))
        return out


class _MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class SwinBlock(nn.Module):
    """Tokens (B, H, W, D) -> (B, H, W, D); H and W are multiples of the window."""

    def __init__(self, width: int, heads: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self._window, self._shifted = window, shifted
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.mlp = _MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.norm1(x))
        update: Tensor = self.mlp(self.norm2(x))
        return x + update

    def _attend(self, x: Tensor) -> Tensor:
        batch, height, width, _ = x.shape
        # A grid of one window has nowhere to shift to.
        shift = self._window // 2 if self._shifted and min(height, width) > self._window else 0
        rolled = x.roll((-shift, -shift), (1, 2)) if shift else x
        mask = self._same_region(height, width, shift, x.device).repeat(batch, 1, 1) if shift else None
        attended = self.attn(windows_of(rolled, self._window), mask)
        out = grid_of(attended, (height, width))
        return out.roll((shift, shift), (1, 2)) if shift else out

    def _same_region(self, height: int, width: int, shift: int, device: torch.device) -> Tensor:
        """Which pairs of a window were neighbours before rolling, (windows, w w, w w)."""
        rows, columns = ((torch.arange(n, device=device) >= n - shift).long() for n in (height, width))
        # Within the last window, rolled rows or columns are from the other side of the grid.
        regions = (2 * rows[:, None] + columns)[None, :, :, None]
        regions = windows_of(regions, self._window)[..., 0]
        return regions[:, :, None] == regions[:, None]


class PatchMerging(nn.Module):
    """2x2 tokens to one: (B, H, W, D) -> (B, H/2, W/2, 2 D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return out


class SwinStage(nn.Module):
    """Blocks, every other shifted, and perhaps a merge."""

    def __init__(self, width: int, depth: int, heads: int, window: int, *, merges: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(width, heads, window, shifted=index % 2 == 1) for index in range(depth))
        self.downsample = PatchMerging(width) if merges else None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class PatchEmbedding(nn.Module):
    """(B, 3, 4H, 4W) -> (B, H, W, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.norm(self.proj(image).permute(0, 2, 3, 1))
        return out


class Swin(nn.Module):
    """Normalised images (B, 3, S, S) -> tokens (B, 1 + N, D), the first the mean of the others."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(config.width)
        last = len(config.depths) - 1
        self.layers = nn.ModuleList(
            SwinStage(config.width * 2**index, depth, heads, config.window, merges=index < last)
            for index, (depth, heads) in enumerate(zip(config.depths, config.heads, strict=True))
        )
        self.norm = nn.LayerNorm(config.width_out)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch_embed(image)
        for layer in self.layers:
            x = layer(x)
        tokens = self.norm(x).flatten(1, 2)
        return torch.cat((tokens.mean(1, keepdim=True), tokens), dim=1)


def windows_of(x: Tensor, window: int) -> Tensor:
    """(B, H, W, D) -> (B windows, w w, D), the windows of an image in rows."""
    batch, height, width, channels = x.shape
    parts = x.view(batch, height // window, window, width // window, window, channels)
    return parts.transpose(2, 3).reshape(-1, window * window, channels)


def grid_of(windows: Tensor, grid: tuple[int, int]) -> Tensor:
    """Undo :func:`windows_of` for a grid of height and width."""
    height, width = grid
    window = round(windows.shape[1] ** 0.5)
    parts = windows.view(-1, height // window, width // window, window, window, windows.shape[-1])
    return parts.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])

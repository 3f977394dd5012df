"""Noise and JPEG blocks out of the LR image, before anything is enlarged.

    x = lr + U(lr, s)      U: a small network in the shape of a U, at 1/2, 1/4 and 1/8 of the LR side
    s ~ exp M(lr)          M: the meter, a first look at how strong the noise is
    s = exp J(lr, U)       J: the judge, a second look (noise_judge.py)

The strength s is one number for a picture: the root mean square of what noise and compression have changed, in 8-bit
levels. Told it, the network need not guess whether faint structure in one place is noise. A network that has learned to
(``cleans``) gives a second answer when told -s: less of a mean of all that a place may look like, in which a part of
wide noise is left, and more of one picture without any. The judge goes by the first, the second is enlarged.

Legend: B batch; LR images (B, 3, H, W) in [-1, 1], H and W multiples of 8.
Reference: FFDNet, Zhang et al., 2018 (arXiv:1710.04026), for the half resolution and the given strength.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.models.autoencoder import Downsample, ResidualBlock, Upsample
from linearsr.models.configs import check_positive
from linearsr.models.noise_judge import NoiseJudge

STRIDE = 8
"""LR pixels along a side of a cell of the coarsest level."""
LEVELS_PER_UNIT = 127.5
"""8-bit levels in a step of 1."""
_USUAL_STRENGTH = 20.0
"""Strengths come to the network divided by this."""
_DETAIL_GAIN = 8.0
"""Brings noise of usual strength to the scale of what networks begin with."""


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig:
    """Geometry. ``widths`` are the channels at 1/2, 1/4 and 1/8 of the LR side, ``depth`` the blocks there each way.

    ``cleans`` says that the network has a clean answer.
    """

    widths: tuple[int, int, int] = (64, 96, 160)
    depth: int = 2
    meter_width: int = 32
    judge_width: int = 48
    cleans: bool = False

    def __post_init__(self) -> None:
        check_positive(self, "depth", "meter_width", "judge_width")
        if len(self.widths) != 3 or min(self.widths) < 1:
            raise ValueError(f"widths must be three positive channel counts, one per level, not {self.widths}")


class NoiseMeter(nn.Module):
    """Strength of the noise: (B, 3, H, W) -> (B,), the logarithm of 8-bit levels.

    It sees what each pixel has beyond the mean of those around it. Every cell gives an estimate and how much it counts:
    where a picture is smooth, noise is plain to see, and in fine texture it is not.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cells = nn.Sequential(
            nn.PixelUnshuffle(2),
            *_convolved(12, width),
            *_convolved(width, width),
            *_convolved(width, width),
            nn.AvgPool2d(2),
            *_convolved(width, 2 * width),
            nn.AvgPool2d(2),
            *_convolved(2 * width, 2 * width),
            nn.Conv2d(2 * width, 2, 1),
        )

    def forward(self, lr: Tensor) -> Tensor:
        detail = lr - F.avg_pool2d(lr, 3, stride=1, padding=1, count_include_pad=False)
        estimates, confidence = self.cells(_DETAIL_GAIN * detail).flatten(2).unbind(1)
        strength: Tensor = (estimates * confidence.softmax(1)).sum(1)
        return strength


class Denoiser(nn.Module):
    """LR image and strength of its noise -> LR image without. (B, 3, H, W), (B,) -> (B, 3, H, W)."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        widths, depth = config.widths, config.depth
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, widths[0], 3, padding=1))
        self.strength_in = nn.Linear(1, widths[0])
        self.before = nn.ModuleList(_blocks(width, depth) for width in widths)
        self.down = nn.ModuleList(Downsample(a, b) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(Upsample(b, a) for a, b in itertools.pairwise(widths))
        self.after = nn.ModuleList(_blocks(width, depth) for width in widths[:-1])
        self.tail = nn.Sequential(nn.Conv2d(widths[0], 12, 3, padding=1), nn.PixelShuffle(2))
        self.meter = NoiseMeter(config.meter_width)
        self.judge = NoiseJudge(config.judge_width)

    def forward(self, lr: Tensor, strength: Tensor) -> Tensor:
        return lr + self.update(lr, strength)

    @property
    def sign(self) -> int:
        """What strengths are multiplied by for the answer that is to be enlarged: -1 for the clean one, if any."""
        return -1 if self.config.cleans else 1

    def update(self, lr: Tensor, strength: Tensor) -> Tensor:
        """What is added to the LR image: the noise of that strength, taken the other way round."""
        x = self.stem(lr) + self.told(strength)
        finer = []
        for before, down in zip(self.before, self.down, strict=False):
            x = before(x)
            finer.append(x)
            x = down(x)
        x = self.before[-1](x)
        for up, after in zip(reversed(self.up), reversed(self.after), strict=True):
            x = after(finer.pop() + up(x))
        update: Tensor = self.tail(x)
        return update

    def told(self, strength: Tensor) -> Tensor:
        """What a strength adds to the first features: (B,) -> (B, C, 1, 1)."""
        features: Tensor = self.strength_in(strength[:, None] / _USUAL_STRENGTH)
        return features[:, :, None, None]


def _convolved(width_in: int, width_out: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(width_in, width_out, 3, padding=1), nn.SiLU()


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(depth)))

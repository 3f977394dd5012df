"""Pairs of drawings made up at random: flat colours, outlines and letters, which photos chosen for texture hardly have.

What has only been trained on texture leaves grain in the flat colours of a sign or a comic, and lets its edges waver.

Legend: B pairs; lr (B, 3, h, w), hr (B, 3, 4h, 4w) in [-1, 1].
"""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from linearsr.data.draws import Draws, derive_seed
from linearsr.data.sampling import SCALE, ChangedPairs, PairSource, Sample

FINENESS = 2
"""Drawings are made so many times as large, and reduced: edges come out smooth."""
COLOURS = (2, 6)
"""A drawing has so many, of which outlines have one."""
SHAPES = (3, 30)
LINE = (0.004, 0.03)
"""Width of lines, in sides of the drawing."""
EXTENT = (0.05, 0.6)
"""Size of shapes, in sides of the drawing."""
LETTER = (0.04, 0.3)
"""Height of letters, in sides of the drawing."""

Colour = tuple[int, int, int]


class DrawnPairs(ChangedPairs):
    """Pairs of another source, a ``share`` of them replaced by drawings, which are reduced and not degraded."""

    def __init__(self, source: PairSource, share: float) -> None:
        super().__init__(source)
        self._share = share

    def changed(self, lr: Tensor, hr: Tensor, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        seeds = [derive_seed(sample.seed, "drawing") for sample in samples]
        places = torch.nonzero(Draws(seeds).chance(self._share))[:, 0].tolist()
        if not places:
            return lr, hr
        lr, hr = lr.clone(), hr.clone()
        hr[places] = torch.stack([drawing(seeds[place], hr.shape[-1]) for place in places]).to(hr.device) * 2 - 1
        lr[places] = F.avg_pool2d(hr[places], SCALE)
        return lr, hr


def drawing(seed: int, side: int) -> Tensor:
    """Draw what belongs to a seed: (3, side, side) in [0, 1], in 8-bit levels."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    fine = round(side * FINENESS * math.sqrt(2))
    colours = [_colour(chance) for _ in range(chance.randint(*COLOURS))]
    image = _background(chance, colours, fine)
    pen = ImageDraw.Draw(image)
    for _ in range(chance.randint(*SHAPES)):
        chance.choices(_SHAPES, weights=(3, 3, 2, 2, 4))[0](pen, chance, colours, fine)
    turned = image.rotate(chance.choice((0.0, chance.uniform(0, 360))), Image.Resampling.BILINEAR)
    border = (fine - side * FINENESS) // 2
    inside = turned.crop((border, border, border + side * FINENESS, border + side * FINENESS))
    pixels = np.asarray(inside.reduce(FINENESS))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def _background(chance: random.Random, colours: list[Colour], side: int) -> Image.Image:
    image = Image.new("RGB", (side, side), colours[-1])
    if chance.random() < 0.3:
        ramp = Image.linear_gradient("L").rotate(chance.choice((0, 90, 180, 270))).resize((side, side))
        image.paste(Image.new("RGB", (side, side), _colour(chance)), mask=ramp)
    return image


def _colour(chance: random.Random) -> Colour:
    """Black or white as often as any other, each with a little of something else at times."""
    kind = chance.random()
    if kind < 0.4:
        level = chance.choice((0, 255))
        return tuple(min(255, max(0, level + chance.choice((0, 0, chance.randint(-40, 40))))) for _ in range(3))  # type: ignore[return-value]
    return chance.randrange(256), chance.randrange(256), chance.randrange(256)


def _ellipse(pen: ImageDraw.ImageDraw, chance: random.Random, colours: list[Colour], side: int) -> None:
    pen.ellipse(_box(chance, side), *_paint(chance, colours, side))


def _rectangle(pen: ImageDraw.ImageDraw, chance: random.Random, colours: list[Colour], side: int) -> None:
    pen.rectangle(_box(chance, side), *_paint(chance, colours, side))


def _polygon(pen: ImageDraw.ImageDraw, chance: random.Random, colours: list[Colour], side: int) -> None:
    left, top, right, bottom = _box(chance, side)
    corners = [(chance.uniform(left, right), chance.uniform(top, bottom)) for _ in range(chance.randint(3, 6))]
    pen.polygon(corners, *_paint(chance, colours, side))


def _curve(pen: ImageDraw.ImageDraw, chance: random.Random, colours: list[Colour], side: int) -> None:
    left, top, right, bottom = _box(chance, side)
    turns, phase = chance.uniform(0.2, 2.0), chance.uniform(0, math.tau)
    ways = [step / 60 for step in range(61)]
    points = [
        (left + (right - left) * way, top + (bottom - top) * (0.5 + 0.5 * math.sin(phase + math.tau * turns * way)))
        for way in ways
    ]
    pen.line(points, fill=chance.choice(colours), width=_line(chance, side), joint="curve")


def _letters(pen: ImageDraw.ImageDraw, chance: random.Random, colours: list[Colour], side: int) -> None:
    text = "".join(chance.choices(string.ascii_letters + string.digits, k=chance.randint(1, 10)))
    font = _font(round(side * math.exp(chance.uniform(*(math.log(height) for height in LETTER)))))
    place = chance.uniform(-0.1, 0.8) * side, chance.uniform(-0.1, 0.9) * side
    pen.text(place, text, fill=chance.choice(colours), font=font, stroke_width=chance.choice((0, 0, side // 250)))


_SHAPES: tuple[Callable[[ImageDraw.ImageDraw, random.Random, list[Colour], int], None], ...] = (
    _ellipse,
    _rectangle,
    _polygon,
    _curve,
    _letters,
)


def _box(chance: random.Random, side: int) -> tuple[float, float, float, float]:
    width, height = (side * chance.uniform(*EXTENT) for _ in range(2))
    left, top = (side * chance.uniform(-0.2, 1.0) for _ in range(2))
    return left, top, left + width, top + height


def _paint(chance: random.Random, colours: list[Colour], side: int) -> tuple[Colour, Colour | None, int]:
    """Colour inside, colour of the outline if there is any, and its width."""
    return chance.choice(colours), colours[0] if chance.random() < 0.5 else None, _line(chance, side)


def _line(chance: random.Random, side: int) -> int:
    return max(1, round(side * math.exp(chance.uniform(*(math.log(width) for width in LINE)))))


@lru_cache(maxsize=256)
def _font(height: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(height)

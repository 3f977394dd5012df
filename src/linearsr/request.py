"""The one request object behind every entrance: what is asked of one image."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Literal, get_args

from linearsr.errors import ConfigError
from linearsr.tags.words import TagChoice, TagSource, clean_tags

NATIVE_SCALE = 4
ColorFix = Literal["wavelet", "adain", "none"]
Solver = Literal["euler", "heun"]
AlphaMode = Literal["keep", "drop"]
Depth = Literal["auto", "8", "16"]
MetadataMode = Literal["keep", "icc-only", "strip"]
MAX_CAPTION = 2000
"""Characters: more than any text encoder here reads."""


@dataclass(frozen=True, kw_only=True)
class UpscaleRequest:
    """How to upscale one image.

    The model enlarges by 4; any other ``scale``, ``width``, ``height`` or ``max_side`` is reached from there with a
    Lanczos filter. ``denoise`` is the share of the photo's noise and JPEG blocks that goes first; None takes out what
    is there for sure. ``noise`` is how strong they are, in 8-bit levels; None measures it. ``fidelity`` goes from 0,
    the most detail, to 1, the closest to the photo; None is the model's own, which is less where something is taken
    out. A ``caption`` is free text in the place of tags, and needs a text encoder. ``tile`` is in LR pixels: None
    decides by size, 0 never tiles. Every image draws its noise from its own generator seeded with ``seed``, so neither
    order nor company changes it.
    """

    scale: float = float(NATIVE_SCALE)
    width: int | None = None
    height: int | None = None
    max_side: int | None = None
    steps: int = 4
    solver: Solver = "euler"
    denoise: float | None = None
    noise: float | None = None
    fidelity: float | None = None
    tags: TagChoice = "auto"
    caption: str | None = None
    negative_tags: tuple[str, ...] = ()
    guidance_scale: float = 1.0
    seed: int = 0
    color_fix: ColorFix = "wavelet"
    tile: int | None = None
    alpha: AlphaMode = "keep"
    depth: Depth = "auto"
    metadata: MetadataMode = "keep"

    def __post_init__(self) -> None:
        _between("scale", self.scale, 0.05, 64, numbers.Real)
        _between("steps", self.steps, 1, 1000)
        for name in ("denoise", "fidelity"):
            if getattr(self, name) is not None:
                _between(name, getattr(self, name), 0, 1, numbers.Real)
        if self.noise is not None:
            _between("noise", self.noise, 0, 255, numbers.Real)
        _between("guidance_scale", self.guidance_scale, 1, 20, numbers.Real)
        self._check_tags()
        _between("seed", self.seed, 0, 2**63 - 1)
        for name in ("width", "height", "max_side"):
            if getattr(self, name) is not None:
                _between(name, getattr(self, name), 1, 65_500)
        if self.tile not in (None, 0) and not (isinstance(self.tile, numbers.Integral) and self.tile >= 32):
            raise ConfigError(f"tile must be 0 or at least 32, not {self.tile}", remedy="use auto for a fitting size")
        choices = {
            "color_fix": ColorFix,
            "solver": Solver,
            "alpha": AlphaMode,
            "depth": Depth,
            "metadata": MetadataMode,
        }
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind):
                raise ConfigError(
                    f"{name} {getattr(self, name)!r} is unknown", remedy=f"choose from {', '.join(get_args(kind))}"
                )

    def _check_tags(self) -> None:
        if isinstance(self.tags, str) and self.tags not in get_args(TagSource):
            raise ConfigError(f"tags {self.tags!r} are unknown", remedy='use "auto", "none" or a list of words')
        if self.caption is not None:
            self._check_caption(self.caption)
        wanted, negative = self.chosen_tags, clean_tags(self.negative_tags)
        if negative and self.guidance_scale == 1:
            raise ConfigError(
                "negative tags do nothing at a guidance scale of 1", remedy="raise guidance_scale, for example to 2"
            )
        if self.guidance_scale > 1 and self.tags == "none" and not negative and self.caption is None:
            raise ConfigError(
                f"a guidance scale of {self.guidance_scale} has no tags to follow", remedy="give tags, or leave it out"
            )
        if set(wanted) & set(negative):
            raise ConfigError(
                f"tags both wanted and not: {', '.join(sorted(set(wanted) & set(negative)))}", remedy="choose a side"
            )

    def _check_caption(self, caption: str) -> None:
        if not 0 < len(caption.strip()) <= MAX_CAPTION:
            raise ConfigError(
                f"a caption has 1 to {MAX_CAPTION} characters, not {len(caption.strip())}", remedy="say what is seen"
            )
        if self.chosen_tags:
            raise ConfigError("a caption takes the place of tags", remedy="pass one of them")

    @property
    def chosen_tags(self) -> tuple[str, ...]:
        """The tags that were given."""
        return () if isinstance(self.tags, str) else clean_tags(self.tags)

    def output_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the result for an input of this size.

        ``width`` and ``height`` together fix the size; one of them keeps the proportions; ``max_side`` caps the longer
        side of whatever came out, keeping the proportions.
        """
        factor_x = factor_y = self.scale
        if self.width is not None or self.height is not None:
            factor_x = (self.width or 0) / width or (self.height or 0) / height
            factor_y = (self.height or 0) / height or factor_x
        longest = max(width * factor_x, height * factor_y)
        if self.max_side is not None and longest > self.max_side:
            factor_x, factor_y = (factor * self.max_side / longest for factor in (factor_x, factor_y))
        return max(1, round(width * factor_x)), max(1, round(height * factor_y))


def _between(name: str, value: float, low: float, high: float, kind: type = numbers.Integral) -> None:
    if not isinstance(value, kind) or not low <= value <= high:
        what = "a number" if kind is numbers.Real else "a whole number"
        raise ConfigError(
            f"{name} must be {what} from {low} to {high}, not {value!r}", remedy="choose a value in that range"
        )

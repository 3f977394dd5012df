"""Size limits, checked from a file's header before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from linearsr.errors import ImageError, ImageTooLargeError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Largest images accepted and produced. Pixels count width times height."""

    max_input_pixels: int = 89_478_485
    max_output_pixels: int = 268_402_689
    max_side: int = 65_500

    def check_input(self, width: int, height: int, frames: int) -> None:
        """Raise unless an input of this size may be decoded."""
        if frames > 1:
            raise ImageError(f"the image has {frames} frames or pages", remedy="extract the one to upscale first")
        self._check_side(width, height, "input")
        if width * height > self.max_input_pixels:
            raise ImageTooLargeError(
                f"{width}x{height} is {width * height:,} pixels, over the limit of {self.max_input_pixels:,}",
                remedy="crop or split it first, or raise --max-input-pixels",
            )

    def check_output(self, width: int, height: int) -> None:
        """Raise unless an output of this size may be produced."""
        self._check_side(width, height, "output")
        if width * height > self.max_output_pixels:
            raise ImageTooLargeError(
                f"the output would be {width}x{height}, over the limit of {self.max_output_pixels:,} pixels",
                remedy="ask for a smaller --scale or --max-side, or raise --max-output-pixels",
            )

    def _check_side(self, width: int, height: int, what: str) -> None:
        if max(width, height) > self.max_side:
            raise ImageTooLargeError(
                f"an {what} side of {max(width, height):,} pixels is over the limit of {self.max_side:,}",
                remedy="crop or split it first" if what == "input" else "ask for a smaller --scale or --max-side",
            )


CLI_LIMITS = Limits()
SERVER_LIMITS = Limits(max_input_pixels=16_777_216)

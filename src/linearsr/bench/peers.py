"""What a user would pick instead, upscaling the same pictures in the same run.

Peers are optional: one that is not installed is listed with what would install it. Times are from pixels to pixels, the
peer's model loaded; ratios are to LinearSR, which runs first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray

from linearsr.bench.machine import Machine
from linearsr.bench.tables import markdown_table, paragraphs, seconds
from linearsr.bench.timing import median_seconds
from linearsr.imaging.picture import Picture
from linearsr.models.autoencoder import SCALE
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest

Pixels = NDArray[np.uint8]
Upscale = Callable[[Pixels], Pixels]
"""(h, w, 3) 8-bit RGB -> (4h, 4w, 3)."""
Keep = Callable[[str, int, Pixels], None]
WARM_UP_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A way to enlarge by 4. ``load`` raises ImportError where a package is missing, which ``install`` brings."""

    name: str
    load: Callable[[], Upscale]
    install: str = ""
    runs_on: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class PeerTiming:
    """Seconds per image (mean over the images of medians), and as a multiple of LinearSR's; None where not run."""

    name: str
    runs_on: str = ""
    seconds: float | None = None
    ratio: float | None = None
    missing: str = ""


def linearsr_peer(pipeline: SRPipeline, steps: int) -> Peer:
    """The pipeline itself, as the row that all others are compared to."""

    def upscale(pixels: Pixels) -> Pixels:
        color = pipeline.upscale(Picture(color=pixels), UpscaleRequest(steps=steps)).color
        return np.asarray(color, dtype=np.uint8)

    name = f"LinearSR {pipeline.name}, {steps} steps"
    return Peer(name=name, load=lambda: upscale, runs_on=str(pipeline.device))


def bicubic_peer() -> Peer:
    """Pillow's bicubic filter."""

    def upscale(pixels: Pixels) -> Pixels:
        image = PIL.Image.fromarray(pixels)
        size = (SCALE * image.width, SCALE * image.height)
        return np.asarray(image.resize(size, PIL.Image.Resampling.BICUBIC))

    return Peer(name="bicubic", load=lambda: upscale)


def time_peers(
    peers: Sequence[Peer], images: Sequence[Pixels], *, repeats: int, keep: Keep | None = None
) -> Iterator[PeerTiming]:
    """Time every peer on every image, each the median of ``repeats`` runs; ratios are to the first peer.

    ``keep`` receives every result: the peer's name, the index of the image, the pixels.
    """
    first: float | None = None
    for peer in peers:
        try:
            upscale = peer.load()
        except ImportError as error:
            yield PeerTiming(name=peer.name, missing=f"not installed ({error}): {peer.install}")
            continue
        # A corner is enough to load kernels and allocators, and some peers take minutes for a whole picture.
        upscale(np.ascontiguousarray(images[0][:WARM_UP_SIDE, :WARM_UP_SIDE]))
        total = 0.0
        for index, image in enumerate(images):
            result, median = _time(upscale, image, repeats)
            total += median
            if keep is not None:
                keep(peer.name, index, result)
        mean = total / len(images)
        first = first or mean
        yield PeerTiming(name=peer.name, runs_on=peer.runs_on, seconds=mean, ratio=mean / first)


def _time(upscale: Upscale, image: Pixels, repeats: int) -> tuple[Pixels, float]:
    results: list[Pixels] = []
    # Pixels come back to main memory, so the clock is right on every device.
    clock = torch.device("cpu")
    median = median_seconds(lambda: results.append(upscale(image)), repeats=repeats, device=clock, warm_up=False)
    return results[-1], median


def render_peers(timings: Sequence[PeerTiming], content: str, machine: Machine) -> str:
    """Return the Markdown table of all that ran and a line for each peer that is missing."""
    rows = [
        (timing.name, timing.runs_on, seconds(timing.seconds), f"{timing.ratio:#.3g}")
        for timing in timings
        if timing.ratio is not None
    ]
    table = markdown_table(("method", "runs on", "seconds per image", "times LinearSR"), rows)
    missing = [f"- not timed: {timing.name}: {timing.missing}" for timing in timings if timing.missing]
    notes = f"{content}; from pixels to pixels, models loaded. {machine.sentence()}"
    return paragraphs(table, "\n".join(missing), notes)

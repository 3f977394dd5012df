"""Times one upscale by its parts, beside the time that their multiply-adds would take at the device's peak.

    floor = multiply-adds / (multiply-adds per second of large matrix products or convolutions, of the same run)

The floor over the time says what is left to gain on this device.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from linearsr.bench.evaluation import Evaluation
from linearsr.bench.machine import Machine
from linearsr.bench.macs import MacCounter, count_macs
from linearsr.bench.memory import peak_memory, peak_of
from linearsr.bench.tables import count, markdown_table, megabytes, paragraphs, seconds, share
from linearsr.bench.timing import as_cuda_graph, median_seconds, wait
from linearsr.imaging.codec import decode
from linearsr.imaging.encoder import encode
from linearsr.imaging.formats import output_format
from linearsr.imaging.picture import Picture
from linearsr.lr_image import LRImage, denoised, squares
from linearsr.memory import estimate_peak_memory
from linearsr.models.autoencoder import LR_STRIDE, SCALE
from linearsr.models.judging import metered, strength_of_blocks
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest
from linearsr.tags.tagger import load_tagger, seen_by_tagger


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of an upscale; ``macs`` are multiply-adds.

    A part ``within`` another is counted in that one too; one ``aside`` is not of this upscale, and not in its total.
    """

    name: str
    seconds: float
    macs: int = 0
    parameters: int = 0
    within: bool = False
    aside: bool = False


@dataclass(frozen=True, kw_only=True)
class UpscaleTiming:
    """The upscale of a ``side`` x ``side`` PNG file into a PNG file, model loaded: its parts in order, and their total.

    Memory is in bytes: ``work_memory`` is the peak on top of the loaded model, None where the system does not tell,
    ``process_memory`` the peak of the process since it started.
    """

    side: int
    tokens: int
    steps: int
    repeats: int
    parts: tuple[Part, ...]
    total: Part
    work_memory: int | None
    process_memory: int
    estimated_memory: int


def time_upscale(
    pipeline: SRPipeline, *, side: int, steps: int, repeats: int, cuda_graphs: bool = False
) -> UpscaleTiming:
    """Time ``pipeline`` on a ``side`` x ``side`` image of noise, treated as a photo without: only noise costs more.

    With ``cuda_graphs`` one evaluation is also timed as a CUDA graph; the pipeline must be on a GPU.
    """
    picture = Picture(color=np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))
    request = pipeline.settled(picture, UpscaleRequest(steps=steps, denoise=0))
    result, sampling_macs, macs = _count(pipeline, picture, request)
    sampled: list[float] = []
    finished: list[float] = []

    def run() -> None:
        wait(pipeline.device)
        started = time.perf_counter()
        _upscale(pipeline, picture, request, lambda: sampled.append(_since(started, pipeline.device)))
        finished.append(_since(started, pipeline.device))

    def run_all() -> None:
        for _ in range(repeats):
            run()

    work_memory = peak_of(run_all, pipeline.device)
    sampling, upscaling = statistics.median(sampled), statistics.median(finished)
    cpu, png = torch.device("cpu"), output_format("png")
    file = encode(picture, png)
    parts = (
        Part(name="read PNG", seconds=median_seconds(lambda: decode(file), repeats=repeats, device=cpu)),
        time_tagging(pipeline, picture, repeats=repeats),
        *time_denoising(pipeline, picture, repeats=repeats),
        Part(
            name=f"sampling, {steps} NFE",
            seconds=sampling,
            macs=sampling_macs,
            parameters=_parameters(pipeline.experts),
        ),
        *time_evaluation(pipeline, side=side, repeats=repeats, cuda_graphs=cuda_graphs),
        Part(
            name="decoding",
            seconds=upscaling - sampling,
            macs=macs - sampling_macs,
            parameters=_parameters(pipeline.autoencoder.decoder),
        ),
        Part(name="write PNG", seconds=median_seconds(lambda: encode(result, png), repeats=repeats, device=cpu)),
    )
    return UpscaleTiming(
        side=side,
        tokens=_cells(side) ** 2,
        steps=steps,
        repeats=repeats,
        parts=parts,
        total=_total([part for part in parts if not part.within and not part.aside]),
        work_memory=work_memory,
        process_memory=peak_memory(),
        estimated_memory=estimate_peak_memory(side, side),
    )


def _total(parts: list[Part]) -> Part:
    return Part(
        name="total",
        seconds=sum(part.seconds for part in parts),
        macs=sum(part.macs for part in parts),
        parameters=sum(part.parameters for part in parts),
    )


def _upscale(
    pipeline: SRPipeline, picture: Picture, request: UpscaleRequest, on_sampled: Callable[[], None]
) -> Picture:
    def reached(step: int, t: float, latent: Tensor) -> None:
        if step == request.steps - 1:
            on_sampled()

    return pipeline.upscale(picture, request, on_step_end=reached)


def _since(started: float, device: torch.device) -> float:
    wait(device)
    return time.perf_counter() - started


def _count(pipeline: SRPipeline, picture: Picture, request: UpscaleRequest) -> tuple[Picture, int, int]:
    """The warm-up: return the result, the multiply-adds of sampling, and those of the whole."""
    counts: list[int] = []
    with MacCounter() as counter:
        result = _upscale(pipeline, picture, request, lambda: counts.append(counter.macs))
    return result, counts[0], counter.macs


def time_tagging(pipeline: SRPipeline, picture: Picture, *, repeats: int) -> Part:
    """Time finding the tags of a picture, which is always on the CPU; aside for a model that takes none by itself."""
    tagger = pipeline.tagger or load_tagger()

    def work() -> object:
        return tagger.tag(seen_by_tagger(picture))

    return Part(
        name="tagging",
        macs=count_macs(work),
        seconds=median_seconds(work, repeats=repeats, device=torch.device("cpu")),
        parameters=tagger.parameters,
        aside=pipeline.experts.transformer_config.guidance != "tags",
    )


@torch.inference_mode()
def time_denoising(pipeline: SRPipeline, picture: Picture, *, repeats: int) -> list[Part]:
    """Time looking for noise and JPEG blocks and, aside, telling how strong noise is and taking it out."""
    denoiser, image = pipeline.denoiser, LRImage(picture.color, pipeline.device)
    if denoiser is None:
        return []

    def look() -> None:
        windows = squares(image)
        metered(windows.to(pipeline.dtype), denoiser)
        strength_of_blocks(windows)

    def take_out() -> Tensor:
        return denoised(image, denoiser, 1.0).read(0, image.grid[0] * LR_STRIDE)

    seconds = [median_seconds(work, repeats=repeats, device=pipeline.device) for work in (look, take_out)]
    macs = [count_macs(work) for work in (look, take_out)]
    meter = _parameters(denoiser.meter)
    return [
        Part(name="looking for noise and blocks", seconds=seconds[0], macs=macs[0], parameters=meter),
        Part(
            name="taking it out, where found",
            seconds=seconds[1],
            macs=macs[1],
            parameters=_parameters(denoiser) - meter,
            aside=True,
        ),
    ]


@torch.inference_mode()
def time_evaluation(pipeline: SRPipeline, *, side: int, repeats: int, cuda_graphs: bool = False) -> list[Part]:
    """Time one velocity evaluation (NFE) for a ``side`` x ``side`` image, the two parts of it, and its CUDA graph."""
    device, expert = pipeline.device, pipeline.experts.expert_at(1.0)
    evaluation = Evaluation.on_noise(expert, _cells(side))
    works: dict[str, tuple[Callable[[], Tensor], nn.Module]] = {
        "one evaluation": (evaluation.in_strips, expert),
        "its E_conv": (lambda: expert.lr_encoder(evaluation.lr), expert.lr_encoder),
    }
    parts = [
        Part(
            name=name,
            macs=count_macs(work),
            seconds=median_seconds(work, repeats=repeats, device=device),
            parameters=_parameters(module),
            within=True,
        )
        for name, (work, module) in works.items()
    ]
    parts.append(_rest_of(*parts, name="its transformer"))
    if cuda_graphs:
        replay = as_cuda_graph(evaluation.whole, device)
        graphed = median_seconds(replay, repeats=repeats, device=device)
        parts.append(Part(name="one evaluation as a CUDA graph", seconds=graphed, macs=parts[0].macs, within=True))
    return parts


def _rest_of(whole: Part, part: Part, *, name: str) -> Part:
    return Part(
        name=name,
        seconds=max(0.0, whole.seconds - part.seconds),
        macs=whole.macs - part.macs,
        parameters=whole.parameters - part.parameters,
        within=True,
    )


def _cells(side: int) -> int:
    return -(-side // LR_STRIDE)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def render_upscale(timings: list[UpscaleTiming], machine: Machine) -> str:
    """Return one Markdown table per size, and how to read them."""
    notes = (
        "One evaluation (NFE) is the forward of one expert; its transformer is what E_conv leaves of that. Decoding "
        "includes the colour fix. Tagging is on the CPU; a model that was not trained with tags goes without. "
        f"Medians of {timings[0].repeats} runs on noise. {machine.sentence()}"
    )
    return paragraphs(*(_section(timing, machine) for timing in timings), notes)


def _section(timing: UpscaleTiming, machine: Machine) -> str:
    side, large = timing.side, SCALE * timing.side
    rows = [_row(part, timing.total.seconds, machine.peak_macs) for part in (*timing.parts, timing.total)]
    return paragraphs(
        f"{side}x{side} -> {large}x{large}, {timing.tokens:,} tokens, {timing.steps} steps, "
        f"{machine.device} {machine.precision}",
        markdown_table(("part", "seconds", "share", "parameters", "MAC", "floor, s", "floor / time"), rows),
        f"Peak memory: {megabytes(timing.work_memory)} on top of the loaded model; the process "
        f"{megabytes(timing.process_memory)} ({megabytes(timing.estimated_memory)} expected).",
    ).rstrip()


def _row(part: Part, total: float, peak_macs: float) -> tuple[str, ...]:
    floor = part.macs / peak_macs
    return (
        f"of which {part.name}" if part.within else f"not in it: {part.name}" if part.aside else part.name,
        seconds(part.seconds),
        "-" if part.aside else share(part.seconds, total),
        count(part.parameters or None),
        count(part.macs or None),
        seconds(floor) if part.macs else "-",
        share(floor, part.seconds) if part.macs and part.seconds else "-",
    )

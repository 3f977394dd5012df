"""How time and memory of one velocity evaluation grow with the image: linear attention beside its softmax twin.

    slope = d log(seconds) / d log(tokens), by least squares over the sizes; 1 is linear, 2 quadratic

Both models have the same weights and differ only in their self-attention, and both run through the same code with all
tokens at once. Linear attention is timed in strips as well, which is how an upscale runs it: the same result, with
tensors that stay in the caches. All take turns at each size; what is expected to be over a limit goes no further.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from linearsr.bench.evaluation import Evaluation
from linearsr.bench.machine import Machine
from linearsr.bench.macs import count_macs
from linearsr.bench.memory import peak_of
from linearsr.bench.tables import count, markdown_table, megabytes, paragraphs, seconds, share
from linearsr.bench.timing import median_seconds
from linearsr.devices import is_out_of_memory
from linearsr.models.autoencoder import LR_STRIDE, SCALE
from linearsr.models.softmax_twin import softmax_twin
from linearsr.models.transformer import LinearTransformer

PIXELS_PER_TOKEN = LR_STRIDE * SCALE
"""Side of a token in pixels of the result."""
SIDES = (512, 1024, 2048, 4096, 8192)
Attention = Literal["linear in strips", "linear", "softmax"]
IN_STRIPS: Attention = "linear in strips"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a model goes no further: seconds of one evaluation, bytes of its peak memory."""

    seconds: float = 120.0
    memory: int = 16_000_000_000


@dataclass(frozen=True, kw_only=True)
class Point:
    """One evaluation for a result of ``side`` x ``side`` pixels; None where unknown, ``skipped`` says why not run."""

    attention: Attention
    side: int
    tokens: int
    seconds: float | None = None
    memory: int | None = None
    macs: int | None = None
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Log-log slopes over tokens, from the smallest to the largest size that was run; None with fewer than two."""

    attention: Attention
    largest: int
    seconds: float | None
    memory: float | None
    macs: float | None


def measure_scaling(
    transformer: LinearTransformer, *, sides: Sequence[int], repeats: int, limits: Limits
) -> Iterator[Point]:
    """Yield the points of every kind of attention at every size, in ascending order.

    Args:
        transformer: one expert, on its device and in its precision.
        sides: sides of the result in pixels, multiples of 32.
        repeats: the median of that many runs counts.
        limits: where to stop.
    """
    models: dict[Attention, LinearTransformer] = {
        IN_STRIPS: transformer,
        "linear": transformer,
        "softmax": softmax_twin(transformer),
    }
    done: dict[Attention, list[Point]] = {name: [] for name in models}
    for side in sorted(sides):
        for name, model in models.items():
            point = _expected(name, side, done[name], limits)
            if point is None:
                point = _measure(name, Evaluation.on_noise(model, side // PIXELS_PER_TOKEN), side, repeats)
            done[name].append(point)
            yield point


def _expected(name: Attention, side: int, done: Sequence[Point], limits: Limits) -> Point | None:
    """Return the point of a size that is not to be run, or None where it may be."""
    tokens = (side // PIXELS_PER_TOKEN) ** 2
    stopped = next((point.side for point in done if point.skipped), None)
    reason = "" if stopped is None else f"stopped at {stopped} px"
    if done and stopped is None:
        time, memory = extrapolate(done, "seconds", tokens), extrapolate(done, "memory", tokens)
        if time is not None and time > limits.seconds:
            reason = f"about {time:,.0f} s expected, limit {limits.seconds:,.0f} s"
        elif memory is not None and memory > limits.memory:
            reason = f"about {memory / 1e9:,.0f} GB expected, limit {limits.memory / 1e9:,.0f} GB"
    return Point(attention=name, side=side, tokens=tokens, skipped=reason) if reason else None


def extrapolate(done: Sequence[Point], field: Literal["seconds", "memory"], tokens: int) -> float | None:
    """Expected value at ``tokens``: along the slope of the last two points, along slope 2 from a single one.

    Time grows as the multiply-adds do: their slope is exact, while two times on a busy machine tell little.
    """
    known = _known(done, field)
    if not known:
        return None
    slope = _fit(done[-2:], "macs" if field == "seconds" else field) or 2.0
    last_tokens, last = known[-1]
    return float(last * (tokens / last_tokens) ** slope)


@torch.inference_mode()
def _measure(name: Attention, evaluation: Evaluation, side: int, repeats: int) -> Point:
    device, tokens = evaluation.lr.device, (side // PIXELS_PER_TOKEN) ** 2
    work = evaluation.in_strips if name == IN_STRIPS else evaluation.whole
    times: list[float] = []
    try:
        macs = count_macs(work)  # the warm-up
        median = partial(median_seconds, work, repeats=repeats, device=device, warm_up=False)
        memory = peak_of(lambda: times.append(median()), device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return Point(attention=name, side=side, tokens=tokens, skipped="out of memory")
    return Point(attention=name, side=side, tokens=tokens, seconds=times[0], memory=memory, macs=macs)


def log_log_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least-squares slope of log(y) over log(x), for two points or more."""
    log_x, log_y = [math.log(value) for value in x], [math.log(value) for value in y]
    mean_x, mean_y = sum(log_x) / len(x), sum(log_y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(log_x, log_y, strict=True))
    return covariance / sum((a - mean_x) ** 2 for a in log_x)


def fit_slopes(points: Sequence[Point]) -> list[Slope]:
    """Return the slopes of each attention."""
    slopes = []
    for name in dict.fromkeys(point.attention for point in points):
        own = [point for point in points if point.attention == name and not point.skipped]
        largest = max((point.side for point in own), default=0)
        seconds, memory, macs = (_fit(own, field) for field in ("seconds", "memory", "macs"))
        slopes.append(Slope(attention=name, largest=largest, seconds=seconds, memory=memory, macs=macs))
    return slopes


def _fit(points: Sequence[Point], field: str) -> float | None:
    known = _known(points, field)
    return log_log_slope(*zip(*known, strict=True)) if len(known) > 1 else None


def _known(points: Sequence[Point], field: str) -> list[tuple[int, float]]:
    """(tokens, value) where the value is there and above zero."""
    return [(point.tokens, value) for point in points if (value := getattr(point, field))]


def render_scaling(points: Sequence[Point], machine: Machine) -> str:
    """Return the Markdown table of all points and, below it, the slopes and what was not run."""
    header = ("result", "attention", "tokens", "seconds", "MAC", "floor / time", "memory")
    table = markdown_table(header, [_row(point, machine.peak_macs) for point in points])
    slopes = [_sentence(slope) for slope in fit_slopes(points)]
    skipped = [f"- not run: {point.attention} at {point.side} px, {point.skipped}" for point in points if point.skipped]
    notes = "One velocity evaluation (E_conv and transformer), N tokens. Memory is the peak on top of the loaded model."
    return paragraphs(table, "\n".join([*slopes, *skipped]), f"{notes} {machine.sentence()}")


def _sentence(slope: Slope) -> str:
    growth = {"time": slope.seconds, "memory": slope.memory, "MAC": slope.macs}
    exponents = [f"{name} ~ N^{'?' if value is None else f'{value:.2f}'}" for name, value in growth.items()]
    return f"- {slope.attention}, up to {slope.largest} px: {', '.join(exponents)}"


def _row(point: Point, peak_macs: float) -> tuple[str, ...]:
    return (
        f"{point.side}x{point.side}",
        point.attention,
        f"{point.tokens:,}",
        "not run" if point.skipped else seconds(point.seconds),
        count(point.macs),
        share(point.macs / peak_macs, point.seconds) if point.macs and point.seconds else "-",
        megabytes(point.memory),
    )

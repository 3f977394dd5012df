"""``linearsr upscale``: photos in, larger photos out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from linearsr.cli.batch import Batch, joined_processes, peers_on, process_rank
from linearsr.cli.feedback import BarFeedback, Feedback, JsonFeedback, LineFeedback
from linearsr.cli.inputs import find_inputs
from linearsr.cli.options import Runtime, gather, runtime_options
from linearsr.cli.plan import STANDARD_OUTPUT, Job, Placement, Plan, make_plan
from linearsr.imaging.limits import CLI_LIMITS, Limits
from linearsr.memory import ON_DEMAND_FROM, estimate_peak_memory, is_measured
from linearsr.request import UpscaleRequest
from linearsr.tags.words import TagChoice, clean_tags, parse_tags

if TYPE_CHECKING:
    from linearsr.expert_files import Residency
    from linearsr.pipeline import SRPipeline

SOME_FAILED = 2


@dataclass(frozen=True, kw_only=True)
class Report:
    """How much is said, and whether anything is computed at all."""

    json_progress: bool = False
    quiet: bool = False
    verbose: bool = False
    dry_run: bool = False

    def feedback(self, placement: Placement, images: int, steps: int) -> Feedback:
        """The feedback for this run; nothing but image bytes goes to standard output when the result goes there."""
        if process_rank() > 0:
            return Feedback()
        if self.json_progress:
            return JsonFeedback(sys.stderr if placement.output == STANDARD_OUTPUT else sys.stdout)
        if not self.quiet and not self.verbose and _is_terminal():
            return BarFeedback(images, steps)
        return LineFeedback(quiet=self.quiet)


def _read_tile(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """Return the number of LR pixels, or None for auto."""
    if value == "auto":
        return None
    if value.isdecimal():
        return int(value)
    raise click.BadParameter(f"{value!r} is neither auto nor a number of pixels", ctx, param)


def _read_tags(ctx: click.Context, param: click.Parameter, value: str) -> TagChoice:
    return parse_tags(value)


def _read_negative_tags(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    return () if value is None else clean_tags(value.split(","))


@click.command("upscale")
@click.argument("inputs", nargs=-1)
@click.option("-i", "--input", "more_inputs", multiple=True, metavar="INPUT", help="Same as a plain INPUT.")
@click.option("-o", "--output", help="File, folder or - for standard output. Without it: beside the input, NAME_x4.")
@click.option("-r", "--recursive", is_flag=True, help="Descend into folders, keeping the tree in the output.")
@runtime_options
@click.option(
    "--experts",
    type=click.Choice(["auto", "resident", "on-demand"]),
    default="auto",
    show_default=True,
    help="on-demand keeps one in memory and reads each again for every image; auto does where all are large.",
)
@click.option("-s", "--scale", "--outscale", type=float, default=4.0, show_default=True, help="4 is native.")
@click.option("--width", type=int, help="Width of the result; alone it keeps the proportions.")
@click.option("--height", type=int, help="Height of the result; alone it keeps the proportions.")
@click.option("--max-side", type=int, help="Cap on the longer side of the result.")
@click.option("--steps", type=int, default=4, show_default=True, help="Sampling steps; 4 is one per expert.")
@click.option("--solver", type=click.Choice(["euler", "heun"]), default="euler", show_default=True)
@click.option(
    "--denoise",
    type=float,
    help="Share of noise and JPEG blocks taken out first, 0 to 1 [default: all there is for sure].",
)
@click.option(
    "--fidelity",
    type=float,
    help="From 0, the most detail, to 1, the closest to the photo [default: 0.25, down to 0 where noise went; "
    "0 for models without the choice].",
)
@click.option(
    "--tags",
    callback=_read_tags,
    default="auto",
    metavar='auto|none|"A,B"',
    show_default=True,
    help="Objects in the photo; auto finds them, for a model trained with tags.",
)
@click.option("--caption", metavar="TEXT", help="What is seen, in the place of tags, for a model with a text encoder.")
@click.option("--negative-tags", callback=_read_negative_tags, metavar='"A,B"', help="What it is not to look like.")
@click.option(
    "--guidance-scale",
    type=float,
    default=1.0,
    show_default=True,
    help="How far to follow the tags; above 1 it takes twice the time per step.",
)
@click.option(
    "--text-encoder",
    metavar="FOLDER|HUB_ID",
    help="Gemma-2, for captions and tags that the model of a converted SANA has no tokens for.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same bytes.")
@click.option("--color-fix", type=click.Choice(["wavelet", "adain", "none"]), default="wavelet", show_default=True)
@click.option(
    "-t",
    "--tile",
    callback=_read_tile,
    default="auto",
    metavar="auto|0|N",
    show_default=True,
    help="Work in strips of N x N LR pixels; changes memory and time, never the result.",
)
@click.option(
    "--max-input-pixels",
    type=click.IntRange(min=1),
    default=CLI_LIMITS.max_input_pixels,
    show_default=True,
    help="Larger inputs are refused unread.",
)
@click.option(
    "--max-output-pixels",
    type=click.IntRange(min=1),
    default=CLI_LIMITS.max_output_pixels,
    show_default=True,
    help="Larger results are refused; memory does not grow with them, disk space and time do.",
)
@click.option("--suffix", help="Added to the output's name [default: _x4 beside the input, none in a folder].")
@click.option(
    "-f",
    "--format",
    "--ext",
    type=click.Choice(["auto", "png", "jpg", "webp", "tiff"]),
    default="auto",
    show_default=True,
    help="auto keeps the input's.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="For JPEG and WebP.")
@click.option("--alpha", type=click.Choice(["keep", "drop"]), default="keep", show_default=True)
@click.option("--depth", type=click.Choice(["auto", "8", "16"]), default="auto", show_default=True)
@click.option("--metadata", type=click.Choice(["keep", "icc-only", "strip"]), default="keep", show_default=True)
@click.option(
    "--skip-existing/--no-skip-existing", default=None, help="Leave out images whose result exists [default: folders]."
)
@click.option("--overwrite", is_flag=True, help="Replace existing results.")
@click.option("--json-progress", is_flag=True, help="One JSON object a line instead of text.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Lines instead of a bar; tracebacks of unexpected errors.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, with sizes and memory, and stop.")
@gather(runtime=Runtime, request=UpscaleRequest, placement=Placement, report=Report, limits=Limits)
def command(
    inputs: tuple[str, ...],
    more_inputs: tuple[str, ...],
    recursive: bool,
    runtime: Runtime,
    experts: Literal["auto"] | Residency,
    text_encoder: str | None,
    request: UpscaleRequest,
    placement: Placement,
    report: Report,
    limits: Limits,
) -> int:
    """Enlarge photos.

    INPUT is a file, a folder, a glob, @list.txt or - for standard input. A bad file never stops the others: it is named
    at the end, and the exit status is 2 (0 all well, 1 nothing could start).
    """
    plan = make_plan(find_inputs((*inputs, *more_inputs), recursive=recursive), placement, request, limits)
    residency = _automatic_residency(plan.jobs) if experts == "auto" else experts
    if report.dry_run:
        return _show(plan, request, report, residency, is_measured=is_measured(runtime.model))
    with joined_processes():
        # The model is loaded before anything is reported: if it cannot be had, nothing starts.
        pipeline = _load(runtime, request, residency, text_encoder) if plan.jobs else None
        done = 0
        with report.feedback(placement, len(plan.jobs), request.steps) as feedback:
            for name, reason in plan.skipped:
                feedback.skipped(name, reason)
            for name, error in plan.failures:
                feedback.failed(name, error)
            if pipeline is not None:
                batch = Batch(
                    pipeline=pipeline,
                    request=request,
                    placement=placement,
                    limits=limits,
                    feedback=feedback,
                    peers=peers_on(pipeline.device),
                    verbose=report.verbose,
                )
                done = sum([batch.run(job) for job in plan.jobs])
            failed = len(plan.failures) + len(plan.jobs) - done
            feedback.summarized(done, len(plan.skipped), failed)
    return SOME_FAILED if failed else 0


def _is_terminal() -> bool:
    return sys.stderr.isatty()


def _automatic_residency(jobs: Sequence[Job]) -> Residency:
    sizes = [width * height for width, height in map(_size_in, jobs)]
    return "on-demand" if min(sizes, default=0) >= ON_DEMAND_FROM else "resident"


def _load(runtime: Runtime, request: UpscaleRequest, experts: Residency, text_encoder: str | None) -> SRPipeline:
    from linearsr.pipeline import SRPipeline

    pipeline = SRPipeline.from_pretrained(
        runtime.model, device=runtime.device_name, precision=runtime.precision_name, experts=experts
    )
    if text_encoder is not None:
        from linearsr.tags.gemma import load_gemma

        pipeline.text_encoder = load_gemma(text_encoder)
    words = (*request.chosen_tags, *clean_tags(request.negative_tags))
    if words:
        pipeline.words.tags(words)  # an unknown word is wrong for every image
    return pipeline


def _show(plan: Plan, request: UpscaleRequest, report: Report, residency: Residency, *, is_measured: bool) -> int:
    """Print the plan and return the exit status it would have; memory only where it ``is_measured`` for the model."""

    def megabytes(job: Job) -> int | None:
        on_demand = residency == "on-demand"
        peak = estimate_peak_memory(*_size_in(job), tile=request.tile, on_demand=on_demand)
        return round(peak / 1e6) if is_measured else None

    rows = [
        {
            "input": job.name,
            "output": None if job.target is None else str(job.target),
            "size_in": _size_in(job),
            "size_out": job.size,
            "peak_megabytes": megabytes(job),
        }
        for job in plan.jobs
    ]
    if report.json_progress:
        failures = [{"input": name, "code": error.code, "message": str(error)} for name, error in plan.failures]
        skipped = [{"input": name, "reason": reason} for name, reason in plan.skipped]
        click.echo(json.dumps({"jobs": rows, "skipped": skipped, "failed": failures}, indent=2))
    else:
        for job, row in zip(plan.jobs, rows, strict=True):
            (w, h), (w2, h2) = _size_in(job), job.size
            target = job.target or "standard output"
            memory = f"about {row['peak_megabytes']} MB" if is_measured else "memory not known for this model"
            click.echo(f"{job.name}: {w}x{h} -> {w2}x{h2}, {memory} -> {target}")
        for name, reason in plan.skipped:
            click.echo(f"{name}: would be skipped, {reason}")
        for name, error in plan.failures:
            click.echo(f"{name}: would fail: {error}")
    return SOME_FAILED if plan.failures else 0


def _size_in(job: Job) -> tuple[int, int]:
    return job.header.width, job.header.height

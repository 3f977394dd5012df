"""Where results go: one job per image, decided and checked before anything is computed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from linearsr.cli.inputs import Found
from linearsr.errors import InputError, LinearSRError, OutputError
from linearsr.imaging.codec import Header, ImageSource, read_header
from linearsr.imaging.formats import IMAGE_SUFFIXES, OutputFormat, format_of_suffix, output_format
from linearsr.imaging.limits import CLI_LIMITS, Limits
from linearsr.request import UpscaleRequest

STANDARD_OUTPUT = "-"
BESIDE_SUFFIX = "_x4"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and how results are saved.

    ``output`` is a file, a folder, "-" or None (beside the input); ``suffix`` None means "_x4" beside the input and
    nothing in another folder; ``skip_existing`` None means yes for images found in folders.
    """

    output: str | None = None
    suffix: str | None = None
    format: Literal["auto", "png", "jpg", "webp", "tiff"] = "auto"
    quality: int = 95
    overwrite: bool = False
    skip_existing: bool | None = None

    def __post_init__(self) -> None:
        if self.overwrite and self.skip_existing:
            raise InputError("--overwrite and --skip-existing exclude each other", remedy="pass one of them")
        if self.suffix is not None and ("/" in self.suffix or "\\" in self.suffix):
            raise InputError(f"--suffix {self.suffix!r} holds a path separator", remedy="name a folder with --output")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One image to upscale. ``target`` is None for standard output."""

    name: str
    source: ImageSource
    target: Path | None
    format: OutputFormat
    header: Header
    size: tuple[int, int]


@dataclass(kw_only=True)
class Plan:
    """The jobs, the images left out on purpose, and those that cannot be done, each with the reason."""

    jobs: list[Job] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, LinearSRError]] = field(default_factory=list)


def make_plan(
    found: Sequence[Found], placement: Placement, request: UpscaleRequest, limits: Limits = CLI_LIMITS
) -> Plan:
    """Read every header and decide every target.

    Raises:
        InputError: if the output cannot take this many images.
    """
    folder = _output_folder(found, placement)
    plan = Plan()
    taken: dict[Path, str] = {}
    for image in found:
        if _is_own_result(image, placement):
            plan.skipped.append((image.name, "it is a result of an earlier run"))
            continue
        try:
            job = _plan_job(image, placement, request, folder, limits)
            if job.target is not None:
                if job.target in taken:
                    raise OutputError(
                        f"{taken[job.target]} and {image.name} would both become {job.target}",
                        remedy="use --format auto, or put them in different folders",
                    )
                taken[job.target] = image.name
                if _exists(job, image, placement):
                    plan.skipped.append((image.name, f"{job.target} exists"))
                    continue
            plan.jobs.append(job)
        except LinearSRError as error:
            plan.failures.append((image.name, error))
    return plan


def _output_folder(found: Sequence[Found], placement: Placement) -> Path | None:
    """The folder that ``output`` names, or None when it names a file, standard output or nothing."""
    output = placement.output
    if output is None:
        if any(image.path is None for image in found):
            raise InputError("standard input has no name to derive an output from", remedy="pass -o FILE or -o -")
        return None
    many = len(found) > 1 or found[0].scanned
    if output == STANDARD_OUTPUT:
        if many:
            raise InputError("several images cannot go to standard output", remedy="name a folder with -o")
        return None
    path = Path(output)
    if not many and not path.is_dir() and path.suffix.lower() in IMAGE_SUFFIXES:
        return None
    if path.is_file():
        raise InputError(f"{path} is a file, and {len(found)} images need a folder", remedy="name a folder with -o")
    if found[0].path is None:
        raise InputError(f"standard input needs a file name, not {output!r}", remedy="pass -o FILE.png or -o -")
    return path


def _plan_job(image: Found, placement: Placement, request: UpscaleRequest, folder: Path | None, limits: Limits) -> Job:
    source = sys.stdin.buffer.read() if image.path is None else image.path
    header = read_header(source, limits)
    size = request.output_size(header.width, header.height)
    limits.check_output(*size)
    form = _format(header, placement, folder)
    target = _target(image, placement, form, folder)
    if target is not None and image.path is not None and target.exists() and target.samefile(image.path):
        raise OutputError(f"{target} is the input itself", remedy="choose another output or --suffix")
    return Job(name=image.name, source=source, target=target, format=form, header=header, size=size)


def _format(header: Header, placement: Placement, folder: Path | None) -> OutputFormat:
    output = placement.output
    names_file = folder is None and output not in (None, STANDARD_OUTPUT)
    if names_file:
        named = format_of_suffix(Path(str(output)).suffix)
        if placement.format not in ("auto", named.name):
            raise InputError(
                f"--format {placement.format} contradicts the output name {output}", remedy="leave --format out"
            )
        return named
    return output_format(header.format.output if placement.format == "auto" else placement.format)


def _target(image: Found, placement: Placement, form: OutputFormat, folder: Path | None) -> Path | None:
    if placement.output == STANDARD_OUTPUT:
        return None
    if folder is None and placement.output is not None:
        return Path(placement.output)
    assert image.path is not None, "standard input always has a named output"
    beside = folder is None
    suffix = placement.suffix if placement.suffix is not None else BESIDE_SUFFIX if beside else ""
    parent = image.path.parent if folder is None else folder / image.below
    return parent / f"{image.path.stem}{suffix}{form.suffix}"


def _is_own_result(image: Found, placement: Placement) -> bool:
    """Whether a scan for inputs met what an earlier run put beside one of them."""
    suffix = BESIDE_SUFFIX if placement.suffix is None else placement.suffix
    if not image.scanned or image.path is None or placement.output is not None or not suffix:
        return False
    stem = image.path.stem.removesuffix(suffix)
    return stem != image.path.stem and any(image.path.with_name(stem + ending).exists() for ending in IMAGE_SUFFIXES)


def _exists(job: Job, image: Found, placement: Placement) -> bool:
    """Whether the job is to be skipped; an existing target that is neither skipped nor overwritten is an error."""
    if job.target is None or placement.overwrite or not job.target.exists():
        return False
    skip = image.scanned if placement.skip_existing is None else placement.skip_existing
    if not skip:
        raise OutputError(f"{job.target} exists already", remedy="pass --overwrite or --skip-existing")
    return True

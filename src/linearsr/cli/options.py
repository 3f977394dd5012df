"""Command line options gathered into the dataclasses they belong to."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import click

from linearsr.catalog import DEFAULT_MODEL
from linearsr.errors import InputError

Callback = Callable[..., Any]


class RememberedCommand(click.Command):
    """Keeps its command line for reports, as the context's ``obj``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the arguments before they are taken apart."""
        ctx.obj = shlex.join([*ctx.command_path.split(), *args])
        return super().parse_args(ctx, args)


class RememberedGroup(RememberedCommand, click.Group):
    """The same for a verb with commands of its own, which find the whole line in their contexts."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Which model runs, where, and in which precision."""

    model: str = DEFAULT_MODEL
    device: str = "auto"
    gpu_id: int | None = None
    precision: str = "auto"
    fp32: bool = False

    def __post_init__(self) -> None:
        if self.gpu_id is not None and self.device not in ("auto", "cuda", f"cuda:{self.gpu_id}"):
            raise InputError(f"--gpu-id {self.gpu_id} contradicts --device {self.device}", remedy="pass one of them")
        if self.fp32 and self.precision not in ("auto", "fp32"):
            raise InputError(f"--fp32 contradicts --precision {self.precision}", remedy="pass one of them")

    @property
    def device_name(self) -> str:
        """The device to ask for."""
        return self.device if self.gpu_id is None else f"cuda:{self.gpu_id}"

    @property
    def precision_name(self) -> str:
        """The precision to ask for."""
        return "fp32" if self.fp32 else self.precision


def gather(**kinds: type) -> Callable[[Callback], Callback]:
    """Decorate a click callback so that options arrive as dataclasses.

    ``gather(runtime=Runtime)`` takes every option named like a field of ``Runtime`` and passes ``runtime`` instead.
    """

    def decorate(callback: Callback) -> Callback:
        @wraps(callback)
        def call(**options: Any) -> Any:
            gathered = {}
            for parameter, kind in kinds.items():
                names = [field.name for field in fields(kind) if field.name in options]
                gathered[parameter] = kind(**{name: options.pop(name) for name in names})
            return callback(**options, **gathered)

        return call

    return decorate


def runtime_options(callback: Callback) -> Callback:
    """Add the options of :class:`Runtime` to a command."""
    options = (
        click.option(
            "-n", "--model", default=DEFAULT_MODEL, show_default=True, help="Name, folder or hub id owner/name."
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."),
        click.option("-g", "--gpu-id", type=click.IntRange(min=0), help="Number of the GPU; 0 is the first."),
        click.option(
            "--precision", type=click.Choice(["auto", "bf16", "fp16", "fp32"]), default="auto", show_default=True
        ),
        click.option("--fp32", is_flag=True, help="Same as --precision fp32."),
    )
    for option in reversed(options):
        callback = option(callback)
    return callback

"""What a batch tells the person or program that runs it: a bar, a line per image, JSON lines, or nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

import click

from linearsr.errors import LinearSRError

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


@dataclass(frozen=True, kw_only=True)
class Done:
    """One finished image: sizes as (width, height), its tags, the share of its noise or blocks that went, fidelity."""

    name: str
    target: Path | None
    size_in: tuple[int, int]
    size_out: tuple[int, int]
    seconds: float
    tags: tuple[str, ...] = ()
    denoised: float = 0.0
    fidelity: float = 0.0


class Feedback:
    """Says nothing; the base of the others. Used as a context manager around a batch."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close whatever is open on the terminal."""

    def started(self, name: str) -> None:
        """An image is taken up."""

    def stepped(self, name: str, step: int, steps: int) -> None:
        """Sampling step ``step`` of ``steps`` is done (counted from 1)."""

    def advanced(self, name: str, rows: int, total: int) -> None:
        """``rows`` of ``total`` rows are decoded."""

    def finished(self, done: Done) -> None:
        """An image is written."""

    def warned(self, name: str, message: str) -> None:
        """Something of an image was lost or left out."""

    def skipped(self, name: str, reason: str) -> None:
        """An image was left out on purpose."""

    def failed(self, name: str, error: LinearSRError) -> None:
        """An image could not be done."""

    def summarized(self, done: int, skipped: int, failed: int) -> None:
        """The batch is over."""


class LineFeedback(Feedback):
    """A line per image on standard error; ``quiet`` keeps only what went wrong."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def _say(self, line: str) -> None:
        if not self._quiet:
            click.echo(line, err=True)

    def finished(self, done: Done) -> None:
        (w, h), (w2, h2) = done.size_in, done.size_out
        target = done.target or "standard output"
        tags = f", {', '.join(done.tags)}" if done.tags else ""
        noise = f", {done.denoised:.0%} of its noise or blocks out" if done.denoised >= 0.005 else ""
        self._say(f"{done.name}{tags}{noise}: {w}x{h} -> {w2}x{h2} in {done.seconds:.1f} s -> {target}")

    def warned(self, name: str, message: str) -> None:
        click.echo(f"warning: {name}: {message}", err=True)

    def skipped(self, name: str, reason: str) -> None:
        self._say(f"{name}: skipped, {reason}")

    def failed(self, name: str, error: LinearSRError) -> None:
        click.echo(f"failed: {name}: {error}", err=True)

    def summarized(self, done: int, skipped: int, failed: int) -> None:
        if done + skipped + failed > 1:
            self._say(f"{done} done, {skipped} skipped, {failed} failed")


class BarFeedback(LineFeedback):
    """A progress bar over all sampling steps and decoded rows, for a terminal."""

    ROW_TICKS = 20
    """Ticks of the bar for all rows of an image."""

    def __init__(self, images: int, steps: int) -> None:
        super().__init__()
        self._left = self._per_image = steps + self.ROW_TICKS
        self._bar: ProgressBar[str] = click.progressbar(
            length=images * self._per_image,
            file=sys.stderr,
            show_eta=True,
            item_show_func=lambda name: None if name is None else Path(name).name,
        )

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.__exit__(kind, error, at)

    def _say(self, line: str) -> None:
        # A printed line would break the bar in two: go to the start of the line and clear it first.
        click.echo("\r\033[K" + line, err=True)

    def started(self, name: str) -> None:
        self._left = self._per_image
        self._bar.update(0, name)

    def stepped(self, name: str, step: int, steps: int) -> None:
        self._leave(self._per_image - step, name)

    def advanced(self, name: str, rows: int, total: int) -> None:
        self._leave(self.ROW_TICKS - self.ROW_TICKS * rows // total, name)

    def _leave(self, left: int, name: str) -> None:
        """Move the bar to where ``left`` ticks of this image are left."""
        self._bar.update(self._left - left, name)
        self._left = left

    def finished(self, done: Done) -> None:
        super().finished(done)
        self._leave(0, done.name)

    def failed(self, name: str, error: LinearSRError) -> None:
        self._say(f"failed: {name}: {error}")
        self._bar.update(self._left, name)


class JsonFeedback(Feedback):
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def _emit(self, event: str, **values: object) -> None:
        print(json.dumps({"event": event, **values}), file=self._stream, flush=True)

    def started(self, name: str) -> None:
        self._emit("start", input=name)

    def stepped(self, name: str, step: int, steps: int) -> None:
        self._emit("step", input=name, step=step, steps=steps)

    def advanced(self, name: str, rows: int, total: int) -> None:
        self._emit("rows", input=name, rows=rows, total=total)

    def finished(self, done: Done) -> None:
        target = None if done.target is None else str(done.target)
        self._emit(
            "done",
            input=done.name,
            output=target,
            size_in=done.size_in,
            size_out=done.size_out,
            tags=done.tags,
            denoised=round(done.denoised, 3),
            fidelity=round(done.fidelity, 3),
            seconds=round(done.seconds, 3),
        )

    def warned(self, name: str, message: str) -> None:
        self._emit("warning", input=name, message=message)

    def skipped(self, name: str, reason: str) -> None:
        self._emit("skipped", input=name, reason=reason)

    def failed(self, name: str, error: LinearSRError) -> None:
        self._emit("failed", input=name, code=error.code, message=str(error))

    def summarized(self, done: int, skipped: int, failed: int) -> None:
        self._emit("summary", done=done, skipped=skipped, failed=failed)

"""What a training command tells: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from linearsr.training.config import StageConfig

LINES = 10
"""Lines a stage is worth where there is no terminal."""


class TrainingFeedback:
    """Says only what a stage decides; the base of the others. Used as a context manager around a stage."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close whatever is open on the terminal."""

    def tell(self, line: str) -> None:
        """Say what a stage has decided."""
        click.echo(line, err=True)

    def stepped(self, config: StageConfig, done: int, values: Mapping[str, float]) -> None:
        """``done`` steps of a stage are behind it."""


class TrainingLines(TrainingFeedback):
    """A line for every tenth of a stage."""

    def stepped(self, config: StageConfig, done: int, values: Mapping[str, float]) -> None:
        if done % max(1, config.steps // LINES) and done != config.steps:
            return
        seconds = values["seconds_per_step"]
        left = timedelta(seconds=round(seconds * (config.steps - done)))
        self.tell(f"{config.name}: {done}/{config.steps} steps, loss {values['loss']:.4g}, {left} left")


class TrainingBar(TrainingFeedback):
    """A progress bar for each stage."""

    def __init__(self) -> None:
        self._bar: ProgressBar[float] | None = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def tell(self, line: str) -> None:
        # A printed line would break the bar in two: go to the start of the line and clear it first.
        super().tell("\r\033[K" + line if self._bar is not None else line)

    def stepped(self, config: StageConfig, done: int, values: Mapping[str, float]) -> None:
        if self._bar is None:
            # What a resumed stage finds done says nothing about the time that is left.
            self._bar = click.progressbar(
                length=config.steps - done + 1, label=config.name, file=sys.stderr, show_eta=True, item_show_func=_loss
            )
            self._bar.__enter__()
        self._bar.update(1, values["loss"])
        if done == config.steps:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def choose_training_feedback(*, quiet: bool) -> TrainingFeedback:
    """Return what fits the terminal and ``--quiet``."""
    if quiet:
        return TrainingFeedback()
    return TrainingBar() if sys.stderr.isatty() else TrainingLines()


def _loss(value: float | None) -> str | None:
    return None if value is None else f"loss {value:.4g}"

"""Where the numbers of a run go: a JSON line each, always; TensorBoard and Weights & Biases by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, Protocol, TextIO

from linearsr.errors import ConfigError

JOURNAL_NAME = "metrics.jsonl"
BoardName = Literal["tensorboard", "wandb"]


class Board(Protocol):
    """A place outside the run folder that draws curves."""

    def write(self, done: int, values: Mapping[str, float]) -> None:
        """Add one point, after ``done`` steps, to every curve named in ``values``."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class Sinks:
    """The journal of a run and the boards that follow it."""

    def __init__(self, journal: TextIO, stage: str, boards: Sequence[Board]) -> None:
        self._journal, self._stage, self._boards = journal, stage, boards

    def training(self, step: int, values: Mapping[str, float]) -> None:
        """Note the values of training step ``step``, counted from 0; boards count the steps that are done."""
        rounded = {name: round(value, 5) for name, value in values.items()}
        print(json.dumps({"step": step, "stage": self._stage, **rounded}), file=self._journal, flush=True)
        self._tell("training", step + 1, values)

    def validation(self, done: int, values: Mapping[str, float]) -> None:
        """Tell the boards the values of a validation after ``done`` steps; the run folder has a file for them."""
        self._tell("validation", done, values)

    def _tell(self, kind: str, done: int, values: Mapping[str, float]) -> None:
        for board in self._boards:
            board.write(done, {f"{kind}/{name}": value for name, value in values.items()})


class TensorBoard:
    """Event files below the run folder; of steps repeated after a resume the later ones count."""

    def __init__(self, run: Path, done: int) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=done + 1)

    def write(self, done: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, done)

    def close(self) -> None:
        self._writer.close()


class WandB:
    """One Weights & Biases run per run folder; with ``WANDB_MODE=offline`` it stays below that folder."""

    def __init__(self, run: Path, stage: str) -> None:
        try:
            import wandb
        except ImportError as error:
            raise _missing("wandb") from error
        self._run = wandb.init(project="linearsr", name=f"{run.parent.name}/{run.name}", group=stage, dir=run)

    def write(self, done: int, values: Mapping[str, float]) -> None:
        self._run.log({"step": done, **values})

    def close(self) -> None:
        self._run.finish()


@contextmanager
def open_sinks(run: Path, stage: str, names: Sequence[BoardName], *, done: int) -> Iterator[Sinks]:
    """Open the journal of ``run``, which goes on after ``done`` steps, and the named boards.

    Raises:
        ConfigError: if a board is unknown or its library is not installed.
    """
    with ExitStack() as stack:
        journal = stack.enter_context((run / JOURNAL_NAME).open("a", encoding="utf-8"))
        boards: list[Board] = []
        for name in names:
            boards.append(_open_board(name, run, stage, done))
            stack.callback(boards[-1].close)
        yield Sinks(journal, stage, boards)


def _open_board(name: str, run: Path, stage: str, done: int) -> Board:
    if name == "tensorboard":
        return TensorBoard(run, done)
    if name == "wandb":
        return WandB(run, stage)
    raise ConfigError(f"no metric board {name!r}", remedy="use tensorboard or wandb")


def _missing(name: str) -> ConfigError:
    return ConfigError(f"{name} is not installed", remedy=f"pip install 'linearsr[{name}]'")

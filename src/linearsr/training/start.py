"""Where a fine-tune starts: at the knee of the stage before it, unless told otherwise (ESGF)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from linearsr.errors import InputError, TrainingError
from linearsr.imaging.atomic import write_atomically
from linearsr.training import distributed
from linearsr.training.validation import find_run_knee, read_curves

KNEE, LATEST = "knee", "latest"
FILE_NAME = "start.json"


@dataclass(frozen=True, kw_only=True)
class Start:
    """The step whose weights a stage starts from, why, and what speaks against it."""

    step: int
    reason: str
    warning: str | None = None


def choose_start(stage: Path, wanted: str = KNEE) -> Start:
    """Choose among the validated steps of ``stage``: its knee, the latest, or a step by its number.

    Raises:
        DataError: if the stage holds no validation.
        InputError: if ``wanted`` is none of its validated steps.
    """
    knee, recommended = find_run_knee(stage)
    if wanted == KNEE:
        found = "the last validated step" if knee.index is None else "the knee"
        return Start(step=recommended, reason=f"{found}: {knee.reason}")
    steps = [int(step) for step in read_curves(stage)["step"]]
    if wanted != LATEST and wanted not in map(str, steps):
        raise InputError(
            f"{stage} has no validated step {wanted}, only {', '.join(map(str, steps))}",
            remedy="name one of them, knee or latest",
        )
    step = steps[-1] if wanted == LATEST else int(wanted)
    warning = None
    if knee.index is not None and step != recommended:
        side = "past" if step > recommended else "before"
        warning = f"step {step} lies {side} the knee at step {recommended} ({knee.reason})"
    return Start(step=step, reason=f"as told: {wanted}", warning=warning)


def remembered_start(stage: Path, folder: Path, wanted: str) -> Start:
    """Choose a start for the stage in ``folder`` once, and keep to it whenever that stage is resumed.

    To be called on every rank.

    Raises:
        TrainingError: if the stage was started from another step than the one that ``wanted`` names now.
    """
    path = folder / FILE_NAME
    if path.exists():
        start = Start(**json.loads(path.read_text(encoding="utf-8")))
        if wanted != KNEE and choose_start(stage, wanted).step != start.step:
            remedy = "leave --from out to resume it, or use another run folder"
            raise TrainingError(f"{folder} was started from step {start.step}, not from {wanted}", remedy=remedy)
        return start
    start = choose_start(stage, wanted)
    distributed.wait_for_all()  # nobody writes before everybody has looked
    if distributed.is_main():
        write_atomically(path, json.dumps(asdict(start), indent=2).encode(), overwrite=True)
    return start

"""What the finished stages have left in a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from linearsr.models.autoencoder import Decoder
from linearsr.models.denoiser import Denoiser
from linearsr.training.models import CLEANED, DENOISER, POLISHED_DENOISER, Models, load_denoiser, load_models

LAST_STAGES = ("distill", "detail", "sft", "polish", "experts")
"""Stages that leave a whole pipeline, the last first."""
DENOISER_STAGES = (CLEANED, POLISHED_DENOISER, "denoise")
"""Those that leave a denoiser, the last first."""


def finished_stage(run: Path, stage: str) -> Models:
    """Return the networks of ``stage``.

    Raises:
        TrainingError: if it is not finished.
    """
    models = load_models(run / stage, remedy=f"run linearsr train {stage} first, to its end")
    return replace(models, denoiser=_trained_denoiser(run))


def finished_pipeline(run: Path, stage: str | None = None) -> Models:
    """Return autoencoder and experts of ``stage``, by default the last finished one, and the denoiser if there is one.

    Raises:
        TrainingError: if there is none, or it left no experts.
    """
    names = [name for name in LAST_STAGES if (run / name / "autoencoder.safetensors").exists()]
    chosen = stage or (names[0] if names else LAST_STAGES[-1])
    models = load_models(run / chosen, remedy=f"finish it first: linearsr train {chosen.split('-')[0]}")
    return replace(models, denoiser=_trained_denoiser(run))


def finished_decoder(run: Path, stage: Literal["fidelity", "cleaned"]) -> Decoder | None:
    """Return the decoder that one of the stages beside the pipeline left, if it did."""
    folder = run / stage
    if not (folder / "autoencoder.safetensors").exists():
        return None
    return load_models(folder, remedy=f"remove it, or finish it: linearsr train {stage}").autoencoder.decoder


def _trained_denoiser(run: Path) -> Denoiser | None:
    for stage in DENOISER_STAGES:
        if (run / stage / DENOISER).exists():
            return load_denoiser(run / stage, remedy=f"remove it, or finish it: linearsr train {stage}")
    return None

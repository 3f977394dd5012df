"""The stages of the denoiser one by one; those of the other networks stand in recipe.py.

RUN/denoise, meter, judge             train_denoise           by themselves
RUN/polish-denoiser, .../judge        train_polish_denoiser   from RUN/denoise and the last finished pipeline
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import torch

from linearsr.data.defocus import DefocusedPairs
from linearsr.data.drawings import DrawnPairs
from linearsr.data.noise_mixes import denoising_mix, judging_mix, metering_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.data.sampling import PairSource
from linearsr.errors import InputError
from linearsr.models.denoiser import Denoiser
from linearsr.training.denoiser_polish import AS_PHOTOS, PolishDenoiserStage
from linearsr.training.denoising import DenoiseStage, MeterStage
from linearsr.training.finished import finished_pipeline
from linearsr.training.judging import JudgeStage
from linearsr.training.models import POLISHED_DENOISER, Models, save_denoiser, seeded
from linearsr.training.stages import Stage
from linearsr.training.validation import Measurement, Validation
from linearsr.training.workspace import Workspace


def train_denoise(work: Workspace, denoiser: Denoiser | None = None) -> Denoiser:
    """Train what takes noise out of photos before they are enlarged, its meter and its judge, and nothing else."""
    recipe, every = work.recipe, work.recipe.validation.denoise_every
    pictures = _pictures(work)
    denoiser = denoiser or seeded(recipe.denoise.seed, lambda: Denoiser(recipe.denoiser_model))
    denoiser.to(work.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    finished = Denoiser(denoiser.config)
    stage: Stage = DenoiseStage(recipe.denoise, denoiser, NoisyPairs(pictures, denoising_mix()))
    measure = partial(work.denoising_set(denoising_mix()).measure, denoiser)
    finished.load_state_dict(work.train(stage, "denoise", Validation(every=every, measure=measure)))
    meter = copy.deepcopy(finished.meter).to(work.device)
    stage = MeterStage(recipe.meter, meter, NoisyPairs(pictures, metering_mix()))
    measure = partial(work.denoising_set(metering_mix()).measure_meter, meter)
    finished.meter.load_state_dict(work.train(stage, "meter", Validation(every=every, measure=measure)))
    _train_judge(work, finished, pictures, "judge")
    save_denoiser(finished, work.run / "denoise")
    return finished


def train_polish_denoiser(work: Workspace, models: Models | None = None) -> Denoiser:
    """Train the denoiser on the images that are made of what it leaves, and its judge on what it does then.

    Raises:
        InputError: if there is no denoiser yet.
    """
    models = (models or finished_pipeline(work.run)).to(work.device)
    if models.denoiser is None:
        raise InputError("there is no denoiser to polish", remedy="run linearsr train denoise first")
    autoencoder, experts, denoiser = models.autoencoder, models.experts, models.denoiser
    assert experts is not None, "a pipeline always has experts"
    config, pictures, finished = work.recipe.polish_denoiser, _pictures(work), Denoiser(denoiser.config)
    loss = work.image_loss(work.recipe.detail_loss, config.seed)
    stage = PolishDenoiserStage(config, denoiser, autoencoder, experts, pictures, denoising_mix(), loss)
    photos, noisy = work.validation_set(), work.denoising_set(denoising_mix(), AS_PHOTOS)

    def measure() -> Measurement:
        images = replace(photos, lr=noisy.denoised(denoiser))
        return images.measure(experts, autoencoder, experts.config.boundaries)

    validation = Validation(every=work.recipe.validation.polish_every, measure=measure)
    finished.load_state_dict(work.train(stage, POLISHED_DENOISER, validation))
    _train_judge(work, finished, pictures, f"{POLISHED_DENOISER}/judge")
    save_denoiser(finished, work.run / POLISHED_DENOISER)
    return finished


def _pictures(work: Workspace) -> PairSource:
    """Photos, some out of focus, and drawings; none are degraded yet on the HR side."""
    recipe = work.recipe
    return DefocusedPairs(DrawnPairs(work.pairs(), recipe.drawn_share), recipe.smooth_share)


def _train_judge(work: Workspace, denoiser: Denoiser, pictures: PairSource, folder: str) -> None:
    """Train the judge of a denoiser, on what this does to noisy pictures and others."""
    denoiser.to(work.device)
    judge = copy.deepcopy(denoiser.judge)
    pool = work.cell_pool(NoisyPairs(pictures, judging_mix()), denoiser, folder)
    measure = partial(work.denoising_set(judging_mix()).measure_judge, judge, denoiser)
    stage = JudgeStage(work.recipe.judge, judge, pool)
    validation = Validation(every=work.recipe.validation.denoise_every, measure=measure)
    denoiser.judge.load_state_dict(work.train(stage, folder, validation))

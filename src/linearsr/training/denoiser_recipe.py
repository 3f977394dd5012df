"""The stages of the denoiser one by one; those of the other networks stand in recipe.py and decoder_recipe.py.

RUN/denoise, meter, judge             train_denoise           by themselves
RUN/polish-denoiser, .../judge        train_polish_denoiser   from RUN/denoise and the last finished pipeline
RUN/cleaned, .../clean-answer         train_cleaned           from the denoiser and the last finished pipeline
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from linearsr.data.defocus import DefocusedPairs
from linearsr.data.degraded import DegradedPairs
from linearsr.data.drawings import DrawnPairs
from linearsr.data.noise_mixes import denoising_mix, judging_mix, metering_mix
from linearsr.data.noisy import NoisyPairs
from linearsr.data.presets import spoiled_mix
from linearsr.data.sampling import PairSource
from linearsr.errors import InputError
from linearsr.models.autoencoder import Autoencoder
from linearsr.models.denoiser import Denoiser
from linearsr.models.experts import ExpertTransformer
from linearsr.training import distributed
from linearsr.training.cleaning import CleanAnswerStage, CleanedStage, CleaningPool
from linearsr.training.denoiser_polish import AS_PHOTOS, PolishDenoiserStage
from linearsr.training.denoising import DenoiseStage, MeterStage
from linearsr.training.finished import finished_pipeline
from linearsr.training.judging import JudgeStage
from linearsr.training.models import CLEANED, POLISHED_DENOISER, Models, save_denoiser, seeded
from linearsr.training.stages import Stage
from linearsr.training.validation import Measurement, Validation
from linearsr.training.workspace import PAIRS_NAME, Workspace


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
    autoencoder, experts, denoiser = _whole(models, "polish")
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


def train_cleaned(work: Workspace, models: Models | None = None) -> Models:
    """Train the denoiser's clean answer, and with it a copy of the decoder for what it leaves.

    What they learn from stands in RUN/cleaned/pairs.safetensors: what ``recipes/teacher_pool.py`` wrote there, or else
    photos, degraded so that there is something to take out.

    Raises:
        InputError: if there is no denoiser yet.
    """
    models = (models or finished_pipeline(work.run)).to(work.device)
    autoencoder, experts, before = _whole(models, "clean photos with")
    recipe, photos, pool = work.recipe, work.validation_set(), _cleaning_pool(work, before)
    # Three times the same: what has been trained may be split among ranks, and its weights are loaded into the next.
    alone, together, cleaned = (Denoiser(replace(before.config, cleans=True)) for _ in range(3))
    finished = copy.deepcopy(models)

    def validation(denoiser: Denoiser) -> Validation:
        def measure() -> Measurement:
            images = photos.less_noise(denoiser)
            return images.measure(experts, autoencoder, experts.config.boundaries)

        denoiser.to(work.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Validation(every=recipe.validation.polish_every, measure=measure)

    alone.load_state_dict(before.state_dict())
    first = CleanAnswerStage(recipe.clean_answer, alone, pool)
    together.load_state_dict(work.train(first, f"{CLEANED}/clean-answer", validation(alone)))
    loss = work.image_loss(recipe.cleaned_loss, recipe.cleaned.seed)
    second = CleanedStage(recipe.cleaned, together, before, autoencoder, experts, pool, loss)
    trained = work.train(second, CLEANED, validation(together))
    nn.ModuleDict({"decoder": finished.autoencoder.decoder, "denoiser": cleaned}).load_state_dict(trained)
    save_denoiser(cleaned, work.run / CLEANED)
    finished.save(work.run / CLEANED)
    return replace(finished, denoiser=cleaned)


def _whole(models: Models, purpose: str) -> tuple[Autoencoder, ExpertTransformer, Denoiser]:
    """Return what a pipeline with a denoiser has; ``purpose`` is what the denoiser is needed for."""
    assert models.experts is not None, "a pipeline always has experts"
    if models.denoiser is None:
        raise InputError(f"there is no denoiser to {purpose}", remedy="run linearsr train denoise first")
    return models.autoencoder, models.experts, models.denoiser


def _cleaning_pool(work: Workspace, denoiser: Denoiser) -> CleaningPool:
    """Made once and kept, because the denoiser judges every picture."""
    plan, path = work.recipe.decoder_pairs, work.run / CLEANED / PAIRS_NAME
    if distributed.is_main() and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        source, seed = DegradedPairs(_pictures(work), spoiled_mix()), work.recipe.cleaned.seed
        CleaningPool.of(source, denoiser, count=plan.count, lr_side=plan.lr_side, seed=seed).save(path)
    distributed.wait_for_all()
    return CleaningPool.load(path)


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

"""The stages of the decoders one by one; those of the other networks stand in recipe.py and denoiser_recipe.py.

RUN/fidelity    train_fidelity    from the last finished pipeline
RUN/detail      train_detail      from RUN/fidelity
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

from linearsr.data.camera import CameraPairs
from linearsr.data.defocus import DefocusedPairs
from linearsr.data.degraded import DegradedPairs
from linearsr.data.drawings import DrawnPairs
from linearsr.data.presets import clean_mix, training_mix
from linearsr.data.sampling import PairSource
from linearsr.models.denoiser import Denoiser
from linearsr.training.config import StageConfig
from linearsr.training.denoising import DenoisedPairs, UndisturbedPairs
from linearsr.training.finished import finished_pipeline, finished_stage
from linearsr.training.models import Models
from linearsr.training.objective import ImageLossWeights
from linearsr.training.stages import DecoderStage
from linearsr.training.validation import Validation
from linearsr.training.workspace import Workspace


def train_fidelity(work: Workspace, models: Models | None = None) -> Models:
    """Train a copy of the finished decoder for its distance to the photo alone."""
    models = models or finished_pipeline(work.run)
    return _train_decoder(work, models, work.recipe.fidelity, work.recipe.fidelity_loss, "fidelity", DenoisedPairs)


def train_detail(work: Workspace, models: Models | None = None) -> Models:
    """Train a copy of the fidelity decoder for the look of its images, on photos that no noise is taken out of."""
    models = models or finished_stage(work.run, "fidelity")
    left = partial(UndisturbedPairs, mix=clean_mix())
    recipe = work.recipe
    return _train_decoder(work, models, recipe.detail, recipe.detail_loss, "detail", left, recipe.camera_share)


def _train_decoder(
    work: Workspace,
    models: Models,
    config: StageConfig,
    weights: ImageLossWeights,
    name: str,
    met: Callable[[PairSource, Denoiser], PairSource],
    camera_share: float = 0.0,
) -> Models:
    """Train a copy of the decoder on latents sampled by the experts, which stay as they are, as the denoiser does.

    ``met`` makes of degraded pairs those that the decoder meets where there is a denoiser; ``camera_share`` of them is
    made anew as one camera takes it at both sizes.
    """
    models.to(work.device)
    autoencoder, experts = models.autoencoder, models.experts
    assert experts is not None, "a pipeline always has experts"
    decoder, denoiser, fixed = copy.deepcopy(autoencoder.decoder), models.denoiser, work.validation_set()

    def source() -> PairSource:
        pairs = DegradedPairs(DrawnPairs(work.pairs(), work.recipe.drawn_share), training_mix())
        return pairs if denoiser is None else met(pairs, denoiser)

    if denoiser is not None:
        fixed = fixed.less_noise(denoiser)
    cameras = CameraPairs(work.kept(source, config), camera_share)
    # Blurred last: a photo both out of focus and degraded looks like a sharp one that is degraded more.
    pairs = DefocusedPairs(cameras, work.recipe.defocus_share)
    stage = DecoderStage(config, autoencoder, experts, pairs, work.image_loss(weights, config.seed))
    measure = partial(fixed.measure, experts, autoencoder, experts.config.boundaries)
    validation = Validation(every=work.recipe.validation.polish_every, measure=measure)
    decoder.load_state_dict(work.train(stage, name, validation))
    autoencoder.decoder = decoder
    models.save(work.run / name)
    return models

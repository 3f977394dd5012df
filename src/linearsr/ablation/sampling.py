"""Ablations of a finished model, which train nothing: steps, fidelity, and what the decoder is told."""

from __future__ import annotations

import copy
from functools import partial

import torch

from linearsr.ablation.frame import NO_TRAINING, Ablation, Variant
from linearsr.ablation.subject import LatentFrom, Subject
from linearsr.errors import InputError
from linearsr.models.autoencoder import Decoder
from linearsr.pipeline import SRPipeline

STEP_COUNTS = (1, 2, 4, 8, 20)
"""Those of the ablation; the paper's own number is not known, SANA's default is 20."""

FIDELITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def ablate_steps(pipeline: SRPipeline) -> Ablation:
    """The same weights, sampled in few or many steps."""

    def variant(steps: int) -> Variant:
        subject = partial(Subject, pipeline=pipeline, steps=steps)
        return Variant(name=f"{steps} steps" if steps > 1 else "1 step", budget=NO_TRAINING, prepare=subject)

    return Ablation(
        kind="steps",
        question="How many sampling steps does a picture need?",
        variants=[variant(steps) for steps in STEP_COUNTS],
        baseline="4 steps",
        remark="With fewer steps than experts, those nearest to noise are left out.",
    )


def ablate_fidelity(pipeline: SRPipeline) -> Ablation:
    """Decoders between that for detail and that for the distance to the photo."""

    def variant(fidelity: float) -> Variant:
        subject = partial(Subject, pipeline=pipeline, fidelity=fidelity)
        return Variant(name=f"fidelity {fidelity:g}", budget=NO_TRAINING, prepare=subject)

    return Ablation(
        kind="fidelity",
        question="What does fidelity trade?",
        variants=[variant(fidelity) for fidelity in FIDELITIES],
        baseline="fidelity 0",
    )


def ablate_decoder(pipeline: SRPipeline) -> Ablation:
    """The decoder without the latent's news, with the best latent there is, and without the LR image's features.

    Raises:
        InputError: if the decoder has no features of the LR image.
    """
    blind = _without_lr_features(pipeline)

    def variant(name: str, used: SRPipeline, latent: LatentFrom) -> Variant:
        return Variant(name=name, budget=NO_TRAINING, prepare=partial(Subject, pipeline=used, latent=latent))

    return Ablation(
        kind="decoder",
        question="What does the decoder take from the latent, and what from the LR image?",
        variants=[
            variant("sampled latent", pipeline, "sampled"),
            variant("mean latent", pipeline, "mean"),
            variant("latent of the reference", pipeline, "reference"),
            variant("sampled latent without LR features", blind, "sampled"),
            variant("latent of the reference without LR features", blind, "reference"),
        ],
        baseline="sampled latent",
        remark=(
            "Without LR features, the decoder adds its detail to the bicubic enlargement from the latent alone. It was "
            "trained with them: the row tells what this decoder leans on, not what one trained without them could do."
        ),
    )


@torch.no_grad()
def _without_lr_features(pipeline: SRPipeline) -> SRPipeline:
    autoencoder = copy.deepcopy(pipeline.autoencoder)
    decoder = autoencoder.decoder
    if not isinstance(decoder, Decoder):
        raise InputError(
            f"the decoder of {pipeline.name} has no features of the LR image", remedy="choose another model"
        )
    for parameter in decoder.pyramid.parameters():
        parameter.zero_()
    return SRPipeline(autoencoder, pipeline.experts, name=pipeline.name).to(pipeline.device, pipeline.dtype)

"""The comparison of guidance: none, a long caption, image features, tags; and right, no and wrong tags.

    RUN/flow                       the common start, without guidance
    RUN/guidance-KIND/expert1      from its knee, with guidance of that kind; the shares without are the recipe's

Training takes guidance from the HR crops, use takes it from the degraded picture, as it will be met.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from linearsr.ablation.frame import Ablation, Variant
from linearsr.ablation.subject import Subject
from linearsr.ablation.training import Trial
from linearsr.errors import InputError
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.minilm import WIDTH
from linearsr.models.transformer import GuidanceKind
from linearsr.tags.sources import GuidanceSource, guidance_source, wrong_tag_tokens
from linearsr.training.models import Models
from linearsr.training.recipe import train_experts
from linearsr.training.start import KNEE, choose_start
from linearsr.training.validation import load_snapshot


def ablate_guidance(trial: Trial) -> Ablation:
    """One transformer for all of t, trained on from the same knee with each kind of guidance.

    Raises:
        InputError: if the transformer takes guidance of another width, or captions have no text encoder.
    """
    width = trial.work.recipe.transformer_model.guidance_width
    if width != WIDTH:
        raise InputError(f"guidance is {WIDTH} wide, the model takes {width}", remedy="choose another model")
    guidance_source("caption")

    def variant(name: str, kind: GuidanceKind, source: GuidanceSource | None) -> Variant:
        budget = f"{trial.budget.start} + {trial.budget.steps} steps"
        return Variant(name=name, budget=budget, prepare=partial(_subject, trial, kind, source))

    return Ablation(
        kind="guidance",
        question="What is the transformer best told about the photo?",
        variants=[
            variant("no guidance", "none", None),
            variant("long caption", "caption", guidance_source("caption")),
            variant("image features", "features", guidance_source("features")),
            variant("tags", "tags", guidance_source("tags")),
            variant("tags, none given", "tags", None),
            variant("tags, wrong ones given", "tags", wrong_tag_tokens),
        ],
        baseline="no guidance",
        remark=(
            "The last three rows are one model. Guidance is of the degraded picture; wrong tags are as many as were "
            "found, at least one, the least likely of all."
        ),
    )


def _subject(trial: Trial, kind: GuidanceKind, source: GuidanceSource | None) -> Subject:
    return replace(trial.subject(_trained(trial, kind)), guidance=source)


def _trained(trial: Trial, kind: GuidanceKind) -> Models:
    """One expert for all of t, from the knee of the common start, with guidance of a kind."""
    start = trial.flow()
    experts = ExpertTransformer(ExpertsConfig(boundaries=()), replace(start.config, guidance=kind))
    flow = trial.work.run / "flow"
    experts.experts[0].load_state_dict(load_snapshot(flow, choose_start(flow, KNEE).step))
    expert = replace(trial.work.recipe.expert, steps=trial.budget.steps)
    work = replace(trial.work, recipe=replace(trial.work.recipe, expert=expert))
    return train_experts(work, Models(autoencoder=trial.autoencoder, experts=experts), folder=f"guidance-{kind}")

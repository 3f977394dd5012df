"""The stages of a recipe one by one: each reads what the one before it left in the run folder, and resumes by itself.

    RUN/base, RUN/autoencoder      train_autoencoder
    RUN/flow                       train_flow
    RUN/experts/expert1 ... N      train_experts         from the knee of RUN/flow
    RUN/polish                     train_polish
    RUN/sft                        train_sft             from the knee of RUN/polish
    RUN/distill                    train_distill         from the last finished one

Those of decoders and denoiser stand in decoder_recipe.py and denoiser_recipe.py. A stage whose networks are in place is
not trained again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from linearsr.data.sampling import PairSource
from linearsr.diffusion.flow import TimestepDensity
from linearsr.diffusion.sampler import plan_timesteps
from linearsr.errors import InputError
from linearsr.models.autoencoder import Autoencoder, AutoencoderConfig
from linearsr.models.deep import DeepAutoencoderConfig
from linearsr.models.experts import BOUNDARIES, ExpertsConfig, ExpertTransformer
from linearsr.models.transformer import LinearTransformer
from linearsr.training.config import StageConfig
from linearsr.training.finished import finished_pipeline, finished_stage
from linearsr.training.models import Models, seeded
from linearsr.training.presets import ExpertsName, expert_split
from linearsr.training.stages import (
    AutoencoderStage,
    BaseStage,
    DistillStage,
    FlowStage,
    PolishStage,
)
from linearsr.training.start import KNEE, LATEST, remembered_start
from linearsr.training.validation import DEFAULT_STEPS, Measurement, Validation, at_every_t, load_snapshot
from linearsr.training.workspace import Workspace

TEXTURE_T = 0.5
"""The expert in charge of this t has the longest interval: it can serve all of t to start the flow from."""


def train_autoencoder(work: Workspace, models: Models | None = None) -> Models:
    """Train the decoder from the LR alone, then encoder and decoder; from ``models`` on, only the latter."""
    if models is None:
        _refuse_untrained(work)
    recipe, pairs = work.recipe, work.pairs()
    models = (models or _train_base(work, pairs)).to(work.device)
    loss = work.image_loss(recipe.autoencoder_loss, recipe.autoencoder.seed)
    stage = AutoencoderStage(recipe.autoencoder, models.autoencoder, pairs, loss, recipe.latent_mix)
    trained = work.train(stage, "autoencoder")
    autoencoder = Autoencoder(models.autoencoder.config)
    autoencoder.load_state_dict(trained)
    return _keep(work, "autoencoder", Models(autoencoder=autoencoder))


def train_flow(work: Workspace, models: Models | None = None, *, folder: str = "flow") -> Models:
    """Train one transformer over the whole of t, validated for ESGF; from ``models`` on, its texture expert."""
    recipe = work.recipe
    if models is None:
        _refuse_untrained(work)
    models = models or finished_stage(work.run, "autoencoder")
    if models.experts is None:
        transformer = seeded(recipe.flow.seed, lambda: LinearTransformer(recipe.transformer_model))
    else:
        transformer = copy.deepcopy(models.experts.expert_at(TEXTURE_T))
    transformer.to(work.device)
    # Without the other experts: at the paper's scale they would take gigabytes of a GPU.
    models = replace(models, experts=None).to(work.device)
    fixed = work.validation_set()
    measure = partial(fixed.measure, at_every_t(transformer), models.autoencoder, BOUNDARIES, watched=transformer)
    validation = Validation(every=recipe.validation.flow_every, measure=measure)
    guidance = work.guidance(transformer.config.guidance, models.tag_table)
    stage = FlowStage(recipe.flow, transformer, models.autoencoder, work.pairs(), TimestepDensity(), guidance)
    trained = work.train(stage, folder, validation)
    transformer = LinearTransformer(transformer.config)
    transformer.load_state_dict(trained)
    kept = Models(autoencoder=models.autoencoder, transformer=transformer, tag_table=models.tag_table)
    return _keep(work, folder, kept)


def experts_folder(split: ExpertsName, *, naive: bool) -> str:
    """Name of the folder of an experts stage: ``experts``, or one of its own for each ablation."""
    return "experts" + ("" if split == "4-snr" else f"-{split}") + ("-naive" if naive else "")


def train_experts(
    work: Workspace,
    models: Models | None = None,
    *,
    split: ExpertsName = "4-snr",
    start: str = KNEE,
    naive: bool = False,
    folder: str | None = None,
) -> Models:
    """Train one copy of the flow's transformer inside each interval of ``split``.

    Starts from ``start`` of the flow stage (the knee, "latest", or a step), or from the experts of ``models``.
    ``naive`` is the ablation that starts from the latest step, in a folder of its own; ``folder`` names another one.

    Raises:
        InputError: if a split or a start is asked for although ``models`` bring theirs.
    """
    name = folder or experts_folder(split, naive=naive)
    if models is None:
        flow = finished_stage(work.run, "flow")
        experts = _copies_of_start(work, flow, expert_split(split), name, LATEST if naive else start)
        models = Models(autoencoder=flow.autoencoder, experts=experts, tag_table=flow.tag_table)
    elif (split, start, naive) != ("4-snr", KNEE, False):
        raise InputError("a model to start from brings its own experts", remedy="leave split, start and ablation out")
    models.to(work.device)
    assert models.experts is not None, "a pipeline always has experts"
    warn_about_idle(models.experts.config, work.tell)
    fixed, pairs = work.validation_set(), work.pairs()
    for index in range(models.experts.config.count):
        trained = _train_expert(work, models, index, pairs, f"{name}/expert{index + 1}", fixed.measure)
        expert = LinearTransformer(models.experts.transformer_config)
        expert.load_state_dict(trained)
        models.experts.experts[index] = expert.to(work.device)
    return _keep(work, name, models)


def train_polish(work: Workspace, models: Models | None = None) -> Models:
    """Train decoder and detail experts on the images they make."""
    models = models or finished_stage(work.run, "experts")
    return _train_images(work, models, work.recipe.polish, work.pairs(), "polish")


def train_sft(work: Workspace, models: Models | None = None, *, start: str = KNEE) -> Models:
    """Go on with the polish at a low rate, on the most detailed photos, from ``start`` of the polish."""
    if models is None:
        models = finished_stage(work.run, "polish")
        chosen = remembered_start(work.run / "polish", work.run / "sft", start)
        _tell_start(work, "sft", "polish", chosen.step, chosen.reason, chosen.warning)
        assert models.experts is not None, "polish leaves experts"
        _load_polished(models.autoencoder, models.experts, load_snapshot(work.run / "polish", chosen.step))
    return _train_images(work, models, work.recipe.sft, work.detailed_pairs(), "sft")


def train_distill(work: Workspace, models: Models | None = None) -> Models:
    """Train the expert of the noisiest interval to do alone, in one step, what all do in four; validated in one."""
    models = (models or finished_pipeline(work.run)).to(work.device)
    experts = models.experts
    assert experts is not None, "a pipeline always has experts"
    guidance = work.guidance(experts.transformer_config.guidance, models.tag_table)
    stage = DistillStage(work.recipe.distill, experts, work.pairs(), guidance)
    fixed, boundaries = work.validation_set(), experts.config.boundaries
    measure = partial(fixed.measure, experts, models.autoencoder, boundaries, steps=1)
    trained = work.train(stage, "distill", Validation(every=work.recipe.validation.expert_every, measure=measure))
    student = LinearTransformer(experts.transformer_config)
    student.load_state_dict(trained)
    experts.experts[experts.config.expert_at(1.0)] = student.to(work.device)
    return _keep(work, "distill", models)


def warn_about_idle(config: ExpertsConfig, tell: Callable[[str], None]) -> None:
    """Warn where the default number of sampling steps leaves an expert without any."""
    used = {config.expert_at(t) for t in plan_timesteps(DEFAULT_STEPS, config.boundaries)[:-1]}
    idle = [str(index + 1) for index in range(config.count) if index not in used]
    if idle:
        tell(f"warning: the default {DEFAULT_STEPS} sampling steps never reach expert {', '.join(idle)}")


def _refuse_untrained(work: Workspace) -> None:
    """Raise InputError where a recipe builds on an autoencoder that others have trained."""
    if isinstance(work.recipe.autoencoder_model, DeepAutoencoderConfig):
        raise InputError(
            "this preset trains from published weights",
            remedy="make a model of them (linearsr convert), --start-from it",
        )


def _train_base(work: Workspace, pairs: PairSource) -> Models:
    config, geometry = work.recipe.base, work.recipe.autoencoder_model
    assert isinstance(geometry, AutoencoderConfig), "checked before"
    # Twice the same: what has been trained may be split among ranks, and its weights are loaded into the other.
    trainee, fresh = (seeded(config.seed, lambda: Autoencoder(geometry)) for _ in range(2))
    Models(autoencoder=trainee).to(work.device)
    loss = work.image_loss(work.recipe.base_loss, config.seed)
    fresh.decoder.load_state_dict(work.train(BaseStage(config, trainee, pairs, loss), "base"))
    return Models(autoencoder=fresh)


def _copies_of_start(work: Workspace, flow: Models, config: ExpertsConfig, name: str, start: str) -> ExpertTransformer:
    assert flow.transformer is not None, "flow leaves a transformer"
    chosen = remembered_start(work.run / "flow", work.run / name, start)
    _tell_start(work, name, "flow", chosen.step, chosen.reason, chosen.warning)
    weights = load_snapshot(work.run / "flow", chosen.step)
    experts = ExpertTransformer(config, flow.transformer.config)
    for expert in experts.experts:
        expert.load_state_dict(weights)
    return experts


def _train_expert(
    work: Workspace,
    models: Models,
    index: int,
    pairs: PairSource,
    folder: str,
    measure: Callable[..., Measurement],
) -> dict[str, Tensor]:
    experts = models.experts
    assert experts is not None, "experts are trained among themselves"
    low, high = experts.config.interval(index)
    expert: LinearTransformer = experts.experts[index]  # type: ignore[assignment]
    full = partial(measure, experts, models.autoencoder, experts.config.boundaries, watched=expert)
    validation = Validation(every=work.recipe.validation.expert_every, measure=full)
    density = TimestepDensity(low=low, high=high)
    guidance = work.guidance(expert.config.guidance, models.tag_table)
    stage = FlowStage(work.recipe.expert, expert, models.autoencoder, pairs, density, guidance)
    return work.train(stage, folder, validation)


def _train_images(work: Workspace, models: Models, config: StageConfig, pairs: PairSource, name: str) -> Models:
    models.to(work.device)
    autoencoder, experts = models.autoencoder, models.experts
    assert experts is not None, "images need experts"
    whole = copy.deepcopy(models)
    stage = PolishStage(config, autoencoder, experts, pairs, work.image_loss(work.recipe.polish_loss, config.seed))
    fixed = work.validation_set()
    watched: LinearTransformer = experts.experts[stage.detail_experts[0]]  # type: ignore[assignment]
    measure = partial(fixed.measure, experts, autoencoder, experts.config.boundaries, watched=watched)
    trained = work.train(stage, name, Validation(every=work.recipe.validation.polish_every, measure=measure))
    assert whole.experts is not None, "a copy of what has experts"
    _load_polished(whole.autoencoder, whole.experts, trained)
    return _keep(work, name, whole)


def _load_polished(autoencoder: Autoencoder, experts: ExpertTransformer, weights: dict[str, Tensor]) -> None:
    trained = {name.split(".", 1)[0] for name in weights}
    modules = {name: experts.experts[int(name.removeprefix("expert"))] for name in trained - {"decoder"}}
    nn.ModuleDict({"decoder": autoencoder.decoder, **modules}).load_state_dict(weights)


def _keep(work: Workspace, folder: str, models: Models) -> Models:
    models.save(work.run / folder)
    return models


def _tell_start(work: Workspace, name: str, stage: str, step: int, reason: str, warning: str | None) -> None:
    work.tell(f"{name} starts from step {step} of {stage}, {reason}")
    if warning is not None:
        work.tell(f"warning: {warning}")

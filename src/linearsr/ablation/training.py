"""Ablations of the training: short runs of equal budget from one common start, through the stages of the recipe.

    RUN/flow            one transformer from random weights, for the autoencoder of a finished model: the common start
    RUN/experts...      from its knee (esgf, experts), from its latest step, and from one chosen by hand (esgf)
    RUN/flow-softmax    the same as RUN/flow with softmax attention (attention)

Every variant of an ablation sees as many training pairs, with the same seeds; those of several experts share them. All
three kinds can share a RUN: what is finished is not trained again, and what is interrupted goes on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch

from linearsr.ablation.frame import Ablation, Variant
from linearsr.ablation.subject import Subject
from linearsr.errors import ConfigError, DataError
from linearsr.imaging.atomic import write_atomically
from linearsr.models.autoencoder import Autoencoder
from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.softmax_twin import softmax_twin
from linearsr.models.transformer import LinearTransformer
from linearsr.pipeline import SRPipeline
from linearsr.training.models import Models
from linearsr.training.plans import Recipe
from linearsr.training.presets import ExpertsName, expert_split
from linearsr.training.recipe import train_experts, train_flow
from linearsr.training.start import KNEE, LATEST, choose_start
from linearsr.training.validation import load_snapshot
from linearsr.training.workspace import Workspace

BUDGET_NAME = "budget.json"
VALIDATIONS = 20
"""Of the common start: enough samples for a knee to show."""
SPLITS: dict[str, ExpertsName] = {
    "1 expert": "1",
    "2 experts": "2",
    "4 experts by SNR": "4-snr",
    "4 uniform experts": "4-uniform",
}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """``start`` steps for the common start, ``steps`` for every variant after it, of ``batch`` crops each.

    ``crops`` are scored at every validation.
    """

    start: int = 300
    steps: int = 160
    batch: int = 8
    crops: int = 8

    def __post_init__(self) -> None:
        if self.steps % 4 or min(self.start, self.steps, self.batch, self.crops) < 1:
            raise ConfigError(
                f"steps must be a positive multiple of 4, and start, batch and crops positive, not {self}",
                remedy="four experts share the steps equally",
            )

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with short stages."""
        flow = replace(recipe.flow, steps=self.start, batch=self.batch, warmup=min(recipe.flow.warmup, self.start // 5))
        expert = replace(recipe.expert, batch=self.batch)
        every = max(1, self.start // VALIDATIONS)
        validation = replace(recipe.validation, crops=self.crops, flow_every=every, expert_every=self.steps)
        return replace(recipe, flow=flow, expert=expert, validation=validation, variants=1)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Where short runs happen: a workspace with a shortened recipe, its budget, and the autoencoder they all use."""

    work: Workspace
    budget: Budget
    autoencoder: Autoencoder

    def check(self) -> None:
        """See that the run folder is new or of the same budget, and remember the budget there.

        Raises:
            DataError: if it was used with another budget.
        """
        path, text = self.work.run / BUDGET_NAME, json.dumps(asdict(self.budget), indent=2) + "\n"
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise DataError(
                f"{self.work.run} was trained with another budget ({BUDGET_NAME})",
                remedy="choose another --work, or the options of then",
            )
        write_atomically(path, text.encode(), overwrite=True)

    def flow(self, *, softmax: bool = False) -> LinearTransformer:
        """Train the common start, or its softmax twin from the same random weights."""
        recipe = self.work.recipe
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.flow.seed)
            fresh = LinearTransformer(recipe.transformer_model)
        start = Models(autoencoder=self.autoencoder, experts=_alone(softmax_twin(fresh) if softmax else fresh))
        models = train_flow(self.work, start, folder="flow-softmax" if softmax else "flow")
        assert models.transformer is not None, "flow leaves a transformer"
        return softmax_twin(models.transformer) if softmax else models.transformer

    def experts(self, split: ExpertsName, *, start: str = KNEE) -> Models:
        """Train experts for ``split`` from the knee of the common start, its latest step, or a validated one."""
        self.flow()
        expert = replace(self.work.recipe.expert, steps=self.budget.steps // expert_split(split).count)
        work = replace(self.work, recipe=replace(self.work.recipe, expert=expert))
        if start in (KNEE, LATEST):
            return train_experts(work, split=split, naive=start == LATEST)
        return train_experts(work, split=split, start=start, folder=f"experts-from-{start}")

    def untrained(self, start: str = KNEE) -> Models:
        """Experts by SNR that are still copies of the common start, at its knee or another step."""
        self.flow()
        weights = load_snapshot(self.work.run / "flow", choose_start(self.work.run / "flow", start).step)
        experts = ExpertTransformer(expert_split("4-snr"), self.work.recipe.transformer_model)
        for expert in experts.experts:
            expert.load_state_dict(weights)
        return Models(autoencoder=self.autoencoder, experts=experts)

    def subject(self, models: Models, note: str = "") -> Subject:
        """What is measured of a variant."""
        assert models.experts is not None, "a variant is a whole model"
        pipeline = SRPipeline(models.autoencoder, models.experts, name="ablation").to(self.work.device)
        return Subject(pipeline=pipeline, note=note)


def ablate_esgf(trial: Trial, step: int | None = None) -> Ablation:
    """Experts from the knee, beside experts from the latest step, and no expert stage at all.

    ``step`` takes the place of the knee, where there is none yet or one chosen by eye is to be tried.
    """
    early = KNEE if step is None else str(step)
    name = "from the knee" if step is None else f"from step {step}"

    def from_step(wanted: str) -> Subject:
        trial.flow()
        flow = trial.work.run / "flow"
        knee, chosen = choose_start(flow, KNEE), choose_start(flow, wanted)
        # Where there is no knee yet, knee and latest step are the same run, which is not trained twice.
        models = trial.experts("4-snr", start=KNEE if chosen.step == knee.step else wanted)
        reasons = {KNEE: knee.reason, LATEST: "the latest step"}
        return trial.subject(models, f"from step {chosen.step}, {reasons.get(wanted, 'chosen by hand')}")

    def budget(start: int) -> str:
        return f"{start} + {trial.budget.steps} steps"

    return Ablation(
        kind="esgf",
        question="Does it matter to start the experts from the knee?",
        variants=[
            Variant(name=name, budget=budget(step or trial.budget.start), prepare=partial(from_step, early)),
            Variant(name="from the latest step", budget=budget(trial.budget.start), prepare=partial(from_step, LATEST)),
            _no_expert_stage(trial, early),
        ],
        baseline=name,
    )


def ablate_experts(trial: Trial) -> Ablation:
    """One expert, two, four by SNR, four of equal length, and no expert stage at all."""

    def variant(name: str, split: ExpertsName) -> Variant:
        share = trial.budget.steps // expert_split(split).count
        each = f"{trial.budget.start} + {trial.budget.steps} steps" + (f", {share} an expert" if split != "1" else "")
        return Variant(name=name, budget=each, prepare=lambda: trial.subject(trial.experts(split)))

    return Ablation(
        kind="experts",
        question="Are several experts better than one, trained as long in all?",
        variants=[*(variant(name, split) for name, split in SPLITS.items()), _no_expert_stage(trial)],
        baseline="1 expert",
        remark="Each split is sampled on its own grid, with a step for every expert, as in use.",
    )


def ablate_attention(trial: Trial) -> Ablation:
    """Linear attention beside softmax attention, from the same random weights, on the same pairs."""

    def variant(name: str, *, softmax: bool) -> Variant:
        def prepare() -> Subject:
            models = Models(autoencoder=trial.autoencoder, experts=_alone(trial.flow(softmax=softmax)))
            return trial.subject(models)

        return Variant(name=name, budget=f"{trial.budget.start} steps", prepare=prepare)

    return Ablation(
        kind="attention",
        question="What does linear attention cost in quality?",
        variants=[variant("linear attention", softmax=False), variant("softmax attention", softmax=True)],
        baseline="linear attention",
        remark="One transformer for all of t, without experts.",
    )


def _no_expert_stage(trial: Trial, start: str = KNEE) -> Variant:
    budget = f"{trial.budget.start if start == KNEE else start} steps"
    return Variant(name="no expert stage", budget=budget, prepare=lambda: trial.subject(trial.untrained(start)))


def _alone(transformer: LinearTransformer) -> ExpertTransformer:
    """The transformer as the only expert."""
    experts = ExpertTransformer(ExpertsConfig(boundaries=()), transformer.config)
    experts.experts[0] = transformer
    return experts

from dataclasses import replace

import pytest
import torch

from linearsr.models.experts import BOUNDARIES
from linearsr.models.transformer import LinearTransformer
from linearsr.training.config import StageConfig
from linearsr.training.presets import expert_split, preset


def test_presets_differ_in_size_and_not_in_what_they_do():
    tiny, ci = preset("tiny"), preset("ci")
    assert ci.transformer_model.width < tiny.transformer_model.width
    assert (ci.polish_loss, ci.latent_mix) == (tiny.polish_loss, tiny.latent_mix)
    early = {stage.seed for stage in (tiny.base, tiny.autoencoder, tiny.flow, tiny.expert)}
    late = {stage.seed for stage in (tiny.polish, tiny.sft, tiny.fidelity, tiny.detail)}
    late |= {tiny.clean_answer.seed, tiny.cleaned.seed, tiny.distill.seed}
    denoiser = {stage.seed for stage in (tiny.denoise, tiny.meter, tiny.judge, tiny.polish_denoiser)}
    assert len(early | late | denoiser) == 15


def test_a_change_reaches_every_stage():
    recipe = preset("ci").with_stages(lambda stage: replace(stage, steps=3))
    stages = [value for value in vars(recipe).values() if isinstance(value, StageConfig)]
    assert len(stages) == 15
    assert {stage.steps for stage in stages} == {3}


@pytest.mark.parametrize(("name", "count"), [("1", 1), ("2", 2), ("4-snr", 4), ("4-uniform", 4)])
def test_splits_have_their_experts(name, count):
    assert expert_split(name).count == count


def test_two_experts_meet_at_the_anchor_and_four_at_the_boundaries_of_the_paper():
    assert expert_split("2").boundaries == (0.875,)
    assert expert_split("4-snr").boundaries == BOUNDARIES


@pytest.mark.parametrize("share", [0, 1.5])
def test_share_of_detailed_photos_is_checked(share):
    with pytest.raises(ValueError, match=f"sft_share must be in .0, 1., not {share}"):
        replace(preset("ci"), sft_share=share)


@pytest.mark.parametrize(("name", "parameters"), [("sana-600m", 591_812_464), ("sana-1600m", 1_604_562_160)])
def test_presets_of_the_papers_scale_take_published_numbers_where_there_are_any(name, parameters):
    recipe = preset(name)
    with torch.device("meta"):
        network = LinearTransformer(recipe.transformer_model)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    flow = recipe.flow
    published = (flow.optimizer, flow.learning_rate, flow.warmup, flow.final_rate, flow.clip_norm, flow.lr_side)
    assert published == ("came", 1e-4, 2000, 1.0, 0.1, 256)
    assert recipe.autoencoder_model.scaling == 0.41407
    assert {flow.batch % gpus for gpus in (1, 6, 8, 64)} == {0}

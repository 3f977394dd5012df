from dataclasses import replace

import pytest

from linearsr.models.experts import BOUNDARIES
from linearsr.training.presets import expert_split, preset


def test_presets_differ_in_size_and_not_in_what_they_do():
    tiny, ci = preset("tiny"), preset("ci")
    assert ci.transformer_model.width < tiny.transformer_model.width
    assert (ci.polish_loss, ci.latent_mix) == (tiny.polish_loss, tiny.latent_mix)
    seeds = {stage.seed for stage in (tiny.base, tiny.autoencoder, tiny.flow, tiny.expert, tiny.polish, tiny.sft)}
    assert len(seeds) == 6


def test_a_change_reaches_every_stage():
    recipe = preset("ci").with_stages(lambda stage: replace(stage, steps=3))
    names = ("base", "autoencoder", "flow", "expert", "polish", "sft", "fidelity")
    assert {getattr(recipe, name).steps for name in names} == {3}


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

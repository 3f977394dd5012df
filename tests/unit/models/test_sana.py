"""SANA's geometry and weights: our transformer computes what diffusers' does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sana_weights import SMALL, SMALL_NORMED, diffusers_sana, original_layout
from small_models import randn

from linearsr.models.experts import ExpertsConfig, ExpertTransformer
from linearsr.models.sana import (
    QK_NORM_EPS,
    SPRINT_GUIDANCE,
    import_sana,
    sana_600m,
    sana_1600m,
    sana_geometry,
)
from linearsr.models.transformer import LinearTransformer

PUBLISHED = {"sana-600m": (sana_600m, 591_747_872), "sana-1600m": (sana_1600m, 1_604_462_752)}
"""Parameters of diffusers' SanaTransformer2DModel in the published configurations."""
MASK = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])


@pytest.mark.parametrize("name", PUBLISHED)
def test_has_as_many_parameters_as_published_and_those_that_read_the_lr(name):
    build, published = PUBLISHED[name]
    with torch.device("meta"):
        transformer = LinearTransformer(build())
    columns = transformer.config.width * transformer.config.lr_channels
    new = sum(p.numel() for p in transformer.lr_encoder.parameters()) + transformer.guidance.null_token.numel()
    assert sum(p.numel() for p in transformer.parameters()) == published + columns + new


class TestAgainstDiffusers:
    @pytest.fixture(autouse=True)
    def _needs_diffusers(self):
        pytest.importorskip("diffusers")

    @staticmethod
    def assert_equal(theirs, ours, height, width, **more):
        config = ours.config
        z, lr = randn(2, 32, height, width), randn(2, 3, 8 * height, 8 * width, seed=1)
        t, captions = torch.tensor([0.3, 0.9]), randn(2, 7, config.guidance_width, seed=2)
        with torch.no_grad():
            expected = theirs(z, captions, 1000 * t, encoder_attention_mask=MASK.long(), **more).sample
            found = ours.eval()(z, t, lr, captions, MASK)
        assert expected.abs().max() > 1
        assert (found - expected).abs().max() < 1e-4

    @pytest.mark.parametrize("config", [SMALL, SMALL_NORMED], ids=["plain", "qk-norm"])
    @pytest.mark.parametrize("layout", ["diffusers", "original"])
    @pytest.mark.parametrize(("height", "width"), [(4, 4), (6, 5), (1, 9)])
    def test_velocity_is_the_same(self, config, layout, height, width):
        theirs = diffusers_sana(config)
        weights = theirs.state_dict()
        ours = import_sana(weights if layout == "diffusers" else original_layout(weights), config)
        self.assert_equal(theirs, ours, height, width)

    @pytest.mark.parametrize("layout", ["diffusers", "original"])
    def test_guidance_embedding_of_sprint_becomes_part_of_the_time(self, layout):
        theirs = diffusers_sana(SMALL_NORMED, sprint=True)
        weights = theirs.state_dict()
        ours = import_sana(weights if layout == "diffusers" else original_layout(weights), SMALL_NORMED)
        self.assert_equal(theirs, ours, 4, 4, guidance=torch.full((2,), SPRINT_GUIDANCE))

    def test_every_expert_of_a_set_can_be_another_checkpoint(self):
        networks = [diffusers_sana(SMALL, seed) for seed in range(4)]
        experts = ExpertTransformer(ExpertsConfig(), SMALL)
        for expert, network in zip(experts.experts, networks, strict=True):
            expert.load_state_dict(import_sana(network.state_dict(), SMALL).state_dict())
        for t, network in zip((0.95, 0.9, 0.5, 0.1), networks, strict=True):
            self.assert_equal(network, experts.expert_at(t), 3, 4)

    def test_a_new_model_does_not_read_the_lr_yet(self):
        ours = import_sana(diffusers_sana(SMALL).state_dict(), SMALL)
        assert not ours.patch_in.weight[:, 32:].any()
        assert ours.patch_in.weight[:, :32].any()

    def test_null_token_is_the_first_state_of_the_empty_caption(self):
        caption = randn(300, SMALL.guidance_width)
        weights = {**original_layout(diffusers_sana(SMALL).state_dict()), "y_embedder.y_embedding": caption}
        assert torch.equal(import_sana(weights, SMALL).guidance.null_token, caption[None, :1])

    def test_what_does_not_fit_is_named(self):
        weights = diffusers_sana(SMALL).state_dict()
        weights["transformer_blocks.0.controlnet.weight"] = torch.zeros(1)
        del weights["proj_out.bias"]
        weights["caption_norm.weight"] = torch.zeros(5)
        with pytest.raises(ValueError, match="do not fit") as error:
            import_sana(weights, SMALL)
        for part in (
            "left over: transformer_blocks.0.controlnet.weight",
            "missing: patch_out.bias",
            "of another shape: guidance.norm.weight (5,), not (96,)",
        ):
            assert part in str(error.value)

    def test_norms_that_the_geometry_lacks_are_left_over(self):
        with pytest.raises(ValueError, match=r"left over: blocks\.0\.attention\.k_norm\.weight"):
            import_sana(diffusers_sana(SMALL_NORMED).state_dict(), SMALL)


@pytest.mark.parametrize("layout", [("patch_embed", "transformer_blocks"), ("x_embedder", "blocks")])
@pytest.mark.parametrize(("width", "known"), [(1152, sana_600m()), (2240, sana_1600m())])
def test_geometry_is_told_by_the_weights(layout, width, known):
    patch, blocks = layout
    weights = {f"{patch}.proj.weight": torch.empty(width, 32, 1, 1, device="meta")}
    weights |= {f"{blocks}.{index}.scale_shift_table": torch.empty(0) for index in range(60)}
    assert sana_geometry(weights) == replace(known, depth=60)
    weights[f"{blocks}.0.attn.q_norm.weight"] = torch.empty(0)
    assert sana_geometry(weights) == replace(known, depth=60, qk_norm_eps=QK_NORM_EPS)


@pytest.mark.parametrize("weights", [{}, {"x_embedder.proj.weight": torch.empty(7, 32, 1, 1)}])
def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(ValueError, match=r"no SANA transformer: .* not one of \[1152, 2240\]"):
        sana_geometry(weights)

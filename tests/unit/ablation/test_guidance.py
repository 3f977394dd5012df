from dataclasses import replace

import numpy as np
import pytest
from small_models import photo, small_pipeline
from training_photos import write_shards

from linearsr.ablation.guidance import ablate_guidance
from linearsr.ablation.training import Budget, Trial
from linearsr.errors import InputError
from linearsr.training.presets import ci
from linearsr.training.workspace import Workspace

BUDGET = Budget(start=4, steps=4, batch=2, crops=1)


def trial_in(run, perceptual, photos, **config):
    pipeline = small_pipeline(**config)
    recipe = BUDGET.applied_to(replace(ci(), transformer_model=pipeline.experts.transformer_config))
    work = Workspace(run=run, photos=photos, perceptual=perceptual, recipe=recipe, tell=lambda line: None)
    return Trial(work=work, budget=BUDGET, autoencoder=pipeline.autoencoder)


def test_every_kind_is_trained_from_one_start_and_used_with_its_own_guidance(perceptual, text_encoder, tmp_path):
    photos = write_shards(tmp_path / "photos")
    ablation = ablate_guidance(trial_in(tmp_path / "run", perceptual, photos, guidance_width=384))
    assert len({variant.budget for variant in ablation.variants}) == 1
    subjects = {variant.name: variant.prepare() for variant in ablation.variants}
    folders = {path.name for path in (tmp_path / "run").iterdir()}
    assert {f"guidance-{kind}" for kind in ("none", "caption", "features", "tags")} < folders
    kinds = [subject.pipeline.experts.transformer_config.guidance for subject in subjects.values()]
    assert kinds == ["none", "caption", "features", "tags", "tags", "tags"]
    one_model = ("tags", "tags, none given", "tags, wrong ones given")
    for names in (one_model, ("no guidance", "long caption", "image features")):
        assert len({subjects[name].fingerprint(0) for name in names}) == 3
    errors = [subject.upscale(photo(22, 24), photo(88, 96), 0)[1] for subject in subjects.values()]
    assert np.isfinite(errors).all()
    assert len(set(errors[3:])) > 1


def test_a_transformer_of_another_width_is_refused(perceptual, tmp_path):
    with pytest.raises(InputError, match="384 wide, the model takes 8"):
        ablate_guidance(trial_in(tmp_path, perceptual, tmp_path))

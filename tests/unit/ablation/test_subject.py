import numpy as np
import pytest
import torch
from small_models import photo, small_pipeline

from linearsr.ablation.subject import Subject
from linearsr.errors import DataError
from linearsr.imaging.picture import Picture
from linearsr.models.softmax_twin import softmax_twin
from linearsr.request import UpscaleRequest

LR, HR = photo(22, 24), photo(88, 96)


def test_a_sampled_latent_gives_what_an_upscale_gives(pipeline):
    pixels, _ = Subject(pipeline=pipeline, steps=2).upscale(LR, HR, seed=3)
    expected = pipeline.upscale(Picture(color=LR), UpscaleRequest(steps=2, seed=3)).color
    assert np.array_equal(pixels, expected)


def test_the_latent_of_the_reference_has_no_error_and_the_mean_one_has_its_size(pipeline):
    assert Subject(pipeline=pipeline, latent="reference").upscale(LR, HR, seed=0)[1] == 0
    error = Subject(pipeline=pipeline, latent="mean").upscale(LR, HR, seed=0)[1]
    padded = torch.from_numpy(np.pad(HR, ((0, 8), (0, 0), (0, 0)), mode="edge")).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        latent = pipeline.autoencoder.encode(padded)
    assert error == pytest.approx(float(latent.square().mean().sqrt()))


def test_only_a_sampled_latent_depends_on_the_seed(pipeline):
    for latent, depends in (("sampled", True), ("mean", False), ("reference", False)):
        subject = Subject(pipeline=pipeline, latent=latent)
        first, second = (subject.upscale(LR, HR, seed)[0] for seed in (0, 1))
        assert np.array_equal(first, second) is not depends


def test_a_reference_of_another_scale_is_refused(pipeline):
    with pytest.raises(DataError, match="48x44 for 24x22 pixels"):
        Subject(pipeline=pipeline).upscale(LR, photo(44, 48), seed=0)


def test_the_fingerprint_knows_weights_settings_and_kinds_of_attention(pipeline):
    subject = Subject(pipeline=pipeline)
    seen = {
        subject.fingerprint(0),
        subject.fingerprint(1),
        Subject(pipeline=pipeline, steps=8).fingerprint(0),
        Subject(pipeline=pipeline, latent="mean").fingerprint(0),
        Subject(pipeline=small_pipeline(seed=1)).fingerprint(0),
    }
    twin = small_pipeline()
    twin.experts.experts[0] = softmax_twin(twin.experts.experts[0])
    seen.add(Subject(pipeline=twin).fingerprint(0))
    assert len(seen) == 6
    assert Subject(pipeline=small_pipeline(), note="a note").fingerprint(0) == subject.fingerprint(0)

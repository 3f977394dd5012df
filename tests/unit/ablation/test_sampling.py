import pytest
import torch
from small_models import photo, randn, small_autoencoder
from torch import nn

from linearsr.ablation.sampling import ablate_decoder, ablate_fidelity, ablate_steps
from linearsr.errors import InputError
from linearsr.models.autoencoder import enlarge


def test_steps_are_those_of_the_papers_question(pipeline):
    ablation = ablate_steps(pipeline)
    assert [variant.prepare().steps for variant in ablation.variants] == [1, 2, 4, 8, 20]
    assert ablation.baseline in {variant.name for variant in ablation.variants}


def test_fidelity_goes_from_end_to_end_and_changes_the_picture(pipeline):
    pipeline.knob.faithful = small_autoencoder(1).decoder
    subjects = [variant.prepare() for variant in ablate_fidelity(pipeline).variants]
    assert [subject.fidelity for subject in subjects] == [0, 0.2, 0.4, 0.6, 0.8, 1]
    lr, hr = photo(16, 16), photo(64, 64)
    assert len({subject.upscale(lr, hr, 0)[0].tobytes() for subject in subjects}) == len(subjects)
    assert len({subject.fingerprint(0) for subject in subjects}) == len(subjects)


def test_the_decoder_is_asked_with_every_latent_and_without_lr_features(pipeline):
    subjects = {variant.name: variant.prepare() for variant in ablate_decoder(pipeline).variants}
    assert [subject.latent for subject in subjects.values()] == [
        "sampled",
        "mean",
        "reference",
        "sampled",
        "reference",
    ]
    blind = subjects["sampled latent without LR features"].pipeline.autoencoder.decoder
    latent, first, second = randn(1, 4, 2, 2), randn(1, 3, 16, 16), randn(1, 3, 16, 16, seed=1)
    with torch.inference_mode():
        assert torch.equal(blind.detail(latent, first), blind.detail(latent, second))
        assert not torch.equal(blind.detail(latent, first), blind.detail(2 * latent, first))
        assert torch.allclose(blind(latent, first) - blind.detail(latent, first), enlarge(first), atol=1e-5)


def test_the_model_itself_keeps_its_features(pipeline):
    before = [parameter.clone() for parameter in pipeline.autoencoder.parameters()]
    ablate_decoder(pipeline)
    assert all(torch.equal(a, b) for a, b in zip(before, pipeline.autoencoder.parameters(), strict=True))


def test_a_decoder_of_another_kind_is_refused(pipeline):
    pipeline.autoencoder.decoder = nn.Identity()
    with pytest.raises(InputError, match="no features of the LR image"):
        ablate_decoder(pipeline)


def test_the_latent_matters_to_the_picture(pipeline):
    variants = {variant.name: variant.prepare() for variant in ablate_decoder(pipeline).variants}
    lr, hr = photo(16, 16), photo(64, 64)
    mean, true = (variants[name].upscale(lr, hr, 0)[0] for name in ("mean latent", "latent of the reference"))
    assert (mean != true).any()

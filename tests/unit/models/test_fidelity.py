import pytest
import torch
from small_models import small_autoencoder

from linearsr.models.autoencoder import AutoencoderConfig, Decoder
from linearsr.models.fidelity import DEFAULT, DENOISED, FidelityKnob, blend


def parameters(decoder):
    return torch.cat([weight.detach().flatten() for weight in decoder.parameters()])


def test_the_ends_are_the_two_decoders_and_the_middle_lies_between():
    detailed, faithful = small_autoencoder(0).decoder, small_autoencoder(1).decoder
    assert torch.equal(parameters(blend(detailed, faithful, 0.0)), parameters(detailed))
    assert torch.equal(parameters(blend(detailed, faithful, 1.0)), parameters(faithful))
    middle = (parameters(detailed) + 3 * parameters(faithful)) / 4
    torch.testing.assert_close(parameters(blend(detailed, faithful, 0.75)), middle)


def test_neither_decoder_is_changed():
    detailed, faithful = small_autoencoder(0).decoder, small_autoencoder(1).decoder
    blend(detailed, faithful, 0.5)
    assert torch.equal(parameters(detailed), parameters(small_autoencoder(0).decoder))
    assert torch.equal(parameters(faithful), parameters(small_autoencoder(1).decoder))


def test_the_knob_gives_the_ends_as_they_are_and_keeps_what_it_blended_last():
    detailed, faithful = small_autoencoder(0).decoder, small_autoencoder(1).decoder
    knob = FidelityKnob(detailed, faithful)
    assert knob.at(0) is detailed
    assert torch.equal(parameters(knob.at(1)), parameters(faithful))
    middle = knob.at(0.5)
    assert torch.equal(parameters(middle), parameters(blend(detailed, faithful, 0.5)))
    assert knob.at(0.5) is middle
    knob.forget()
    assert knob.at(0.5) is not middle


def test_the_more_noise_was_taken_out_the_less_fidelity_fits():
    knob = FidelityKnob(small_autoencoder(0).decoder, small_autoencoder(1).decoder)
    assert knob.fitting(0.0) == DEFAULT
    assert knob.fitting(1.0) == pytest.approx(DENOISED)
    assert DENOISED < knob.fitting(0.5) < DEFAULT


def test_the_near_end_goes_to_the_cleaned_decoder_by_the_share_of_noise_that_is_gone():
    detailed, faithful, cleaned = (small_autoencoder(seed).decoder for seed in range(3))
    knob = FidelityKnob(detailed, faithful, cleaned)
    assert torch.equal(parameters(knob.at(0, denoised=1)), parameters(cleaned))
    half = blend(detailed, cleaned, 0.5)
    assert torch.equal(parameters(knob.at(0, denoised=0.5)), parameters(half))
    assert torch.equal(parameters(knob.at(0.2, denoised=0.5)), parameters(blend(half, faithful, 0.2)))
    assert torch.equal(parameters(knob.at(1, denoised=0.5)), parameters(faithful))
    assert knob.at(0) is detailed
    assert torch.equal(parameters(FidelityKnob(detailed, None, cleaned).at(0, 1)), parameters(cleaned))


def test_without_a_cleaned_decoder_photos_that_were_noisy_get_that_of_all():
    knob = FidelityKnob(small_autoencoder(0).decoder, small_autoencoder(1).decoder)
    assert knob.at(0, denoised=1) is knob.detailed
    assert torch.equal(parameters(knob.at(0.3, denoised=1)), parameters(knob.at(0.3)))


def test_without_a_second_decoder_there_is_that_of_zero_alone():
    knob = FidelityKnob(small_autoencoder().decoder, None)
    assert knob.fitting(0.0) == knob.fitting(1.0) == 0
    assert knob.at(0) is knob.detailed
    with pytest.raises(ValueError, match=r"no decoder for a fidelity of 0\.5"):
        knob.at(0.5)


def test_decoders_of_different_geometry_do_not_blend():
    other = Decoder(AutoencoderConfig(latent_channels=4, widths=(6, 6, 8, 8), depth=2, tail_width=4))
    with pytest.raises(ValueError, match=r"depth=1.* and .*depth=2.* cannot be blended"):
        blend(small_autoencoder().decoder, other, 0.5)

"""DC-AE behind the interface of our own autoencoder."""

from __future__ import annotations

import pytest
import torch
from small_models import AUTOENCODER, photo, randn, seeded, small_experts

from linearsr.imaging.convert import to_picture
from linearsr.models.autoencoder import Decoder, enlarge
from linearsr.models.decoding import decode_rows
from linearsr.models.deep import DeepAutoencoderConfig, silent
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest

pytest.importorskip("diffusers")

from small_dc_ae import LITE, SMALL_F32C4, small_dc_ae

HEIGHT, WIDTH = 24, 2
LATENT, LR = randn(1, 4, HEIGHT, WIDTH), randn(1, 3, 8 * HEIGHT, 8 * WIDTH, seed=1).clamp(-1, 1)


def read(top, bottom):
    return LR[:, :, top:bottom]


def in_strips(decoder, rows, start=0, stop=None):
    parts = decode_rows(decoder, LATENT, read, rows=rows, start=start, stop=stop)
    return torch.cat([detail + source for detail, source in parts], 2)


def refiner():
    return seeded(3, lambda: Decoder(AUTOENCODER))


@torch.inference_mode()
def test_is_the_network_of_diffusers_with_its_scaling():
    from diffusers import AutoencoderDC

    theirs, ours = seeded(0, lambda: AutoencoderDC(**SMALL_F32C4)).eval(), small_dc_ae()
    hr = randn(1, 3, 64, 96)
    assert torch.equal(ours.encode(hr), theirs.encode(hr).latent * 0.41407)
    assert torch.equal(ours.decode(LATENT, LR), theirs.decode(LATENT / 0.41407).sample)


@torch.inference_mode()
def test_detail_is_what_the_enlarged_lr_lacks():
    autoencoder = small_dc_ae()
    whole = autoencoder.decode(LATENT, LR)
    assert whole.shape == (1, 3, 32 * HEIGHT, 32 * WIDTH)
    torch.testing.assert_close(autoencoder.decoder.detail(LATENT, LR) + enlarge(LR), whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(in_strips(autoencoder.decoder, 8 * HEIGHT), whole, rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("settings", [SMALL_F32C4, LITE], ids=["sana", "lite"])
@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("rows", [1, 40])
def test_strips_equal_the_whole(settings, refined, rows):
    decoder = small_dc_ae(settings, refiner() if refined else None).decoder
    whole = decoder(LATENT, LR)
    assert whole.std() > 0.1
    torch.testing.assert_close(in_strips(decoder, rows), whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(in_strips(decoder, rows, 5, 20), whole[:, :, 160:640], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_the_context_of_strips_is_needed(monkeypatch):
    monkeypatch.setattr("linearsr.models.deep._BICUBIC_REACH", 0)
    decoder = small_dc_ae().decoder
    decoder.network.reach = 0
    assert (in_strips(decoder, 8) - decoder(LATENT, LR)).abs().max() > 1e-2


@torch.inference_mode()
def test_a_silent_refiner_changes_nothing_and_a_trained_one_reads_the_lr():
    plain = small_dc_ae().decode(LATENT, LR)
    assert torch.equal(small_dc_ae(refiner=silent(refiner())).decode(LATENT, LR), plain)
    refined = small_dc_ae(refiner=refiner())
    assert not torch.equal(refined.decode(LATENT, LR), refined.decode(LATENT, -LR))
    torch.testing.assert_close(refined.decode(LATENT, LR), plain + refiner().detail(LATENT, LR), rtol=0, atol=1e-5)


def test_pipeline_upscales_with_it():
    pipeline = SRPipeline(small_dc_ae(), small_experts())  # type: ignore[arg-type]
    result = pipeline.upscale(to_picture(photo(24, 20)), UpscaleRequest())
    assert (result.height, result.width) == (96, 80)


def test_scaling_that_is_not_positive_is_named():
    with pytest.raises(ValueError, match="scaling must be positive, not 0"):
        DeepAutoencoderConfig(scaling=0)

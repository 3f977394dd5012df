"""DC-AE from a folder in diffusers' layout."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from small_models import randn, seeded

from linearsr.dc_ae import F32C32, dc_ae, load_dc_ae
from linearsr.errors import ModelError


@pytest.fixture(scope="module")
def network():
    diffusers = pytest.importorskip("diffusers")
    from small_dc_ae import SMALL_F32C4

    return seeded(5, lambda: diffusers.AutoencoderDC(**SMALL_F32C4)).eval()


@pytest.fixture
def folder(network, tmp_path):
    network.save_pretrained(tmp_path)
    return tmp_path


@torch.inference_mode()
def test_folder_of_diffusers_is_read(network, folder):
    autoencoder = load_dc_ae(folder)
    hr = randn(1, 3, 64, 32)
    torch.testing.assert_close(autoencoder.encode(hr), network.encode(hr).latent * F32C32["scaling_factor"])
    latent = randn(1, 4, 2, 3)
    image = autoencoder.decode(latent, randn(1, 3, 16, 24))
    torch.testing.assert_close(image, network.decode(latent / F32C32["scaling_factor"]).sample)


def test_published_geometry_has_its_published_size(network):
    with torch.device("meta"):
        autoencoder = dc_ae()
    sizes = [sum(p.numel() for p in part.parameters()) for part in (autoencoder.encoder, autoencoder.decoder)]
    assert [round(size / 1e6, 1) for size in sizes] == [153.0, 159.2]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda config: config.update(nonsense=1), "nonsense"),
        (lambda config: config.update(latent_channels=8), "size mismatch"),
        (lambda config: config.update(scaling_factor=-1.0), "scaling must be positive"),
    ],
)
def test_what_does_not_fit_is_a_model_error(folder, change, named):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=named) as caught:
        load_dc_ae(folder)
    assert str(folder) in str(caught.value)


def test_folder_without_a_configuration_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"is no DC-AE: .*config\.json"):
        load_dc_ae(tmp_path)


def test_another_compression_is_refused(network):
    with pytest.raises(ModelError, match="has 16 pixels to a latent cell, not 32"):
        dc_ae(
            {name: value[:5] if isinstance(value, tuple) else value for name, value in {**dict(network.config)}.items()}
        )


def test_attention_in_the_fine_stages_is_refused(network):
    with pytest.raises(ModelError, match="EfficientViTBlock in its fine stages"):
        dc_ae({**dict(network.config), "decoder_block_types": ("EfficientViTBlock",) * 6})


def test_without_diffusers_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ModelError, match=r"needs the diffusers package; pip install 'linearsr\[sana\]'"):
        dc_ae()

import numpy as np
import pytest
from safetensors.torch import save_file
from small_models import niqe_weights, photo

from linearsr.errors import DataError
from linearsr.evaluation.metrics import BUILT_IN, PLAIN, WEIGHT_FILES, plain_metric, weighted_metric


@pytest.fixture(scope="module")
def pictures():
    clean = photo(192, 200)
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    return clean, noisy


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in ("niqe", "brisque")])
def test_each_metric_prefers_the_reference_itself_in_its_own_direction(name, pictures, perceptual):
    metric = plain_metric(name) if name in PLAIN else weighted_metric(name, perceptual)
    clean, noisy = pictures
    best, worse = metric.measure(clean, clean), metric.measure(noisy, clean)
    assert (best > worse) is metric.higher_is_better
    assert metric.needs_reference


@pytest.mark.parametrize("name", ["niqe", "brisque"])
def test_metrics_without_reference_depend_on_the_output_alone(name, pictures, perceptual):
    metric = weighted_metric(name, perceptual)
    clean, noisy = pictures
    assert not metric.needs_reference
    assert not metric.higher_is_better
    assert metric.measure(clean, clean) == metric.measure(clean, noisy) != metric.measure(noisy, noisy)


def test_ssim_on_colours_is_the_mean_over_channels(pictures):
    clean, noisy = pictures
    only_red = clean.copy()
    only_red[..., 0] = noisy[..., 0]
    gray = np.broadcast_to(noisy[..., :1], noisy.shape)
    red = plain_metric("ssim_rgb").measure(gray, np.broadcast_to(clean[..., :1], clean.shape))
    assert plain_metric("ssim_rgb").measure(only_red, clean) == pytest.approx((2 + red) / 3)


@pytest.mark.parametrize("name", PLAIN)
def test_the_border_is_left_out_of_metrics_without_weights(name):
    clean = photo(190, 200)
    framed = clean.copy()
    framed[:4] = 0
    framed[:, -4:] = 255
    whole, inner = plain_metric(name), plain_metric(name, 4)
    assert inner.measure(framed, clean) == pytest.approx(whole.measure(clean, clean), abs=1e-12)
    assert whole.measure(framed, clean) != pytest.approx(whole.measure(clean, clean), abs=1e-3)
    assert inner.smallest == whole.smallest + 8


def test_lpips_on_the_two_networks_differs(pictures, perceptual):
    alex, vgg = (weighted_metric(name, perceptual).measure(*pictures) for name in ("lpips", "lpips_vgg"))
    assert alex != vgg


def test_missing_weights_are_named_with_the_way_to_make_them(tmp_path):
    for weights in (None, tmp_path):
        with pytest.raises(DataError, match=r"lpips_vgg16.safetensors, dists.safetensors.*perceptual_weights"):
            weighted_metric("dists", weights)


@pytest.mark.parametrize("damage", [b"not safetensors", None])
def test_damaged_weights_are_one_clear_error(tmp_path, damage):
    (file,) = WEIGHT_FILES["niqe"]
    if damage is None:
        save_file({"mean": niqe_weights()["mean"]}, tmp_path / file)
    else:
        (tmp_path / file).write_bytes(damage)
    with pytest.raises(DataError, match=r"weights of niqe in .* are damaged"):
        weighted_metric("niqe", tmp_path)

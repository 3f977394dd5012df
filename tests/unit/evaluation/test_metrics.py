import numpy as np
import pytest
from small_models import photo

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.metrics import choose_metrics


@pytest.fixture
def pictures():
    clean = photo(80, 96)
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    return clean, noisy


@pytest.mark.parametrize("name", ["psnr", "psnr_rgb", "ssim", "lpips", "dists"])
def test_each_metric_prefers_the_reference_itself_in_its_own_direction(name, pictures, perceptual):
    (metric,) = choose_metrics([name], weights=perceptual)
    clean, noisy = pictures
    best, worse = metric.measure(clean, clean), metric.measure(noisy, clean)
    assert (best > worse) is metric.higher_is_better


def test_the_border_is_left_out_of_fidelity(pictures):
    clean, _ = pictures
    framed = clean.copy()
    framed[:4] = 0
    framed[:, -4:] = 255
    whole, inner = (choose_metrics(["psnr_rgb"], weights=None, border=border)[0] for border in (0, 4))
    assert whole.measure(framed, clean) < 30
    assert inner.measure(framed, clean) == float("inf")
    assert inner.smallest == 9


@pytest.mark.parametrize("names", [["fid"], ["psnr", "psnr"], []])
def test_names_are_checked(names):
    with pytest.raises(ConfigError, match="choose from psnr, psnr_rgb, ssim, ms_ssim, lpips, dists"):
        choose_metrics(names, weights=None)


def test_a_negative_border_is_refused():
    with pytest.raises(ConfigError, match="-1"):
        choose_metrics(["psnr"], weights=None, border=-1)


def test_missing_weights_are_named_with_the_way_to_make_them(tmp_path):
    for weights in (None, tmp_path):
        with pytest.raises(DataError, match=r"lpips_vgg16.safetensors, dists.safetensors.*perceptual_weights"):
            choose_metrics(["dists"], weights=weights)

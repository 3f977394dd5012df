import pytest

from linearsr.errors import ConfigError
from linearsr.evaluation.choice import choose_metrics


def test_metrics_come_in_the_order_of_their_names(perceptual):
    chosen = choose_metrics(["niqe", "psnr", "lpips"], weights=perceptual, border=2)
    assert [metric.name for metric in chosen] == ["niqe", "psnr", "lpips"]
    assert chosen[1].smallest == 5


@pytest.mark.parametrize("names", [["psnr", "psnr"], [], [""]])
def test_names_must_be_there_and_differ(names):
    with pytest.raises(ConfigError, match="choose from psnr, psnr_rgb, ssim, ssim_rgb, ms_ssim, gmsd, lpips"):
        choose_metrics(names, weights=None)


def test_a_negative_border_is_refused():
    with pytest.raises(ConfigError, match="-1"):
        choose_metrics(["psnr"], weights=None, border=-1)

import pytest
import torch

from linearsr.imaging.color import LEVELS, AdainFix, NoFix, WaveletFix


def fix_color(result, source, method, rows=10_000):
    """Fix a whole image, fed ``rows`` rows at a time."""
    fix = {"wavelet": WaveletFix, "adain": lambda: AdainFix(strips(result, source, rows)), "none": NoFix}[method]()
    height = result.shape[2]
    parts = strips(result, source, rows)
    return torch.cat([fix.push(*part, last=(index + 1) * rows >= height) for index, part in enumerate(parts)], 2)


def strips(result, source, rows):
    return list(zip(result.split(rows, 2), source.expand_as(result).split(rows, 2), strict=True))


def low_frequencies(image, levels=LEVELS):
    return WaveletFix(levels).push(torch.zeros_like(image), image, last=True)


def noise(height=96, width=80, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ripple(period, size=512):
    wave = torch.sin(2 * torch.pi * torch.arange(size, dtype=torch.float64) / period)
    return wave.expand(1, 3, size, size)


def middle(image):
    return image[..., 160:-160, 160:-160]


def test_none_returns_the_very_result():
    result = noise()
    assert torch.equal(fix_color(result, noise(seed=1), "none"), result)


@pytest.mark.parametrize("method", ["wavelet", "adain"])
@pytest.mark.parametrize("rows", [1, 2, 31, 33, 95])
def test_rows_one_after_the_other_give_what_the_whole_gives(method, rows):
    whole = fix_color(noise(), noise(seed=1), method)
    torch.testing.assert_close(fix_color(noise(), noise(seed=1), method, rows), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["wavelet", "adain"])
def test_a_constant_colour_shift_is_removed(method):
    source = noise()
    shift = torch.tensor([0.2, -0.1, 0.05], dtype=source.dtype).view(1, 3, 1, 1)
    assert torch.allclose(fix_color(source + shift, source, method), source, atol=1e-4)


@pytest.mark.parametrize("method", ["wavelet", "adain"])
def test_a_result_with_the_right_colours_is_left_alone(method):
    source = noise()
    assert torch.allclose(fix_color(source, source, method), source, atol=1e-4)


def test_wavelet_takes_the_low_frequencies_of_the_source():
    result, source = noise(), noise(seed=1)
    difference = low_frequencies(fix_color(result, source, "wavelet") - source)
    assert difference.std() < 0.5 * low_frequencies(result - source).std()
    assert torch.allclose(
        fix_color(result, source, "wavelet"), result - low_frequencies(result) + low_frequencies(source)
    )


def test_wavelet_keeps_fine_detail_and_replaces_broad_shades():
    detail, shade = ripple(4), ripple(512)
    fixed = fix_color(detail + shade, torch.zeros_like(detail), "wavelet")
    assert torch.allclose(middle(fixed), middle(detail), atol=0.05)


def test_more_levels_leave_less():
    image = noise()
    deviations = [low_frequencies(image, levels).std().item() for levels in range(LEVELS + 1)]
    assert deviations == sorted(deviations, reverse=True)
    assert torch.equal(low_frequencies(image, 0), image)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 3), (33, 65)], ids=str)
def test_blurring_keeps_the_size_and_a_flat_image_at_any_size(size):
    flat = torch.full((1, 3, *size), 0.3, dtype=torch.float64)
    assert torch.allclose(low_frequencies(flat), flat)


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_each_level_reaches_twice_as_far_as_the_one_before(levels):
    """The filter 1/4 1/2 1/4 of reach r has variance r^2 / 2, and variances add up."""
    image = torch.zeros(1, 1, 101, 101, dtype=torch.float64)
    image[0, 0, 50, 50] = 1
    profile = low_frequencies(image, levels)[0, 0].sum(dim=0)
    place = torch.arange(101) - 50
    assert (place[profile > 0].min(), place[profile > 0].max()) == (1 - 2**levels, 2**levels - 1)
    assert (profile * place**2).sum().item() == pytest.approx(sum(4**level / 2 for level in range(levels)))


def test_channels_do_not_mix():
    image = torch.zeros(1, 3, 40, 40)
    image[:, 1, 20, 20] = 1
    blurred = low_frequencies(image)
    assert blurred[:, (0, 2)].abs().max() == 0
    assert blurred[:, 1].sum() > 0


def test_adain_matches_mean_and_deviation_of_each_channel():
    result, source = noise(), 0.2 * noise(seed=1) + torch.tensor([0.1, 0.4, 0.7]).view(1, 3, 1, 1)
    fixed = fix_color(result, source, "adain")
    for moment in (torch.mean, torch.std):
        assert torch.allclose(moment(fixed, dim=(-2, -1)), moment(source, dim=(-2, -1)), atol=1e-4)


def test_adain_of_a_flat_result_stays_finite():
    fixed = fix_color(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.25), "adain")
    assert torch.allclose(fixed, torch.full_like(fixed, 0.25))


@pytest.mark.parametrize("method", ["wavelet", "adain"])
def test_one_pixel_takes_the_colour_of_its_source(method):
    source = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)
    assert torch.allclose(fix_color(torch.zeros(1, 3, 1, 1), source, method), source, atol=1e-6)

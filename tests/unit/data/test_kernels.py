from __future__ import annotations

import math

import pytest
import torch

from linearsr.data.draws import Draws
from linearsr.data.kernels import (
    KIND_WEIGHTS,
    SIZES,
    TAPS,
    blur_kernels,
    final_sinc_kernels,
    gaussian_kernels,
    sinc_kernels,
)
from linearsr.data.presets import DegradationStage


def reach(kernel):
    """Distance from the centre to the outermost tap that is not zero."""
    rows, columns = torch.nonzero(kernel, as_tuple=True)
    return int(torch.maximum((rows - TAPS // 2).abs(), (columns - TAPS // 2).abs()).max())


@pytest.mark.parametrize("sinc", [0.0, 1.0])
def test_every_kernel_sums_to_one_and_looks_the_same_from_both_sides(sinc):
    kernels = blur_kernels(Draws(range(300)), DegradationStage(sinc_probability=sinc))
    assert kernels.shape == (300, TAPS, TAPS)
    assert torch.isfinite(kernels).all()
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(300))
    torch.testing.assert_close(kernels, kernels.flip(1, 2))
    assert {reach(kernel) for kernel in kernels} <= {size // 2 for size in SIZES} | set(range(10))


def test_kernels_have_sizes_from_7_to_21():
    wide = DegradationStage(sinc_probability=0, kernel_sigma=(9, 9))
    assert {reach(kernel) for kernel in blur_kernels(Draws(range(200)), wide)} == {3, 4, 5, 6, 7, 8, 9, 10}


def test_a_share_of_the_kernels_is_no_blur():
    kernels = blur_kernels(Draws(range(400)), DegradationStage(blur_probability=0.25, kernel_sigma=(1, 2)))
    unchanged = kernels[:, TAPS // 2, TAPS // 2] == 1
    assert float(unchanged.float().mean()) == pytest.approx(0.75, abs=0.07)


@pytest.mark.parametrize("cutoff", [math.pi / 5, math.pi / 3, math.pi])
def test_sinc_passes_low_frequencies_and_stops_high_ones(cutoff):
    (kernel,) = sinc_kernels(torch.tensor([cutoff]), torch.tensor([21]))
    axis = torch.arange(21.0) - 10

    def gain(frequency):
        return abs(float((kernel * torch.cos(frequency * axis)).sum()))

    assert gain(0.3 * cutoff) > 0.8
    if cutoff < 2:
        assert gain(1.5 * cutoff) < 0.2


def test_gaussian_has_the_variance_asked_for():
    axis = torch.arange(21.0) - 10
    for sigma, kernel in zip((1.0, 2.0, 3.0), gaussian_kernels(torch.tensor([1.0, 2.0, 3.0])), strict=True):
        assert float((kernel.sum(0) * axis**2).sum()) == pytest.approx(sigma**2, rel=0.05)


def test_round_kernels_are_as_frequent_as_published():
    """Isotropic kinds make up 0.45 + 0.12 + 0.12 of the kernels that are no sinc."""
    kernels = blur_kernels(Draws(range(2000)), DegradationStage(sinc_probability=0, kernel_sigma=(0.5, 3)))
    turned = kernels.transpose(1, 2)
    round_ = torch.isclose(kernels, turned, atol=1e-5).all(2).all(1)
    assert float(round_.float().mean()) == pytest.approx(0.69, abs=0.04)
    assert sum(KIND_WEIGHTS) == pytest.approx(1)


def test_final_filter_is_a_sinc_or_nothing():
    kernels = final_sinc_kernels(Draws(range(500)), 0.8)
    unchanged = kernels[:, TAPS // 2, TAPS // 2] == 1
    assert float(unchanged.float().mean()) == pytest.approx(0.2, abs=0.06)
    assert (kernels[~unchanged].amin((1, 2)) < 0).float().mean() > 0.9  # a sinc has negative lobes

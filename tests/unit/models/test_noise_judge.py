"""The second look at noise: what is read of a picture, and what is made of it."""

from __future__ import annotations

import pytest
import torch
from small_models import randn, seeded, small_denoiser

from linearsr.models.noise_cells import noise_cells
from linearsr.models.noise_judge import FEATURES, TOLD, NoiseJudge

PICTURE_DETAIL, CHANGE, GREY_CHANGE, FINE_CHANGE, TWO_WIDE, FOUR_WIDE, LEFT_DETAIL = range(7)
METERED = -1


def changing(change):
    """A denoiser whose update is always the same picture, of levels."""
    denoiser = small_denoiser()
    denoiser.update = lambda lr, strength: change / 127.5
    return denoiser


def energies(cells):
    return (3 * cells + 2).exp() - 0.01


def test_energies_are_those_of_the_cells_in_squared_levels():
    change = torch.zeros(1, 3, 16, 24)
    change[:, :, 8:, 16:] = 5  # one cell of six, all of one level
    read = energies(noise_cells(torch.zeros(1, 3, 16, 24), changing(change)))
    assert read.shape == (1, 6, FEATURES)
    torch.testing.assert_close(read[0, :, CHANGE], torch.tensor([0.0, 0, 0, 0, 0, 25]), atol=1e-3, rtol=1e-4)
    for same in (GREY_CHANGE, TWO_WIDE, FOUR_WIDE):
        torch.testing.assert_close(read[0, 5, same], read[0, 5, CHANGE])
    assert read[0, 0, PICTURE_DETAIL] < 1e-3
    for fine in (FINE_CHANGE, LEFT_DETAIL):  # at the border of the cell alone
        assert 0.1 < read[0, 5, fine] < 5


def test_wide_noise_is_told_from_fine_and_coloured_from_grey():
    fine = randn(1, 3, 32, 32)
    wide = torch.nn.functional.interpolate(randn(1, 1, 8, 8), scale_factor=4.0).expand(-1, 3, -1, -1)
    of_fine, of_wide = (
        energies(noise_cells(torch.zeros(1, 3, 32, 32), changing(x))).mean((0, 1)) for x in (fine, wide)
    )
    assert of_wide[FOUR_WIDE] == pytest.approx(float(of_wide[CHANGE]), rel=1e-3)
    assert of_fine[FOUR_WIDE] < 0.1 * of_fine[CHANGE]
    assert of_wide[GREY_CHANGE] == pytest.approx(float(of_wide[CHANGE]), rel=1e-3)
    assert of_fine[GREY_CHANGE] < 0.5 * of_fine[CHANGE]


def test_the_denoiser_is_tried_with_each_strength_and_the_meter_read_once():
    denoiser, told = small_denoiser(), []
    denoiser.update = lambda lr, strength: told.append(strength.tolist()) or torch.zeros_like(lr)
    denoiser.meter.forward = lambda lr: torch.tensor([1.5, 4.0])
    cells = noise_cells(randn(2, 3, 8, 8), denoiser)
    assert told == [pytest.approx([strength] * 2) for strength in TOLD]
    assert cells[:, 0, METERED].tolist() == pytest.approx([0.5, 3.0])


def test_low_precision_loses_next_to_nothing():
    lr = 0.9 + 0.01 * randn(1, 3, 16, 16)  # where bfloat16 has steps of half a level
    denoiser = small_denoiser()
    with torch.no_grad():
        denoiser.tail[0].weight.mul_(0.02)
        exact = noise_cells(lr, denoiser)
        low = noise_cells(lr, denoiser.bfloat16())
    changes = [CHANGE + 6 * index for index in range(len(TOLD))]
    assert low.dtype == torch.bfloat16
    assert (low.float() - exact)[..., changes].abs().max() < 0.05


def test_the_order_of_cells_and_how_often_they_come_change_nothing():
    judge = seeded(0, lambda: NoiseJudge(8))
    cells = randn(2, 12, FEATURES)
    found = judge(cells)
    assert found.shape == (2,)
    torch.testing.assert_close(judge(cells[:, torch.randperm(12)]), found)
    torch.testing.assert_close(judge(torch.cat([cells, cells], 1)), found)
    assert not torch.allclose(judge(cells + 1), found)

import pytest
import torch
from recipes_folder import RECIPES, load_recipe


@pytest.fixture(scope="module")
def recipe():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(RECIPES)
        yield load_recipe("ship_tagger")


def test_a_threshold_is_the_lowest_of_enough_precision(recipe):
    found = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    truth = torch.tensor([True, True, True, False, True, False])
    assert recipe._threshold(found, truth) == pytest.approx(0.5)  # four of five are right
    assert recipe._threshold(found, ~truth) == recipe.HIGHEST


def test_rare_tags_have_the_threshold_of_all_together(recipe):
    found = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    truth = torch.zeros(40, 2, dtype=torch.bool)
    truth[:, 0] = found[:, 0] > 0.3
    common, own = recipe._threshold(found.flatten(), truth.flatten()), recipe._threshold(found[:, 0], truth[:, 0])
    assert own != common
    expected = torch.tensor([own, common]).clamp(recipe.LOWEST, recipe.HIGHEST)
    assert torch.allclose(recipe.calibrate(found, truth), expected)


def test_a_network_agrees_wholly_with_itself_and_less_with_another(recipe):
    clean = 6 * torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    of_class, thresholds = torch.arange(8), torch.full((8,), 0.25)
    same = recipe.measure(clean, clean, of_class, thresholds)
    assert same[:5] == [1.0] * 5
    other = recipe.measure(clean.flip(0), clean, of_class, thresholds)
    assert other[0] < other[1] <= 1
    assert max(other[2:5]) < 1


def test_average_precision_is_that_of_the_definition(recipe):
    found, truth = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, False, True])
    assert recipe._average_precision(found, truth) == pytest.approx((1 + 2 / 3) / 2)

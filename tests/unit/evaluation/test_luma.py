import numpy as np
import pytest

from linearsr.evaluation.luma import full_luma, studio_luma


@pytest.mark.parametrize(
    ("rgb", "y"), [((0, 0, 0), 16), ((255, 255, 255), 235), ((255, 0, 0), 81.481), ((0, 255, 0), 144.553)]
)
def test_studio_luma_is_bt601(rgb, y):
    assert studio_luma(np.array([[rgb]], np.uint8)).item() == pytest.approx(y)


@pytest.mark.parametrize(("rgb", "y"), [((0, 0, 0), 0), ((255, 255, 255), 255), ((255, 0, 0), 76), ((0, 0, 255), 29)])
def test_full_luma_is_in_whole_numbers(rgb, y):
    assert full_luma(np.array([[rgb]], np.uint8)).item() == y

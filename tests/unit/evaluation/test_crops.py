import numpy as np
import PIL.Image
import pytest
from small_models import photo

from linearsr.evaluation.crops import SIDE, cut_crops, find_places
from linearsr.evaluation.folders import Method


@pytest.fixture
def folders(tmp_path):
    """Methods a and b agree on every image but for one patch: on "x" a large difference, on "y" a small one."""
    methods, references, inputs = {"a": {}, "b": {}}, {}, {}
    for number, (key, change) in enumerate({"x": 90, "y": 30, "z": 0}.items()):
        picture = photo(256, 320, number) // 2
        other = picture.copy()
        other[100:140, 200:260] += change
        for name, pixels in {"a": picture, "b": other, "hr": picture, "lr": picture[::4, ::4]}.items():
            path = tmp_path / f"{key}_{name}.png"
            PIL.Image.fromarray(pixels).save(path)
            (references if name == "hr" else inputs if name == "lr" else methods[name])[key] = path
    return [Method(name=name, outputs=outputs) for name, outputs in methods.items()], references, inputs


def test_places_are_where_methods_differ_the_largest_difference_first(folders):
    methods, references, _ = folders
    places = find_places(methods, references, 2)
    assert [place.image for place in places] == ["x", "y"]
    assert places[0].left <= 200 <= 260 <= places[0].left + SIDE
    assert places[0].top <= 100 <= 140 <= places[0].top + SIDE
    # Two values d apart deviate by d / 2; the patch fills 40 x 60 of the window.
    assert places[0].disagreement == pytest.approx(45 * 40 * 60 / SIDE**2, rel=1e-3)


def test_a_single_method_is_set_against_the_reference(folders):
    methods, references, _ = folders
    assert [place.image for place in find_places(methods[1:], references, 1)] == ["x"]
    assert find_places(methods[1:], {}, 1) == []


def test_images_smaller_than_a_crop_are_shown_whole(tmp_path):
    methods = []
    for name, level in (("a", 10), ("b", 20)):
        path = tmp_path / f"{name}.png"
        PIL.Image.new("RGB", (40, 30), (level,) * 3).save(path)
        methods.append(Method(name=name, outputs={"x": path}))
    (place,) = find_places(methods, {}, 3)
    assert (place.left, place.top, place.side) == (0, 0, 30)


def test_outputs_of_different_sizes_are_passed_over(folders, tmp_path):
    methods, references, _ = folders
    PIL.Image.new("RGB", (10, 10)).save(methods[0].outputs["x"])
    assert find_places(methods, references, 1)[0].image == "y"


def test_crops_show_input_methods_and_reference_at_one_place(folders):
    methods, references, inputs = folders
    (place,) = find_places(methods, references, 1)
    crops = cut_crops(place, methods, references, inputs)
    assert [caption for caption, _ in crops.pictures] == ["input", "a", "b", "reference"]
    assert {pixels.shape for _, pixels in crops.pictures} == {(SIDE, SIDE, 3)}
    shown = dict(crops.pictures)
    np.testing.assert_array_equal(shown["a"], shown["reference"])
    assert np.ptp(shown["b"].astype(int) - shown["a"]) == 90
    first = shown["input"][4 - place.top % 4 :, 4 - place.left % 4 :][:4, :4]
    assert (first == first[0, 0]).all(), "one input pixel is a square of four by four"

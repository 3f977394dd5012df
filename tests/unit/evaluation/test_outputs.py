import json

import numpy as np
import PIL.Image
import pytest
from small_models import photo, small_pipeline

from linearsr.errors import DataError, InputError
from linearsr.evaluation.datasets import ImageSet
from linearsr.evaluation.outputs import BICUBIC, Maker, make_outputs
from linearsr.request import UpscaleRequest

REQUEST = UpscaleRequest(depth="8", alpha="drop", metadata="strip")


@pytest.fixture
def images(tmp_path):
    """Two inputs; the first has a reference of three times its size."""
    inputs = {}
    for number, key in enumerate("ab"):
        inputs[key] = tmp_path / f"{key}.png"
        PIL.Image.fromarray(photo(10, 12, number)).save(inputs[key])
    reference = tmp_path / "a_HR.png"
    PIL.Image.fromarray(photo(30, 36)).save(reference)
    return ImageSet(name="folder", inputs=inputs, references={"a": reference}, marks=())


def pixels(path):
    with PIL.Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("small", [True, False])
def test_outputs_have_the_size_of_their_reference_or_four_times_the_inputs(images, model, tmp_path, small):
    seen = []
    maker = Maker(name="ours", model=str(model) if small else BICUBIC)
    method = make_outputs(maker, images, tmp_path / "out", REQUEST, lambda *event: seen.append(event))
    assert method.outputs == {key: tmp_path / f"out/ours/{key}.png" for key in "ab"}
    assert [pixels(path).shape for path in method.outputs.values()] == [(30, 36, 3), (40, 48, 3)]
    assert seen == [("ours a", 1, 2), ("ours b", 2, 2)]


def test_bicubic_is_that_of_pillow(images, tmp_path):
    method = make_outputs(Maker(name="b", model=BICUBIC), images, tmp_path / "out", REQUEST)
    with PIL.Image.open(images.inputs["b"]) as image:
        expected = image.resize((48, 40), PIL.Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pixels(method.outputs["b"]), np.asarray(expected))


def test_what_exists_is_not_made_again(images, model, tmp_path):
    maker = Maker(name="ours", model=str(model))
    first = make_outputs(maker, images, tmp_path / "out", REQUEST)
    first.outputs["b"].unlink()
    kept, seen = first.outputs["a"].stat().st_mtime_ns, []
    make_outputs(maker, images, tmp_path / "out", REQUEST, lambda *event: seen.append(event))
    assert seen == [("ours b", 1, 1)]
    assert first.outputs["a"].stat().st_mtime_ns == kept
    assert first.outputs["b"].exists()


@pytest.mark.parametrize("change", ["seed", "model"])
def test_outputs_of_other_models_or_settings_are_never_mixed(images, model, tmp_path, change):
    make_outputs(Maker(name="ours", model=str(model)), images, tmp_path / "out", REQUEST)
    request, folder = REQUEST, model
    if change == "seed":
        request = UpscaleRequest(depth="8", alpha="drop", metadata="strip", seed=1)
    else:
        folder = tmp_path / "other"
        small_pipeline(seed=1).save_pretrained(folder)
    with pytest.raises(DataError, match=r"another model or other settings .*--outputs"):
        make_outputs(Maker(name="ours", model=str(folder)), images, tmp_path / "out", request)


def test_how_they_were_made_is_written_beside_them(images, tmp_path):
    make_outputs(Maker(name="b", model=BICUBIC), images, tmp_path / "out", REQUEST)
    made_by = json.loads((tmp_path / "out/b/made_by.json").read_text())
    assert made_by["model"] == BICUBIC
    assert made_by["seed"] == 0
    assert "width" not in made_by


def test_a_folder_of_something_else_is_left_alone(images, tmp_path):
    (tmp_path / "out/b").mkdir(parents=True)
    (tmp_path / "out/b/mine.png").touch()
    with pytest.raises(DataError, match="not made here"):
        make_outputs(Maker(name="b", model=BICUBIC), images, tmp_path / "out", REQUEST)
    with pytest.raises(InputError, match="cannot name a folder"):
        make_outputs(Maker(name="../b", model=BICUBIC), images, tmp_path / "out", REQUEST)

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from small_models import photo

import linearsr
import linearsr.api
from linearsr.errors import InputError, OutputError
from linearsr.files import LossWarning
from linearsr.imaging.codec import decode


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.png"
    PIL.Image.fromarray(photo(9, 14)).save(path)
    return path


def test_file_and_image_give_the_same_result(model, source):
    from_file = linearsr.upscale(source, model=model)
    assert from_file.size == (56, 36)
    for other in (str(source), PIL.Image.fromarray(photo(9, 14)), photo(9, 14)):
        assert np.array_equal(np.asarray(linearsr.upscale(other, model=str(model))), np.asarray(from_file))


def test_output_holds_what_is_returned(model, source, tmp_path):
    result = linearsr.upscale(source, tmp_path / "new/out.png", scale=2, seed=3, model=model)
    assert result.size == (28, 18)
    assert np.array_equal(decode(tmp_path / "new/out.png").color, np.asarray(result))
    assert not np.array_equal(np.asarray(linearsr.upscale(source, scale=2, model=model)), np.asarray(result))


def test_sixteen_bits_and_alpha_go_to_the_file_while_eight_bits_are_returned(model, tmp_path):
    pixels = np.dstack((photo(9, 14), photo(9, 14, 1)[..., 0])).astype(np.uint16) * 257
    result = linearsr.upscale(pixels, tmp_path / "out.png", model=model)
    assert result.mode == "RGBA"
    written = decode(tmp_path / "out.png")
    assert written.depth == 16
    assert written.alpha is not None
    with pytest.warns(LossWarning, match="no alpha"), pytest.warns(LossWarning, match="8 bits"):
        linearsr.upscale(pixels, tmp_path / "out.jpg", model=model)


def test_nothing_is_overwritten_unasked(model, source, tmp_path):
    output = tmp_path / "out.png"
    output.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"out\.png exists"):
        linearsr.upscale(source, output, model=model)
    assert output.read_bytes() == b"mine"
    linearsr.upscale(source, output, model=model, overwrite=True)
    assert decode(output).width == 56


def test_model_is_loaded_once(model, source):
    linearsr.api._pipeline.cache_clear()
    for _ in range(3):
        linearsr.upscale(source, model=model)
    assert linearsr.api._pipeline.cache_info().misses == 1


@pytest.mark.parametrize("wrong", [{"image": "missing.png"}, {"model": "nonsense"}, {"scale": 1000}])
def test_what_is_wrong_is_an_input_error(model, source, wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        linearsr.upscale(**({"image": source, "model": model} | wrong))

import numpy as np
import PIL.Image
import pytest
from small_models import photo

from linearsr.errors import DataError, ImageError
from linearsr.evaluation.folders import check_complete, find_images, read_pixels


def test_keys_are_stems_less_the_first_ending_that_fits(tmp_path):
    for name in ("a_LR4.png", "b_HR.webp", "c.JPG", "notes.txt"):
        (tmp_path / name).touch()
    assert sorted(find_images(tmp_path, ("_LR4", "_HR"))) == ["a", "b", "c"]
    assert find_images(tmp_path)["a_LR4"] == tmp_path / "a_LR4.png"


def test_an_empty_folder_and_a_doubled_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="no image"):
        find_images(tmp_path)
    (tmp_path / "a.png").touch()
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match="have one name"):
        find_images(tmp_path)


def test_missing_counterparts_are_counted_and_named(tmp_path):
    wanted = dict.fromkeys("abcde", tmp_path)
    check_complete(wanted, wanted, "ours")
    with pytest.raises(DataError, match=r"ours lacks 4 of 5 images \(b, c, d, \.\.\.\)"):
        check_complete(wanted, {"a": tmp_path}, "ours")
    with pytest.raises(DataError, match=r"lacks 1 of 5 images \(e\)"):
        check_complete(wanted, dict.fromkeys("abcd", tmp_path), "ours")


def test_pixels_are_eight_bit_rgb_whatever_the_file(tmp_path):
    gray = photo(8, 9)[..., 0]
    PIL.Image.fromarray(gray).save(tmp_path / "gray.png")
    pixels = read_pixels(tmp_path / "gray.png")
    np.testing.assert_array_equal(pixels, np.repeat(gray[..., None], 3, -1))


def test_a_damaged_or_missing_file_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n then nothing")
    with pytest.raises(ImageError, match=r"broken.png: the PNG is damaged"):
        read_pixels(tmp_path / "broken.png")
    with pytest.raises(ImageError, match=r"cannot read .*gone.png"):
        read_pixels(tmp_path / "gone.png")

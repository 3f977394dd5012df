import PIL.Image
import pytest
from small_models import photo

from linearsr.errors import DataError
from linearsr.evaluation.metrics import choose_metrics
from linearsr.evaluation.runner import evaluate_folder

PSNR = choose_metrics(["psnr"], weights=None)


@pytest.fixture
def folders(tmp_path):
    for folder in ("ours", "hr"):
        (tmp_path / folder).mkdir()
        for seed in range(2):
            PIL.Image.fromarray(photo(20, 24, seed)).save(tmp_path / folder / f"{seed}.png")
    return tmp_path / "ours", tmp_path / "hr"


def test_outputs_are_matched_by_name_whatever_the_format(folders):
    ours, hr = folders
    (ours / "0.png").rename(ours / "0.PNG")
    PIL.Image.fromarray(photo(20, 24, 1)).save(hr / "1.webp", lossless=True)
    (hr / "1.png").unlink()
    seen = []
    scores = evaluate_folder(ours, hr, PSNR, lambda *event: seen.append(event))
    assert scores.method == "ours"
    assert scores.images == {"0": {"psnr": float("inf")}, "1": {"psnr": float("inf")}}
    assert seen == [("0", 1, 2), ("1", 2, 2)]


def test_outputs_without_a_reference_do_not_count(folders):
    ours, hr = folders
    (hr / "1.png").unlink()
    assert list(evaluate_folder(ours, hr, PSNR).images) == ["0"]


def test_a_missing_output_is_an_error_and_not_another_mean(folders):
    ours, hr = folders
    (ours / "1.png").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of 2 outputs \(1"):
        evaluate_folder(ours, hr, PSNR)


def test_other_sizes_are_refused(folders):
    ours, hr = folders
    PIL.Image.new("RGB", (12, 20)).save(ours / "0.png")
    with pytest.raises(DataError, match="12x20, its reference is 24x20"):
        evaluate_folder(ours, hr, PSNR)


def test_images_too_small_for_a_metric_are_refused(folders):
    with pytest.raises(DataError, match="24x20, ms_ssim needs 176"):
        evaluate_folder(*folders, choose_metrics(["ms_ssim"], weights=None))


def test_an_empty_folder_and_a_doubled_name_are_refused(folders, tmp_path):
    ours, hr = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        evaluate_folder(tmp_path / "empty", hr, PSNR)
    PIL.Image.new("RGB", (24, 20)).save(ours / "0.jpg")
    with pytest.raises(DataError, match="have one name"):
        evaluate_folder(ours, hr, PSNR)

import PIL.Image
import pytest
from small_models import photo

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.choice import choose_metrics
from linearsr.evaluation.folders import Method, find_images
from linearsr.evaluation.runner import evaluate

PSNR = choose_metrics(["psnr"], weights=None)


@pytest.fixture
def folders(tmp_path):
    for folder in ("ours", "hr"):
        (tmp_path / folder).mkdir()
        for seed in range(2):
            PIL.Image.fromarray(photo(20, 24, seed)).save(tmp_path / folder / f"{seed}.png")
    return tmp_path / "ours", tmp_path / "hr"


def run(ours, hr, metrics=PSNR, on_image=None):
    references = {} if hr is None else find_images(hr)
    (scores,) = evaluate([Method(name="ours", outputs=find_images(ours))], references, metrics, on_image)
    return scores


def test_outputs_are_matched_by_name_whatever_the_format(folders):
    ours, hr = folders
    (ours / "0.png").rename(ours / "0.PNG")
    PIL.Image.fromarray(photo(20, 24, 1)).save(hr / "1.webp", lossless=True)
    (hr / "1.png").unlink()
    seen = []
    scores = run(ours, hr, on_image=lambda *event: seen.append(event))
    assert scores.method == "ours"
    assert scores.images == {"0": {"psnr": float("inf")}, "1": {"psnr": float("inf")}}
    assert seen == [("0", 1, 2), ("1", 2, 2)]


def test_features_of_a_reference_serve_all_methods_and_only_for_that_image(tmp_path, perceptual):
    for folder in ("a", "b", "hr"):
        (tmp_path / folder).mkdir()
        for seed in range(2):
            picture = photo(64, 64, seed) // (2 if folder == "b" else 1)
            PIL.Image.fromarray(picture).save(tmp_path / folder / f"{seed}.png")
    methods = [Method(name=name, outputs=find_images(tmp_path / name)) for name in ("a", "b")]
    a, b = evaluate(methods, find_images(tmp_path / "hr"), choose_metrics(["lpips"], weights=perceptual))
    assert a.column("lpips") == pytest.approx([0, 0], abs=1e-6)
    assert min(b.column("lpips")) > 1e-3


def test_outputs_without_a_reference_do_not_count(folders):
    ours, hr = folders
    (hr / "1.png").unlink()
    assert list(run(ours, hr).images) == ["0"]


def test_a_missing_output_is_an_error_and_not_another_mean(folders):
    ours, hr = folders
    (ours / "1.png").unlink()
    with pytest.raises(DataError, match=r"ours lacks 1 of 2 images \(1"):
        run(ours, hr)


def test_other_sizes_are_refused(folders):
    ours, hr = folders
    PIL.Image.new("RGB", (12, 20)).save(ours / "0.png")
    with pytest.raises(DataError, match="12x20, its reference is 24x20"):
        run(ours, hr)


def test_images_too_small_for_a_metric_are_refused(folders):
    with pytest.raises(DataError, match="24x20, ms_ssim needs 176"):
        run(*folders, choose_metrics(["ms_ssim"], weights=None))


def test_methods_without_references_must_have_the_same_images(tmp_path, perceptual):
    methods = []
    for name, seeds in (("a", (0, 1)), ("b", (1,))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            PIL.Image.fromarray(photo(48, 40, seed)).save(tmp_path / name / f"{seed}.png")
        methods.append(Method(name=name, outputs=find_images(tmp_path / name)))
    with pytest.raises(DataError, match=r"b lacks 1 of 2 images \(0\)"):
        evaluate(methods, {}, choose_metrics(["brisque"], weights=perceptual))


def test_without_references_every_output_counts_for_metrics_that_need_none(tmp_path, perceptual):
    for seed in range(2):
        PIL.Image.fromarray(photo(48, 40, seed)).save(tmp_path / f"{seed}.png")
    scores = run(tmp_path, None, choose_metrics(["brisque"], weights=perceptual))
    assert list(scores.images) == ["0", "1"]
    with pytest.raises(ConfigError, match="no references for psnr"):
        run(tmp_path, None)

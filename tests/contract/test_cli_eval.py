import csv
import json
import sys
from pathlib import Path

import PIL.Image
import pytest
from small_models import photo

from linearsr.cli.main import run


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """References in ``hr``, the same in ``same``, blurred ones in ``soft``, and a set with inputs in ``set``."""
    monkeypatch.chdir(tmp_path)
    for name in ("hr", "same", "soft", "set/lr", "set/hr"):
        Path(name).mkdir(parents=True)
        for seed in range(3):
            image = PIL.Image.fromarray(photo(72, 80, seed))
            if name == "soft":
                image = image.resize((20, 18)).resize((80, 72))
            if name == "set/lr":
                image = image.resize((20, 18))
            image.save(f"{name}/{seed}.png")


def test_the_table_names_every_method(folders, capsys):
    assert run(["eval", "soft", "perfect=same", "-r", "hr", "-m", "psnr_rgb,ssim_rgb,gmsd"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "| method | images | psnr_rgb ↑ | ssim_rgb ↑ | gmsd ↓ |"
    assert lines[2].startswith("| soft | 3 | ")
    assert lines[3].startswith("| perfect | 3 | inf")
    assert "3/3" in captured.err


def test_metrics_with_weights_read_them_from_a_folder(folders, perceptual, capsys):
    metrics = "lpips, lpips_vgg, dists, brisque"
    assert run(["eval", "soft", "-r", "hr", "-m", metrics, "--weights", str(perceptual), "-f", "json", "-q"]) == 0
    captured = capsys.readouterr()
    means = json.loads(captured.out)["means"]["soft"]
    assert means["lpips"]["value"] > 0
    assert list(means) == ["lpips", "lpips_vgg", "dists", "brisque"]
    assert captured.err == ""


def test_without_a_reference_there_are_metrics_that_need_none(folders, perceptual, capsys):
    assert run(["eval", "soft", "-m", "brisque", "--weights", str(perceptual)]) == 0
    assert capsys.readouterr().out.startswith("| method | images | brisque ↓ |")
    assert run(["eval", "soft"]) == 1
    assert "no references for psnr, ssim" in capsys.readouterr().err


def test_the_border_is_left_out(folders, capsys):
    frame = PIL.Image.fromarray(photo(72, 80))
    frame.paste("black", (0, 0, 80, 2))
    Path("framed").mkdir()
    frame.save("framed/0.png")
    Path("one").mkdir()
    PIL.Image.fromarray(photo(72, 80)).save("one/0.png")
    for border, perfect in (("0", False), ("2", True)):
        assert run(["eval", "framed", "-r", "one", "-m", "psnr", "--border", border]) == 0
        assert ("inf" in capsys.readouterr().out) is perfect


def test_each_file_has_the_format_of_its_suffix(folders, capsys):
    files = ["table.md", "values.csv", "all.json", "page.html", "odd.txt"]
    arguments = [part for name in files for part in ("-o", name)]
    assert run(["eval", "soft", "same", "-r", "hr", *arguments, "--crops", "2"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("table.md").read_text() == Path("odd.txt").read_text()
    assert Path("table.md").read_text().startswith("| method |")
    assert len(list(csv.DictReader(Path("values.csv").read_text().splitlines()))) == 6
    values = json.loads(Path("all.json").read_text())
    assert "soft" in values["means"]
    assert values["command"].startswith("linearsr eval soft same -r hr -o table.md")
    page = Path("page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("<img") == 2 * 3  # two places, each as soft, same and reference show it


def test_a_format_that_is_asked_for_goes_before_the_suffix(folders):
    assert run(["eval", "soft", "-r", "hr", "-f", "csv", "-o", "values.txt"]) == 0
    assert Path("values.txt").read_text().startswith("method,image,psnr,ssim\n")


def test_a_page_may_be_without_crops(folders, capsys):
    assert run(["eval", "soft", "-r", "hr", "-f", "html", "--crops", "0"]) == 0
    assert "<img" not in capsys.readouterr().out


def test_a_report_is_never_written_over_another_unasked(folders, capsys):
    assert run(["eval", "soft", "-r", "hr", "-o", "report.md"]) == 0
    assert run(["eval", "same", "-r", "hr", "-o", "report.md"]) == 1
    assert "1/3" not in capsys.readouterr().err.rpartition("report.md exists")[2], "nothing is measured in vain"
    assert "soft" in Path("report.md").read_text()
    assert run(["eval", "same", "-r", "hr", "-o", "report.md", "--overwrite"]) == 0
    assert "same" in Path("report.md").read_text()


def test_methods_are_tested_against_one_of_them(folders, capsys):
    assert run(["eval", "soft", "same", "-r", "hr", "-m", "ssim", "--against", "soft"]) == 0
    assert "| ssim | same | soft | 3 | 3 | " in capsys.readouterr().out


def test_a_set_known_by_name_is_upscaled_measured_and_kept(folders, model, capsys):
    arguments = ["eval", "--dataset", "folder", "--root", "set", "--upscale", f"ours={model}", "--upscale", "bicubic"]
    assert run([*arguments, "-m", "psnr", "-o", "first.json"]) == 0
    captured = capsys.readouterr()
    assert "3/3 ours 2" in captured.err
    assert sorted(path.name for path in Path("outputs/ours").glob("*.png")) == ["0.png", "1.png", "2.png"]
    assert run([*arguments, "-m", "psnr", "-o", "second.json"]) == 0
    assert "ours 2" not in capsys.readouterr().err, "nothing is made again"
    first, second = (json.loads(Path(f"{name}.json").read_text()) for name in ("first", "second"))
    assert first["images"] == second["images"]


@pytest.mark.parametrize("option", [("--steps", "1"), ("--seed", "7")])
def test_how_outputs_are_made_can_be_chosen(folders, model, option):
    arguments = ["eval", "--dataset", "folder", "--root", "set", "--upscale", f"ours={model}", "-m", "psnr", "-q"]
    assert run([*arguments, "--outputs", "default", "-o", "default.json"]) == 0
    assert run([*arguments, "--outputs", "other", *option, "-o", "other.json"]) == 0
    default, other = (json.loads(Path(f"{name}/ours/made_by.json").read_text()) for name in ("default", "other"))
    assert (default[option[0][2:]], other[option[0][2:]]) == ({"steps": 4, "seed": 0}[option[0][2:]], int(option[1]))
    assert Path("default.json").read_text() != Path("other.json").read_text()


def test_the_device_of_upscaling_is_checked(folders, model, capsys):
    arguments = ["eval", "--dataset", "folder", "--root", "set", "--upscale", f"ours={model}", "--device", "tpu"]
    assert run(arguments) == 1
    assert "tpu" in capsys.readouterr().err


def test_a_set_of_another_size_than_published_is_measured_with_a_warning(folders, capsys):
    arguments = ["eval", "m=soft", "--dataset", "div2k-val", "--root", "set", "-m", "psnr"]
    assert run(arguments) == 0
    assert "warning: div2k-val has 100 or 3,000 images, 3 are here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["soft", "-r", "nowhere"], "no image in nowhere"),
        (["soft", "-r", "hr", "-m", "lpips"], "recipes/perceptual_weights.py"),
        (["soft", "-r", "hr", "-m", "musiq"], "pip install pyiqa"),
        (["-r", "hr"], "name folders of outputs"),
        (["soft", "soft", "-r", "hr"], "not one or more different names"),
        (["soft", "-r", "hr", "--dataset", "folder", "--root", "set"], "exclude each other"),
        (["soft", "--dataset", "folder"], "--dataset and --root belong together"),
        (["soft", "--dataset", "realsr", "--root", "hr"], "test_LR/ and test_HR/"),
        (["-r", "hr", "--upscale", "bicubic"], "--upscale has no inputs"),
        (["soft", "-r", "hr", "--against", "soft"], "nothing to test against"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_error(folders, capsys, monkeypatch, arguments, message):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    assert run(["eval", *arguments]) == 1
    assert message in capsys.readouterr().err

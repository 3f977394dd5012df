import json
from pathlib import Path

import PIL.Image
import pytest
from small_models import photo

from linearsr.cli.main import run


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """References in ``hr``, the same in ``same``, and blurred ones in ``soft``."""
    monkeypatch.chdir(tmp_path)
    for name in ("hr", "same", "soft"):
        Path(name).mkdir()
        for seed in range(2):
            image = PIL.Image.fromarray(photo(72, 80, seed))
            if name == "soft":
                image = image.resize((20, 18)).resize((80, 72))
            image.save(f"{name}/{seed}.png")


def test_the_table_names_every_method(folders, capsys):
    assert run(["eval", "soft", "same", "-r", "hr", "-m", "psnr_rgb,ssim"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[2].startswith("| soft | 2 | ")
    assert lines[3].startswith("| same | 2 | inf")
    assert "2/2" in captured.err


def test_learned_metrics_read_their_networks_from_a_folder(folders, perceptual, capsys):
    arguments = ["eval", "soft", "-r", "hr", "-m", "lpips, dists", "--weights", str(perceptual), "-f", "json", "-q"]
    assert run(arguments) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["means"]["soft"]["lpips"]["value"] > 0
    assert captured.err == ""


def test_the_report_is_written_whole_and_never_over_another_unasked(folders, capsys):
    assert run(["eval", "soft", "-r", "hr", "-o", "report.md"]) == 0
    assert run(["eval", "same", "-r", "hr", "-o", "report.md"]) == 1
    assert "soft" in Path("report.md").read_text()
    assert run(["eval", "same", "-r", "hr", "-o", "report.md", "--overwrite"]) == 0
    assert "same" in Path("report.md").read_text()


@pytest.mark.parametrize("arguments", [["soft"], ["soft", "-r", "nowhere"], ["soft", "-r", "hr", "-m", "lpips"]])
def test_what_cannot_be_measured_is_an_error(folders, capsys, arguments):
    assert run(["eval", *arguments]) == 1
    assert capsys.readouterr().err

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import PIL.Image
import pytest
from recipes_folder import load_recipe

from linearsr.cli.main import VERBS, run
from linearsr.cli.process import SPINS


def test_help_lists_every_verb_without_importing_torch():
    code = (
        "import sys; from linearsr.cli.main import run; status = run(['--help']); "
        "assert 'torch' not in sys.modules and 'pyvips' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(verb in done.stdout for verb in VERBS)


def test_help_answers_at_once():
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "linearsr", "--help"], capture_output=True, check=True)
    # R26 asks for 0.5 s on a quiet machine; the bound here only catches an import of torch (seconds).
    assert time.perf_counter() - started < 2


def test_the_process_is_prepared_before_torch_is_imported():
    code = (
        "import os, sys, linearsr.cli.main as cli\n"
        "cli.run = lambda arguments: print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])\n"
        "cli.main([])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["False", SPINS]


def test_version_is_printed(capsys):
    import linearsr

    assert run(["--version"]) == 0
    assert linearsr.__version__ in capsys.readouterr().out


def test_an_unknown_verb_is_named(capsys):
    assert run(["enlarge"]) == 1
    assert "enlarge" in capsys.readouterr().err


def test_the_reference_page_is_what_the_commands_say():
    page = Path(__file__).parents[2] / "docs/reference/cli.md"
    assert page.read_text() == load_recipe("cli_reference").render(), "run `make docs`"


def test_every_option_of_every_verb_has_help_or_says_itself_what_it_takes():
    from linearsr.cli.main import cli

    context = click.Context(cli)
    commands = [cli.get_command(context, verb) for verb in VERBS]
    for command in commands:
        commands += getattr(command, "commands", {}).values()
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or isinstance(parameter.type, click.Choice) or parameter.show_default, parameter


def test_models_lists_the_embedded_default(capsys):
    assert run(["models"]) == 0
    assert "tiny (default)" in capsys.readouterr().out
    run(["models", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "tiny"
    assert 0 < row["megabytes"] <= 64


def test_doctor_finds_the_installation_whole(capsys):
    assert run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok") for line in lines)
    assert any("model tiny" in line and "whole" in line for line in lines)


def test_doctor_reports_damaged_weights(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("linearsr.cli.doctor.embedded_folder", lambda name: tmp_path)
    assert run(["doctor", "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)
    assert checks["torch"]["ok"]
    assert not checks["model tiny"]["ok"]
    assert "model_index.json" in checks["model tiny"]["detail"]


def test_compare_puts_pictures_side_by_side(photos, capsys):
    PIL.Image.new("RGB", (52, 40), "red").save("large.png")
    assert run(["compare", "one.png", "large.png", "-o", "sheet.png"]) == 0
    assert "one.png | large.png" in capsys.readouterr().out
    with PIL.Image.open("sheet.png") as sheet:
        assert sheet.width == 2 * 52 + 8
        assert sheet.getpixel((sheet.width - 5, sheet.height - 5)) == (255, 0, 0)


def test_compare_crops_the_same_part_of_every_picture(photos, capsys):
    image = PIL.Image.new("RGB", (40, 40), "red")
    image.paste("blue", (20, 20, 40, 40))
    image.save("quarters.png")
    assert run(["compare", "quarters.png", "quarters.png", "-o", "s.png", "--crop", "0.5,0.5,0.5,0.5"]) == 0
    with PIL.Image.open("s.png") as sheet:
        assert {sheet.getpixel((x, sheet.height - 2)) for x in (2, sheet.width - 2)} == {(0, 0, 255)}


@pytest.mark.parametrize(
    "options",
    [("--crop", "1,2"), ("--crop", "0,0,1.5,1"), ("--crop", "0,0,0,1"), ("--labels", "only one"), ("-o", "one.png")],
)
def test_compare_refuses_what_it_cannot_do(photos, capsys, options):
    before = Path("one.png").read_bytes()
    assert run(["compare", "one.png", "one.png", "-o", "sheet.png", *options]) == 1
    assert capsys.readouterr().err
    assert Path("one.png").read_bytes() == before

"""What the README and the guides show is run, with the embedded model, on the example photo."""

import re
import shlex
import shutil
from pathlib import Path

import PIL.Image
import pytest
from training_photos import write_shards

from linearsr.cli.main import run

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md")))


def snippets(language):
    return [
        pytest.param(code, id=f"{page.name}-{number}")
        for page in PAGES
        for number, code in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL))
    ]


@pytest.fixture
def desk(tmp_path, monkeypatch, perceptual):
    """A folder with the photos that the snippets name."""
    monkeypatch.chdir(tmp_path)
    Path("weights").symlink_to(perceptual)
    write_shards(Path("photos"))
    with PIL.Image.open(ROOT / "examples/chelsea.png") as image:
        image.resize((56, 37)).save("photo.png")
    Path("holiday/beach").mkdir(parents=True)
    for name in ("holiday/one.png", "holiday/beach/two.png"):
        shutil.copy("photo.png", name)
    for side, width in (("lr", 24), ("hr", 96)):
        Path(f"mine/{side}").mkdir(parents=True)
        with PIL.Image.open("photo.png") as image:
            for name in ("one", "two"):
                image.resize((width, width)).rotate(90 * (name == "two")).save(f"mine/{side}/{name}.png")
    return tmp_path


@pytest.mark.parametrize("code", snippets("python"))
def test_python_snippets_run(desk, code):
    exec(compile(code, "snippet", "exec"), {})


@pytest.mark.parametrize("code", [p for p in snippets("sh") if "linearsr " in p.values[0]])
def test_shell_snippets_run(desk, code):
    for line in code.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "linearsr"
        assert run(arguments) == 0, line


def test_the_make_commands_of_the_readme_exist():
    targets = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert all(f"\n{target}: " in makefile for target in targets)


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link

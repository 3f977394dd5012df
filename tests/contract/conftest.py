import pytest
from small_models import photo

from linearsr.cli.main import run


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder with photos in ``in/`` (two good, one broken, one below) and ``one.png``."""
    import PIL.Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "in/below").mkdir(parents=True)
    for seed, name in enumerate(("in/a.png", "in/b.jpg", "in/below/c.webp", "one.png")):
        PIL.Image.fromarray(photo(10, 13, seed)).save(tmp_path / name)
    (tmp_path / "in/broken.png").write_bytes(b"not an image")
    return tmp_path


@pytest.fixture
def linearsr(model, capsysbinary):
    """Run a verb with the small model; returns (status, standard output, standard error) as text."""

    def call(verb, *arguments):
        status = run([verb, *map(str, arguments), *(("--model", str(model)) if verb != "compare" else ())])
        captured = capsysbinary.readouterr()
        return status, captured.out, captured.err.decode()

    return call

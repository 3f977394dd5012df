import json

import pytest
from small_ram import TAGS, write_ram

from linearsr.cli.main import run


@pytest.fixture
def tag(photos, capsys):
    def call(*arguments):
        status = run(["tag", *arguments])
        return status, *capsys.readouterr()

    return call


def test_every_image_gets_a_line_and_a_bad_one_status_2(tag):
    status, out, err = tag("in", "-r")
    assert status == 2
    assert sorted(line.split(": ")[0] for line in out.splitlines()) == ["in/a.png", "in/b.jpg", "in/below/c.webp"]
    assert "failed: in/broken.png" in err


def test_json_has_tags_with_scores(tag):
    status, out, _ = tag("one.png", "in/broken.png", "--json")
    good, bad = json.loads(out)
    assert status == 2
    assert good["input"] == "one.png"
    assert all(0 < found["score"] <= 1 and found["tag"] for found in good["tags"])
    assert bad["code"] == "unsupported_format"


def test_standard_input_is_an_image_too(tag, monkeypatch, photos):
    from io import BytesIO, TextIOWrapper

    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO((photos / "one.png").read_bytes())))
    status, out, _ = tag("-")
    assert status == 0
    assert out.startswith("standard input: ")


def test_known_tags_can_be_listed(tag):
    status, out, _ = tag("--list")
    assert status == 0
    assert "dog" in out.splitlines()
    assert json.loads(tag("--list", "--json")[1]) == out.splitlines()


def test_nothing_to_do_is_an_error(tag):
    status, _, err = tag()
    assert status == 1
    assert "no image is named" in err


def test_a_tagger_of_ones_own_can_be_named(tag, photos):
    write_ram(photos / "ram")
    (photos / "ram/ram_tag_list_threshold.txt").write_text("0\n0\n0\n")
    status, out, _ = tag("one.png", "--tagger", "ram", "--json")
    assert status == 0
    assert {found["tag"] for found in json.loads(out)[0]["tags"]} == set(TAGS)
    status, out, err = tag("one.png", "--tagger", "in")
    assert (status, out) == (1, "")
    assert "0 checkpoints" in err

from pathlib import Path

import pytest

from linearsr.cli.inputs import Found, find_inputs
from linearsr.errors import InputError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("a.png", "b.JPG", "notes.txt", "sub/c.webp", "sub/deep/d.tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(found):
    return [image.path.name for image in found]


def test_a_folder_gives_its_images_in_order(tree):
    found = find_inputs(["."])
    assert names(found) == ["a.png", "b.JPG"]
    assert all(image.scanned for image in found)


def test_recursion_keeps_the_tree(tree):
    found = find_inputs(["."], recursive=True)
    assert [str(image.below) for image in found] == [".", ".", "sub", "sub/deep"]


def test_a_glob_takes_what_it_matches_whatever_the_ending(tree):
    assert names(find_inputs(["*.[pt]*"])) == ["a.png", "notes.txt"]


def test_a_recursive_glob_descends(tree):
    assert names(find_inputs(["**/*.tif"], recursive=True)) == ["d.tif"]


def test_a_list_names_files_folders_and_globs(tree):
    Path("list.txt").write_text("# comment\n\na.png\nsub\n*.JPG\n")
    assert names(find_inputs(["@list.txt"])) == ["a.png", "c.webp", "b.JPG"]


def test_a_file_whose_name_starts_with_an_at_sign_is_a_file(tree):
    Path("@odd.png").write_bytes(b"x")
    assert names(find_inputs(["@odd.png"])) == ["@odd.png"]


def test_a_file_with_brackets_in_its_name_is_a_file(tree):
    Path("a[1].png").write_bytes(b"x")
    assert names(find_inputs(["a[1].png"])) == ["a[1].png"]


def test_an_image_named_twice_is_taken_once(tree):
    assert names(find_inputs(["a.png", "a.png"])) == ["a.png"]


def test_a_missing_file_is_kept_for_the_report(tree):
    assert find_inputs(["missing.png"]) == [Found(Path("missing.png"))]


def test_standard_input_has_no_path():
    (image,) = find_inputs(["-"])
    assert image.path is None
    assert image.name == "standard input"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no input image"),
        (["*.gif"], "nothing matches"),
        (["empty"], "no image in the folder"),
        (["-", "a.png"], "cannot be mixed"),
        (["@missing.txt"], "cannot read the list"),
        (["@nested.txt"], "holds '@list.txt'"),
    ],
)
def test_an_argument_that_names_nothing_is_an_error(tree, arguments, message):
    Path("empty").mkdir()
    Path("nested.txt").write_text("@list.txt\n")
    with pytest.raises(InputError, match=message):
        find_inputs(arguments)

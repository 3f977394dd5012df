from pathlib import Path

import PIL.Image
import pytest

from linearsr.cli.inputs import find_inputs
from linearsr.cli.plan import Placement, make_plan
from linearsr.errors import InputError
from linearsr.request import UpscaleRequest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("in/a.png", "in/b.jpg", "c.png"):
        PIL.Image.new("RGB", (6, 4)).save(name)
    return tmp_path


def plan(inputs, *, request=None, recursive=False, **placement):
    found = find_inputs(inputs, recursive=recursive)
    return make_plan(found, Placement(**placement), request or UpscaleRequest())


def targets(inputs, **options):
    return [str(job.target) for job in plan(inputs, **options).jobs]


def test_without_an_output_the_result_lies_beside_the_input():
    assert targets(["c.png", "in"]) == ["c_x4.png", "in/a_x4.png", "in/b_x4.jpg"]


def test_an_output_file_fixes_name_and_format():
    (job,) = plan(["c.png"], output="new/result.webp").jobs
    assert (str(job.target), job.format.name) == ("new/result.webp", "webp")


def test_an_output_folder_keeps_names_and_formats():
    assert targets(["in"], output="out") == ["out/a.png", "out/b.jpg"]


def test_an_output_folder_keeps_the_tree_of_a_recursive_scan():
    assert targets(["."], output="out", recursive=True) == ["out/c.png", "out/in/a.png", "out/in/b.jpg"]


def test_suffix_and_format_shape_the_name():
    assert targets(["in"], output="out", suffix="-big", format="tiff") == ["out/a-big.tiff", "out/b-big.tiff"]


def test_the_format_follows_the_content_and_not_the_extension():
    Path("lying.jpg").write_bytes(Path("c.png").read_bytes())
    assert targets(["lying.jpg"]) == ["lying_x4.png"]


def test_the_size_is_known_before_anything_is_computed():
    (job,) = plan(["c.png"], request=UpscaleRequest(width=30)).jobs
    assert job.size == (30, 20)


def test_results_that_exist_are_skipped_for_folders_only():
    for name in ("in/a_x4.png", "c_x4.png"):
        Path(name).write_bytes(b"kept")
    found = plan(["in", "c.png"])
    assert found.skipped == [
        ("in/a.png", "in/a_x4.png exists"),
        ("in/a_x4.png", "it is a result of an earlier run"),
    ]
    assert [name for name, _ in found.failures] == ["c.png"]


def test_a_scan_takes_a_file_with_the_suffix_that_no_input_explains():
    PIL.Image.new("RGB", (6, 4)).save("in/own_x4.png")
    assert "in/own_x4_x4.png" in targets(["in"])


def test_an_existing_result_is_an_error_unless_told_otherwise():
    Path("c_x4.png").write_bytes(b"kept")
    assert plan(["c.png"]).failures[0][1].code == "bad_output"
    assert plan(["c.png"], skip_existing=True).skipped == [("c.png", "c_x4.png exists")]
    assert len(plan(["c.png"], overwrite=True).jobs) == 1


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_input_is_never_the_output(overwrite):
    Path("link.png").hardlink_to("c.png")
    for output in ("c.png", "link.png"):
        (failure,) = plan(["c.png"], output=output, overwrite=overwrite).failures
        assert "the input itself" in str(failure[1])


def test_two_inputs_for_one_output_are_told_apart():
    PIL.Image.new("RGB", (6, 4)).save("in/a.jpg")
    found = plan(["in/a.png", "in/a.jpg"], output="out", format="png")
    assert len(found.jobs) == 1
    assert "would both become out/a.png" in str(found.failures[0][1])


def test_bad_files_are_kept_apart_from_the_rest():
    Path("in/broken.png").write_bytes(b"not an image")
    found = plan(["in", "missing.png"])
    assert len(found.jobs) == 2
    assert [name for name, _ in found.failures] == ["in/broken.png", "missing.png"]


def test_an_output_over_the_limit_is_refused():
    found = plan(["c.png"], request=UpscaleRequest(width=65_000, height=65_000))
    assert found.failures[0][1].code == "image_too_large"


def test_standard_input_is_read_once_and_written_where_told(monkeypatch, folder):
    with Path("c.png").open("rb") as stream:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": stream}))
        (job,) = plan(["-"], output="-", format="jpg").jobs
    assert (job.target, job.format.name, job.name) == (None, "jpg", "standard input")
    assert job.source == Path("c.png").read_bytes()


@pytest.mark.parametrize(
    ("inputs", "placement", "message"),
    [
        (["-"], {}, "no name to derive an output from"),
        (["-"], {"output": "folder"}, "needs a file name"),
        (["in"], {"output": "-"}, "cannot go to standard output"),
        (["in"], {"output": "c.png"}, "is a file"),
        (["c.png"], {"overwrite": True, "skip_existing": True}, "exclude each other"),
        (["c.png"], {"suffix": "../x"}, "path separator"),
    ],
)
def test_contradictions_are_errors_before_anything_starts(inputs, placement, message):
    with pytest.raises(InputError, match=message):
        plan(inputs, **placement)


def test_a_format_that_contradicts_the_output_name_is_an_error():
    (failure,) = plan(["c.png"], output="x.png", format="jpg").failures
    assert "contradicts" in str(failure[1])

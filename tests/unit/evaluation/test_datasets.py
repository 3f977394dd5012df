import PIL.Image
import pytest

from linearsr.cli.eval import DATASETS
from linearsr.errors import DataError, InputError
from linearsr.evaluation.datasets import LAYOUTS, open_dataset


def fill(root, folder, names, side=8):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        PIL.Image.new("RGB", (side, side)).save(root / folder / name)


def test_the_command_line_offers_every_set():
    assert tuple(LAYOUTS) == DATASETS


@pytest.mark.parametrize(
    ("name", "inputs", "references", "pair"),
    [
        ("realsr", "test_LR", "test_HR", ("Canon_001_LR4.png", "Canon_001_HR.png")),
        ("realsr", "lr", "hr", ("Canon_001_LR4.png", "Canon_001_LR4.png")),
        ("drealsr", "test_LR", "test_HR", ("DSC_1286_x4.png", "DSC_1286_x1.png")),
    ],
)
def test_the_two_of_a_pair_have_one_key(tmp_path, name, inputs, references, pair):
    fill(tmp_path, inputs, pair[:1], 128)
    fill(tmp_path, references, pair[1:], 512)
    images = open_dataset(name, tmp_path)
    key = pair[0].rsplit("_", 1)[0]
    assert images.inputs == {key: tmp_path / inputs / pair[0]}
    assert images.references == {key: tmp_path / references / pair[1]}
    assert "1 are here" in images.remark


def test_div2k_as_its_authors_publish_it(tmp_path):
    fill(tmp_path, "DIV2K_valid_LR_bicubic/X4", ["0801x4.png"])
    fill(tmp_path, "DIV2K_valid_HR", ["0801.png"])
    assert list(open_dataset("div2k-val", tmp_path).references) == ["0801"]


@pytest.mark.parametrize(("name", "folder", "count"), [("reallq250", "lq", 250), ("realset80", ".", 80)])
def test_sets_without_reference_with_all_their_images(tmp_path, name, folder, count):
    (tmp_path / folder).mkdir(exist_ok=True)
    for number in range(count):
        (tmp_path / folder / f"{number}.jpg").touch()
    images = open_dataset(name, tmp_path)
    assert len(images.inputs) == count
    assert images.references == {}
    assert images.remark is None


def test_a_folder_of_your_own_may_hold_pairs_or_just_images(tmp_path):
    fill(tmp_path, "mine", ["a.png"])
    assert list(open_dataset("folder", tmp_path / "mine").inputs) == ["a"]
    fill(tmp_path, "pairs/lq", ["a.png"])
    fill(tmp_path, "pairs/gt", ["a.webp"])
    images = open_dataset("folder", tmp_path / "pairs")
    assert images.references["a"].name == "a.webp"
    assert images.remark is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("realsr", r"not laid out as realsr; .*test_LR/ and test_HR/, or lr/ and hr/.*RealSRVal_crop128"),
        ("reallq250", r"not laid out as reallq250; .*lq/, or images.*DreamClear"),
    ],
)
def test_a_wrong_root_says_what_was_expected(tmp_path, name, expected):
    (tmp_path / "other").mkdir()
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=expected):
            open_dataset(name, root)


def test_crops_of_another_size_are_refused(tmp_path):
    fill(tmp_path, "lr", ["a_LR4.png"], 128)
    fill(tmp_path, "hr", ["a_HR.png"], 500)
    with pytest.raises(DataError, match="500x500, not 512x512"):
        open_dataset("realsr", tmp_path)


@pytest.mark.parametrize("lacking", ["lr", "hr"])
def test_half_a_pair_is_refused(tmp_path, lacking):
    for folder in ("lr", "hr"):
        fill(tmp_path, folder, ["a.png"] if folder == lacking else ["a.png", "b.png"])
    with pytest.raises(DataError, match=rf"{lacking} lacks 1 of 2 images \(b\)"):
        open_dataset("folder", tmp_path)

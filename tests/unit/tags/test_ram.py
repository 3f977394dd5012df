import pytest
import torch
from small_models import randn
from small_ram import TAGS, write_ram

from linearsr.errors import InputError, ModelError
from linearsr.tags.ram import load_ram_tagger


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ram"


def thresholds(folder, *values):
    (folder / "ram_tag_list_threshold.txt").write_text("\n".join(map(str, values)))


@pytest.mark.parametrize("descriptions", [1, 2])
def test_a_published_checkpoint_names_what_is_over_its_thresholds(folder, descriptions):
    network = write_ram(folder, descriptions=descriptions)
    image = randn(1, 3, 384, 384).sigmoid()
    with torch.inference_mode():
        (scores,) = network(image)
    thresholds(folder, 0.0, 1.0, 0.0)
    found = load_ram_tagger(folder).tag(image)
    assert {tag.name for tag in found} == {"aardvark", "zebra"}
    assert [tag.score for tag in found] == sorted((float(scores[0]), float(scores[2])), reverse=True)


def test_any_size_is_taken_and_thresholds_have_a_default(folder):
    write_ram(folder)
    assert all(tag.score > 0.68 for tag in load_ram_tagger(folder).tag(torch.zeros(1, 3, 5, 900)))


def test_files_that_lack_or_do_not_belong_together_are_one_clear_error(folder):
    with pytest.raises(InputError, match="0 checkpoints"):
        load_ram_tagger(folder)
    write_ram(folder)
    thresholds(folder, 0.5)
    with pytest.raises(ModelError, match=f"1 thresholds for {len(TAGS)} tags"):
        load_ram_tagger(folder)
    thresholds(folder, *"abc")
    with pytest.raises(ModelError, match="could not convert"):
        load_ram_tagger(folder)
    (folder / "ram_tag_list.txt").unlink()
    with pytest.raises(InputError, match="ram_tag_list"):
        load_ram_tagger(folder)


def test_a_checkpoint_that_would_run_code_is_refused(folder):
    write_ram(folder)
    torch.save({"model": print}, folder / "ram.pth")
    with pytest.raises(ModelError, match="cannot read"):
        load_ram_tagger(folder)

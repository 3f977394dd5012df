import sys

import numpy as np
import pytest

from linearsr.errors import ConfigError, DataError
from linearsr.evaluation.choice import choose_metrics

FAKE = """
import torch

class Metric(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.name, self.lower_better = name, name == "pieapp"
        self.metric_mode = "FR" if name in ("pieapp", "psnr") else "NR"

    def forward(self, target, ref=None):
        for image in (target,) if ref is None else (target, ref):
            assert image.shape[:2] == (1, 3) and 0 <= image.min() <= image.max() <= 1
        assert (ref is None) == (self.metric_mode == "NR")
        return (target if ref is None else (target - ref).abs()).mean().reshape(1, 1)

def create_metric(name):
    assert name in ("musiq", "maniqa", "clipiqa+", "pieapp", "psnr", "broken"), f"Metric {name} not implemented yet."
    if name == "broken":
        raise OSError("no connection")
    return Metric(name)
"""
"""What of pyiqa 0.1.16 is used: its interface, without its networks."""


@pytest.fixture
def pyiqa(tmp_path, monkeypatch):
    (tmp_path / "pyiqa.py").write_text(FAKE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyiqa", raising=False)
    yield
    sys.modules.pop("pyiqa", None)


def test_a_metric_without_reference_sees_the_output_alone(pyiqa):
    (metric,) = choose_metrics(["musiq"], weights=None)
    assert (metric.name, metric.higher_is_better, metric.needs_reference) == ("musiq", True, False)
    white, black = np.full((40, 40, 3), 255, np.uint8), np.zeros((40, 40, 3), np.uint8)
    assert metric.measure(white, black) == 1


def test_a_metric_with_reference_sees_both_and_its_direction_is_theirs(pyiqa):
    (metric,) = choose_metrics(["pieapp"], weights=None)
    assert (metric.higher_is_better, metric.needs_reference) == (False, True)
    white, black = np.full((40, 40, 3), 255, np.uint8), np.zeros((40, 40, 3), np.uint8)
    assert metric.measure(white, black) == 1
    assert metric.measure(white, white) == 0


def test_a_prefix_asks_for_theirs_where_both_have_one(pyiqa):
    ours, theirs = choose_metrics(["psnr", "pyiqa:psnr"], weights=None)
    assert theirs.name == "pyiqa:psnr"
    image = np.zeros((40, 40, 3), np.uint8)
    assert ours.measure(image, image) == float("inf")
    assert theirs.measure(image, image) == 0


def test_a_name_that_nobody_knows(pyiqa):
    with pytest.raises(ConfigError, match=r"no metric 'pnsr'.*choose from psnr, .*pyiqa.list_models"):
        choose_metrics(["pnsr"], weights=None)


def test_weights_that_cannot_be_fetched(pyiqa):
    with pytest.raises(DataError, match="pyiqa cannot make broken: no connection"):
        choose_metrics(["broken"], weights=None)


@pytest.mark.parametrize("name", ["maniqa", "pyiqa:musiq"])
def test_without_pyiqa_the_remedy_is_named(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ConfigError, match=rf"{name}.*pip install pyiqa"):
        choose_metrics([name], weights=None)

"""R19: the Triton kernels compute what the float64 definition says, on a GPU and in Triton's interpreter."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kernel_errors import CASES

PROGRAM = Path(__file__).parents[2] / "kernel_errors.py"
BOUNDS = {
    "float32": 1e-5,
    # One unit in the last place of the result: the interpreter cuts float32 off where a GPU rounds it.
    "bfloat16": 2**-7,
    "float16": 2**-10,
}


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def found(request):
    """What ``kernel_errors.py`` prints on a device; on a CPU, Triton interprets."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed (pip install triton)")
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU")
    interpret = {"TRITON_INTERPRET": "1"} if request.param == "cpu" else {}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), request.param],
        env={**os.environ, **interpret},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("index", range(len(CASES)), ids=[f"{shape}-{dtype}-{size}" for shape, dtype, size in CASES])
def test_kernels_equal_the_float64_definition(found, index):
    errors = found["cases"][index]
    assert errors["summary"] <= 1e-5, "sums are float32 whatever the input's precision"
    assert errors["result"] <= BOUNDS[CASES[index][1]]


def test_nothing_gives_zeros(found):
    assert {found["special"][name] for name in ("no_tokens", "zero_queries", "zero_keys")} == {0.0}


def test_nan_is_not_hidden(found):
    assert found["special"]["nan_key"]
    assert found["special"]["nan_query"]


def test_an_attention_layer_runs_through_them_with_the_same_result(found):
    assert found["module"]["asked"] == [2, 1], "once with keys and values, once with queries"
    assert found["module"]["error"] <= 1e-5

"""When linear attention runs through the GPU kernels, and that everything else runs without them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from linearsr.models import kernel_choice
from linearsr.models.kernel_choice import SWITCH, kernels_fit, kernels_run

CPU = torch.device("cpu")


def on_gpu(*shape, dtype=torch.bfloat16):
    """A tensor that says it is on a GPU, without one."""
    with FakeTensorMode():
        return torch.empty(*shape, dtype=dtype, device="cuda")


@pytest.fixture
def working(monkeypatch):
    """Kernels that work; which device, dtype and head size were asked about."""
    asked = []
    monkeypatch.setattr(kernel_choice, "kernels_run", lambda *what: asked.append(what) or True)
    monkeypatch.delenv(SWITCH, raising=False)
    return asked


@pytest.fixture
def fresh():
    """Forgets which devices were tried, before and after."""
    kernels_run.cache_clear()
    yield
    kernels_run.cache_clear()


@pytest.mark.parametrize("channels", [16, 32, 64, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_inference_on_a_gpu_uses_them(mode, dtype, channels, working):
    fused = on_gpu(2, 9, 3, 4, channels, dtype=dtype)
    with mode():
        assert kernels_fit(*fused.permute(2, 0, 3, 1, 4)), "views of a fused tensor need no copy"
    assert working == [(torch.device("cuda:0"), dtype, channels)]


@pytest.mark.parametrize(
    "tensors",
    [
        (torch.zeros(1, 2, 9, 32),),
        (on_gpu(1, 2, 9, 8),),
        (on_gpu(1, 2, 9, 48),),
        (on_gpu(1, 2, 9, 256),),
        (on_gpu(1, 2, 9, 32, dtype=torch.float64),),
        (on_gpu(1, 2, 9, 32), on_gpu(1, 2, 9, 32, dtype=torch.float32)),
        (on_gpu(1, 2, 9, 32), on_gpu(1, 2, 32, 9).transpose(2, 3)),
    ],
    ids=["cpu", "C=8", "C=48", "C=256", "float64", "two dtypes", "channels apart"],
)
def test_tensors_that_do_not_fit_go_through_pytorch(tensors, working):
    with torch.no_grad():
        assert not kernels_fit(*tensors)
    assert not working


def test_training_goes_through_pytorch(working):
    assert not kernels_fit(on_gpu(1, 2, 9, 32))


@torch.no_grad()
def test_compiled_code_goes_through_pytorch(working, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not kernels_fit(on_gpu(1, 2, 9, 32))


@torch.no_grad()
def test_counted_operators_go_through_pytorch(working):
    x = on_gpu(1, 2, 9, 32)
    with FlopCounterMode(display=False):
        assert not kernels_fit(x)
    assert kernels_fit(x)


@torch.no_grad()
@pytest.mark.parametrize(("value", "fits"), [("0", False), ("1", True), ("", True)])
def test_the_environment_switches_them_off(value, fits, working, monkeypatch):
    monkeypatch.setenv(SWITCH, value)
    assert kernels_fit(on_gpu(1, 2, 9, 32)) is fits


def test_without_triton_pytorch_goes_on_silently(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert not kernels_run(CPU, torch.float32, 32)


def test_kernels_that_fail_are_said_once_and_pytorch_goes_on(fresh, monkeypatch, tmp_path):
    (tmp_path / "triton.py").write_text("raise OSError('no compiler here')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("triton", "linearsr.models.kernels"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("linearsr.models.kernels", raising=False)
    with pytest.warns(RuntimeWarning, match=r"do not run on cpu \(OSError: no compiler here\).*LINEARSR_KERNELS=0"):
        assert not kernels_run(CPU, torch.float32, 32)
    assert not kernels_run(CPU, torch.float32, 32), "a second warning would be an error"


def test_importing_attention_imports_no_triton():
    code = "import sys, linearsr.models.attention; sys.exit('linearsr.models.kernels' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

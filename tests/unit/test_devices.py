from __future__ import annotations

import pytest
import torch

from linearsr import devices
from linearsr.devices import choose_autocast, choose_device, choose_precision, has_fast_bfloat16
from linearsr.errors import DeviceError

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with these accelerators, and a processor with such units for bfloat16."""

    def pretend(*, cuda=0, mps=False, amx=False, avx512_bf16=False, processor="Intel(R) Xeon(R) Processor"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
        monkeypatch.setattr(devices, "processor_name", lambda: processor)

    pretend()
    return pretend


@pytest.mark.parametrize(
    ("there", "expected"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": 1}, "cuda"), ({"cuda": 2, "mps": True}, "cuda")],
)
def test_auto_takes_the_best_device_there_is(machine, there, expected):
    machine(**there)
    assert choose_device("auto").type == expected


def test_numbered_gpu_is_taken_and_zero_is_a_number(machine):
    machine(cuda=2)
    assert [choose_device(f"cuda:{number}").index for number in (0, 1)] == [0, 1]


@pytest.mark.parametrize(
    "name", ["gpu", "", "CPU", "cuda:", "cuda:-1", "cuda:01", "cuda:128", "cuda:1 ", "meta", "cpu:0"]
)
def test_unknown_device_is_named_with_the_choices(machine, name):
    machine(cuda=200)
    with pytest.raises(DeviceError, match=f"device '{name}' is unknown; use auto, cpu, cuda"):
        choose_device(name)


@pytest.mark.parametrize(("there", "name"), [({}, "cuda"), ({"cuda": 1}, "cuda:1"), ({}, "mps")])
def test_device_that_is_not_there_is_named_with_a_remedy(machine, there, name):
    machine(**there)
    with pytest.raises(DeviceError, match=f"device {name} is not available; use --device cpu"):
        choose_device(name)


@pytest.mark.parametrize(
    ("there", "device", "expected"),
    [
        ({}, "cpu", torch.float32),
        ({"amx": True}, "cpu", torch.bfloat16),
        ({"avx512_bf16": True}, "cpu", torch.float32),
        ({"avx512_bf16": True, "processor": "AMD EPYC 9R14"}, "cpu", torch.bfloat16),
        ({"processor": "AMD EPYC 7763"}, "cpu", torch.float32),
        ({"cuda": 1}, "cuda", torch.bfloat16),
        ({"amx": True}, "mps", torch.float32),
    ],
)
def test_auto_precision_follows_the_hardware(machine, there, device, expected):
    machine(**there)
    assert choose_precision("auto", torch.device(device)) == expected
    assert choose_autocast("auto", torch.device(device)) == ("bf16" if expected is torch.bfloat16 else "fp32")


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_training_runs_in_the_precision_asked_for(machine, name):
    machine(amx=True)
    assert choose_autocast(name, CPU) == name


def test_torch_that_cannot_tell_computes_in_float32(machine, monkeypatch):
    machine(amx=True, avx512_bf16=True, processor="AMD EPYC 9R14")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not has_fast_bfloat16(CPU)


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_precision_asked_for_is_given_on_a_gpu(name, dtype):
    assert choose_precision(name, torch.device("cuda")) == dtype


@pytest.mark.parametrize(
    ("name", "message"), [("fp16", "fp16 is not supported on a CPU"), ("int8", "precision 'int8'")]
)
def test_precision_a_cpu_cannot_have_is_refused(name, message):
    with pytest.raises(DeviceError, match=message):
        choose_precision(name, CPU)

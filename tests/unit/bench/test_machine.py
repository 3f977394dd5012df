import torch

from linearsr.bench import machine
from linearsr.bench.machine import describe_machine


def test_the_machine_says_what_it_is(monkeypatch):
    monkeypatch.setattr(machine, "measure_peak", lambda device, dtype: 2e9)
    found = describe_machine(torch.device("cpu"), torch.bfloat16)
    assert found.precision == "bfloat16"
    assert found.threads == torch.get_num_threads()
    assert f"{found.processor}, {found.threads} of {found.cores} threads, bfloat16" in found.sentence()
    assert "2 GMAC/s" in found.sentence()


def test_a_gpu_has_a_name_and_no_threads(monkeypatch):
    monkeypatch.setattr(machine, "measure_peak", lambda device, dtype: 4e14)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Accelerator 9000")
    sentence = describe_machine(torch.device("cuda"), torch.bfloat16).sentence()
    assert sentence.startswith("Accelerator 9000, bfloat16")
    assert "threads" not in sentence
    assert "400,000 GMAC/s" in sentence

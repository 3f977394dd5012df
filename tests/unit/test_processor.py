from pathlib import Path

from linearsr import processor
from linearsr.processor import processor_name


def test_a_system_without_cpuinfo_names_its_processor_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "Path", lambda _: Path(tmp_path / "none"))
    monkeypatch.setattr(processor.platform, "processor", lambda: "")
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    assert processor_name.__wrapped__() == "arm64"

"""``linearsr doctor``: what this machine has, what would be used, and whether the installation is whole."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable

import click

from linearsr import __version__
from linearsr.catalog import EMBEDDED, embedded_folder
from linearsr.errors import LinearSRError

Check = Callable[[], str]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> int:
    """Check this machine and the installation.

    The exit status is 1 if something is wrong.
    """
    checks: dict[str, Check] = {
        "linearsr": lambda: f"{__version__}, Python {platform.python_version()}, {platform.platform()}",
        "torch": _torch,
        "images": _libvips,
        "cpu": _cpu,
        "devices": _devices,
        "default": _default_choice,
        **{f"model {name}": lambda name=name: _model(name) for name in EMBEDDED},  # type: ignore[misc]
    }
    results = {name: _run(check) for name, check in checks.items()}
    if as_json:
        rows = {name: {"ok": ok, "detail": detail} for name, (ok, detail) in results.items()}
        click.echo(json.dumps(rows, indent=2))
    else:
        width = max(map(len, results))
        for name, (ok, detail) in results.items():
            click.echo(f"{'ok  ' if ok else 'FAIL'}  {name:<{width}}  {detail}")
    return 0 if all(ok for ok, _ in results.values()) else 1


def _run(check: Check) -> tuple[bool, str]:
    try:
        return True, check()
    except (LinearSRError, ImportError, OSError) as error:
        return False, str(error)


def _torch() -> str:
    import torch

    return f"{torch.__version__}, {torch.get_num_threads()} threads"


def _libvips() -> str:
    import pyvips

    return f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}"


def _cpu() -> str:
    import torch

    from linearsr.devices import has_fast_bfloat16

    faster = "bfloat16" if has_fast_bfloat16(torch.device("cpu")) else "float32"
    return f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, faster in {faster}"


def _devices() -> str:
    import torch

    gpus = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ", ".join(["cpu", *gpus, *mps])


def _default_choice() -> str:
    from linearsr.devices import choose_device, choose_precision

    device = choose_device("auto")
    return f"{device} in {str(choose_precision('auto', device)).removeprefix('torch.')}"


def _model(name: str) -> str:
    from linearsr.hub import load_model

    parts = load_model(embedded_folder(name))
    count = sum(p.numel() for module in (parts.autoencoder, parts.experts) for p in module.parameters())
    return f"whole, {count / 1e6:.1f} M parameters"

"""R12: a run killed again and again, mostly in the middle of a save, ends as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time

import pytest
from toy_training import train_saving_every_step

STEPS = 250
KILLS = 20


@pytest.fixture(scope="module")
def processes():
    # A server that has imported all of torch once forks every process, so that each starts in milliseconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "linearsr.training.loop"])
    return context


def start(processes, run):
    process = processes.Process(target=train_saving_every_step, args=(str(run), STEPS))
    process.start()
    return process


def finish(processes, run):
    process = start(processes, run)
    process.join(120)
    assert process.exitcode == 0
    return (run / "checkpoint.safetensors").read_bytes()


def wait_for_progress(process, run, old):
    """Wait until the process has put a checkpoint newer than ``old`` in place."""
    path, deadline = run / "checkpoint.safetensors", time.monotonic() + 60
    while not path.exists() or path.stat().st_mtime_ns == old:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_killed_twenty_times_and_resumed_ends_bit_identical(processes, tmp_path):
    delays, old = random.Random(0), None
    for _ in range(KILLS):
        process = start(processes, tmp_path / "killed")
        wait_for_progress(process, tmp_path / "killed", old)
        time.sleep(delays.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        old = (tmp_path / "killed/checkpoint.safetensors").stat().st_mtime_ns
    assert finish(processes, tmp_path / "killed") == finish(processes, tmp_path / "whole")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {"checkpoint.safetensors", "metrics.jsonl"}

"""R12: a run killed again and again, mostly in the middle of a save, ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import time

from several_ranks import SERVER, run_ranks, start_ranks
from toy_training import train_saving_every_step

STEPS = 250
KILLS = 20
STEPS_ON_TWO = 250
KILLS_ON_TWO = 5


def start(run):
    process = SERVER.Process(target=train_saving_every_step, args=(str(run), STEPS))
    process.start()
    return process


def finish(run):
    process = start(run)
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


def test_killed_twenty_times_and_resumed_ends_bit_identical(tmp_path):
    delays, old = random.Random(0), None
    for _ in range(KILLS):
        process = start(tmp_path / "killed")
        wait_for_progress(process, tmp_path / "killed", old)
        time.sleep(delays.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        old = (tmp_path / "killed/checkpoint.safetensors").stat().st_mtime_ns
    assert finish(tmp_path / "killed") == finish(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {"checkpoint.safetensors", "metrics.jsonl"}


def test_two_ranks_of_which_one_is_killed_stop_and_resume_bit_identical(tmp_path):
    """Whichever dies, the other must not wait for it, nor lose or spoil what is saved."""
    chance, old, run = random.Random(0), None, tmp_path / "killed"
    for _ in range(KILLS_ON_TWO):
        ranks = start_ranks(2, train_saving_every_step, str(run), STEPS_ON_TWO)
        chance.shuffle(ranks)
        victim, survivor = ranks
        wait_for_progress(victim, run, old)
        time.sleep(chance.uniform(0, 0.02))
        victim.kill()
        survivor.join(60)
        assert (victim.exitcode, survivor.exitcode) == (-signal.SIGKILL, 1)
        old = (run / "checkpoint.safetensors").stat().st_mtime_ns
    for folder in (run, tmp_path / "whole"):
        assert run_ranks(2, train_saving_every_step, str(folder), STEPS_ON_TWO) == [0, 0]
    one, other = ((folder / "checkpoint.safetensors").read_bytes() for folder in (run, tmp_path / "whole"))
    assert one == other
    assert {path.name for path in run.iterdir()} == {"checkpoint.safetensors", "metrics.jsonl"}

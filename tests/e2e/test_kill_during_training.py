"""R12: a run killed again and again, mostly in the middle of a save, ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import time

from several_ranks import SERVER, run_ranks, start_ranks
from toy_training import train_saving_every_step

STEPS = 250
KILLS = 20
STEPS_ON_TWO = 150
KILLS_ON_TWO = 4


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


def test_two_ranks_killed_one_after_the_other_and_resumed_end_bit_identical(tmp_path):
    """As when a machine fails: one rank dies, and torchrun ends the other wherever that has come to."""
    chance, old, run = random.Random(0), None, tmp_path / "killed"
    for _ in range(KILLS_ON_TWO):
        ranks = start_ranks(2, train_saving_every_step, str(run), STEPS_ON_TWO)
        wait_for_progress(ranks[0], run, old)
        chance.shuffle(ranks)
        for rank in ranks:
            time.sleep(chance.uniform(0, 0.01))
            rank.kill()
        for rank in ranks:
            rank.join()
        assert -signal.SIGKILL in {rank.exitcode for rank in ranks}
        old = (run / "checkpoint.safetensors").stat().st_mtime_ns
    for folder in (run, tmp_path / "whole"):
        assert run_ranks(2, train_saving_every_step, str(folder), STEPS_ON_TWO) == [0, 0]
    one, other = ((folder / "checkpoint.safetensors").read_bytes() for folder in (run, tmp_path / "whole"))
    assert one == other
    assert {path.name for path in run.iterdir()} == {"checkpoint.safetensors", "metrics.jsonl"}

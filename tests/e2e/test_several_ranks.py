"""R13, R14, R15 on two processes: resume to the bit, another number of ranks, and guards that decide for all."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import signal
import subprocess
import sys

import pytest
import several_ranks
import torch
from safetensors.torch import load_file
from several_ranks import run_ranks, save_again, spoiled_toy, toy_that_must_stop, two_stages

from linearsr.training.validation import read_curves

FINISHED = [0, 0]
KILLED = [-signal.SIGKILL, -signal.SIGKILL]
MODES = ("ddp", "fsdp")
ROUNDING = 1e-3
"""Largest relative distance of the end weights where sums run in another order; 3e-6 and 2e-4 measured on two CPUs."""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
ACCELERATE = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines=1", "--num_processes=2")


def launch(launcher, *arguments):
    """Run the tests' own program under a launcher, as a user would."""
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, several_ranks.__file__, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """This process computes as the ranks do: with more threads, sums come in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Folder of an undisturbed run on two ranks, for every mode; FSDP2's is started by torchrun itself."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_ranks(2, two_stages, str(folder / "ddp"), "ddp", 1) == FINISHED
    launch(TORCHRUN, folder / "fsdp", "fsdp")
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Folder of the same run in one process, which computes the shares of the two ranks one after the other."""
    folder = tmp_path_factory.mktemp("alone")
    two_stages(str(folder), "ddp", 2)
    return folder


def outcome(folder):
    """Digests of what a run leaves: checkpoints and the weights of every validation."""
    files = sorted(folder.rglob("*.safetensors"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def distance(a, b):
    """Relative distance of the weights in which two runs ended."""
    one, other = (load_file(folder / "second/checkpoint.safetensors") for folder in (a, b))
    assert one.keys() == other.keys()
    names = [name for name in one if name.startswith("module/")]
    x, y = (torch.cat([tensors[name].flatten() for name in names]) for tensors in (one, other))
    return float((x - y).norm() / x.norm())


@pytest.mark.parametrize(("mode", "stages"), [("ddp", ("first", "second")), ("fsdp", ("second",))])
def test_killed_in_the_middle_of_stages_and_resumed_ends_bit_identical(undisturbed, tmp_path, mode, stages):
    for stage in stages:
        assert run_ranks(2, two_stages, str(tmp_path), mode, 1, (stage, 3)) == KILLED
    assert run_ranks(2, two_stages, str(tmp_path), mode, 1) == FINISHED
    expected = outcome(undisturbed / mode)
    assert len(expected) == 6
    assert outcome(tmp_path) == expected


def test_two_ranks_do_what_one_process_does_in_two_parts(undisturbed, alone):
    """To the bit with DDP; FSDP2 adds up the norm of the gradient in another order."""
    assert outcome(undisturbed / "ddp") == outcome(alone)
    assert distance(undisturbed / "fsdp", alone) < ROUNDING
    curves = [read_curves(folder / "second") for folder in (undisturbed / "fsdp", alone)]
    assert curves[0]["step"] == curves[1]["step"] == [2, 4]
    assert curves[0]["velocity"] == pytest.approx(curves[1]["velocity"], rel=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_checkpoint_is_the_same_file_whatever_reads_and_writes_it(undisturbed, tmp_path, mode):
    """From two ranks to one process and back, optimizer included, not a byte changes."""
    source = undisturbed / mode / "second"
    save_again(str(source), str(tmp_path / "one"), mode)
    assert run_ranks(2, save_again, str(tmp_path / "one"), str(tmp_path / "two"), mode) == FINISHED
    expected = (source / "checkpoint.safetensors").read_bytes()
    for copy in ("one", "two"):
        assert (tmp_path / copy / "checkpoint.safetensors").read_bytes() == expected


@pytest.mark.parametrize(("before", "after"), [((2, "ddp", 1), (1, "ddp", 2)), ((1, "ddp", 2), (2, "ddp", 1))])
def test_a_run_goes_on_with_another_number_of_ranks_to_the_same_end(alone, tmp_path, before, after):
    ranks, mode, parts = before
    assert run_ranks(ranks, two_stages, str(tmp_path), mode, parts, ("second", 3)) == KILLED[:ranks]
    ranks, mode, parts = after
    assert run_ranks(ranks, two_stages, str(tmp_path), mode, parts) == FINISHED[:ranks]
    assert outcome(tmp_path) == outcome(alone)


@pytest.mark.parametrize("mode", MODES)
def test_what_spoils_one_rank_is_left_out_by_all(tmp_path, mode):
    """A NaN, and a spike, on the second rank only: the end is that of a run where both met a NaN in that step."""
    states, checkpoints = set(), set()
    for name, factor, ranks in (("nan", math.nan, (1,)), ("spike", 1000.0, (1,)), ("all", math.nan, (0, 1))):
        assert run_ranks(2, spoiled_toy, str(tmp_path / name), mode, {30: factor}, ranks) == FINISHED
        states |= {(tmp_path / name / f"rank{rank}.safetensors").read_bytes() for rank in (0, 1)}
        checkpoints.add((tmp_path / name / "checkpoint.safetensors").read_bytes())
    assert len(states) == len(checkpoints) == 1


def test_three_spoiled_steps_on_one_rank_stop_both(tmp_path):
    assert run_ranks(2, toy_that_must_stop, str(tmp_path)) == FINISHED


@pytest.mark.skipif(importlib.util.find_spec("accelerate") is None, reason="accelerate is not installed")
def test_accelerate_launch_starts_the_same_run(undisturbed, tmp_path):
    launch(ACCELERATE, tmp_path, "ddp")
    assert outcome(tmp_path) == outcome(undisturbed / "ddp")

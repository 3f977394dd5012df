"""``linearsr bench train``: how fast this machine trains."""

from __future__ import annotations

import click

from linearsr.cli.bench.shared import Destination, report_options
from linearsr.cli.options import Runtime, gather, runtime_options
from linearsr.errors import InputError


@click.command("train")
@runtime_options
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Crops per step.")
@click.option("--lr-side", type=click.IntRange(8), default=64, show_default=True, help="Side of an LR crop.")
@click.option("--steps", type=click.IntRange(1), default=10, show_default=True, help="Steps that are timed.")
@click.option("--accumulate", type=click.IntRange(1), default=1, show_default=True, help="Parts of a batch.")
@click.option("--recompute", is_flag=True, help="Keep less for the backward pass and compute it again.")
@click.option("--compiled", is_flag=True, help="Run the networks through torch.compile.")
@report_options
@gather(runtime=Runtime, destination=Destination)
def command(
    runtime: Runtime,
    destination: Destination,
    batch: int,
    lr_side: int,
    steps: int,
    accumulate: int,
    recompute: bool,
    compiled: bool,
) -> None:
    """Time the training of the transformer (the flow stage): images per second and share of the device's peak.

    The geometry is that of --model; its weights are not changed.
    """
    destination.check("train")
    if runtime.precision_name == "fp16":
        raise InputError("training in fp16 is not supported", remedy="use --precision bf16 or fp32")
    from linearsr.bench.machine import describe_machine
    from linearsr.bench.train import flow_stage, render_training, time_training
    from linearsr.devices import choose_autocast, choose_device, choose_precision
    from linearsr.hub import find_model, load_model
    from linearsr.training.config import Execution, StageConfig

    device = choose_device(runtime.device_name)
    dtype = choose_precision(runtime.precision_name, device)
    execution = Execution(
        device=str(device),
        precision=choose_autocast(runtime.precision_name, device),
        compiled=compiled,
        recompute=recompute,
        accumulate=accumulate,
    )
    config = StageConfig(
        name="flow", steps=steps, batch=batch, lr_side=lr_side, learning_rate=1e-6, execution=execution
    )
    parts = load_model(find_model(runtime.model))
    machine = describe_machine(device, dtype)
    timing = time_training(flow_stage(config, parts.experts.expert_at(1.0), parts.autoencoder))
    values = {"model": parts.name, "config": config, "timing": timing}
    text = render_training(timing, machine)
    destination.emit("train", machine, values, text)

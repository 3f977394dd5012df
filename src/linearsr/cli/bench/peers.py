"""``linearsr bench peers``: what a user would pick instead, in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linearsr.cli.bench.shared import (
    Destination,
    load_pipeline,
    machine_of,
    repeats_option,
    report_options,
    steps_option,
)
from linearsr.cli.inputs import find_inputs
from linearsr.cli.options import Runtime, gather, runtime_options
from linearsr.errors import InputError
from linearsr.imaging.atomic import write_atomically

if TYPE_CHECKING:
    from linearsr.bench.machine import Machine
    from linearsr.bench.networks import NetworkTiming
    from linearsr.bench.peers import Keep, Peer, Pixels
    from linearsr.pipeline import SRPipeline


@click.command("peers")
@runtime_options
@click.option("--input", "inputs", multiple=True, help="Photo or folder to upscale; without it, noise of --size.")
@click.option(
    "--size",
    type=click.IntRange(64, 8192),
    default=256,
    show_default=True,
    help="LR side of noise and --networks.",
)
@steps_option
@repeats_option(3)
@click.option("--only", multiple=True, help="Time only peers with this in their name; can be given several times.")
@click.option(
    "--ncnn-model",
    "ncnn_models",
    type=click.Path(path_type=Path),
    multiple=True,
    help="One more network for ncnn, scale 4: its file without .param and .bin.",
)
@click.option("--networks", is_flag=True, help="Time one forward of the networks of other diffusion upscalers too.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write every result below this folder, as METHOD/NAME.png."
)
@report_options
@gather(runtime=Runtime, destination=Destination)
def command(
    runtime: Runtime,
    destination: Destination,
    inputs: tuple[str, ...],
    size: int,
    steps: int,
    repeats: int,
    only: tuple[str, ...],
    ncnn_models: tuple[Path, ...],
    networks: bool,
    out: Path | None,
) -> None:
    """Time what you would use instead, on the same pictures in the same run: Real-ESRGAN, DAT-light and others.

    Peers are optional packages; what is not installed is listed with the command that installs it. With --networks,
    the diffusion networks behind other upscalers are timed as well, with random weights, one forward each.
    """
    destination.check("peers")
    from linearsr.bench.peers import linearsr_peer, render_peers, time_peers

    names, images = _pictures(inputs, size)
    pipeline = load_pipeline(runtime)
    peers = [linearsr_peer(pipeline, steps), *_chosen(_peers(pipeline, ncnn_models), only)]
    keep = None if out is None else _keeper(out, peers, names, destination)
    machine = machine_of(pipeline)
    timings = []
    for timing in time_peers(peers, images, repeats=repeats, keep=keep):
        click.echo(f"{timing.name}: {timing.missing or f'{timing.seconds:.3g} s'}", err=True)
        timings.append(timing)
    sizes = sorted({f"{image.shape[1]}x{image.shape[0]}" for image in images})
    content = f"{len(images)} image(s) of {', '.join(sizes)}, medians of {repeats} run(s)"
    values: dict[str, object] = {"model": pipeline.name, "content": content, "peers": timings}
    text = render_peers(timings, content, machine)
    if networks:
        values["networks"], table = _networks(pipeline, machine, size, repeats)
        text += f"\n{table}"
    destination.emit("peers", machine, values, text)


def _pictures(inputs: Sequence[str], size: int) -> tuple[list[str], list[Pixels]]:
    """Names without suffix and pixels of the photos, or of one picture of noise."""
    import numpy as np

    from linearsr.imaging.codec import decode
    from linearsr.imaging.convert import to_pil

    if not inputs:
        return ["noise"], [np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)]
    paths = [found.path for found in find_inputs(inputs) if found.path is not None]
    names = [path.stem for path in paths]
    if not names or len(set(names)) < len(names):
        raise InputError(
            "--input must name files, each with a name of its own", remedy="rename or leave out the others"
        )
    return names, [np.asarray(to_pil(decode(path)).convert("RGB")) for path in paths]


def _peers(pipeline: SRPipeline, ncnn_models: Sequence[Path]) -> list[Peer]:
    """Every peer, on the GPU through Vulkan where the pipeline is on one and ncnn finds it."""
    import torch

    from linearsr.bench.dat_peer import dat_peer
    from linearsr.bench.ncnn_peers import file_peer, has_vulkan, packaged_peers
    from linearsr.bench.peers import bicubic_peer

    threads, vulkan = torch.get_num_threads(), pipeline.device.type != "cpu" and has_vulkan()
    files = [file_peer(path, threads, vulkan=vulkan) for path in ncnn_models]
    return [bicubic_peer(), *packaged_peers(threads, vulkan=vulkan), *files, dat_peer()]


def _chosen(peers: Sequence[Peer], only: Sequence[str]) -> list[Peer]:
    for part in only:
        if not any(part.lower() in peer.name.lower() for peer in peers):
            names = ", ".join(peer.name for peer in peers)
            raise InputError(f"no peer has {part!r} in its name", remedy=f"choose from {names}")
    return [peer for peer in peers if not only or any(part.lower() in peer.name.lower() for part in only)]


def _keeper(out: Path, peers: Sequence[Peer], names: Sequence[str], destination: Destination) -> Keep:
    from linearsr.imaging.encoder import encode
    from linearsr.imaging.formats import output_format
    from linearsr.imaging.picture import Picture

    def target(peer: str, index: int) -> Path:
        return out / peer.lower().replace(",", "").replace(" ", "-") / f"{names[index]}.png"

    for peer in peers:
        for index in range(len(names)):
            destination.check_file(target(peer.name, index))

    def keep(peer: str, index: int, pixels: Pixels) -> None:
        payload = encode(Picture(color=pixels), output_format("png"))
        write_atomically(target(peer, index), payload, overwrite=destination.overwrite)

    return keep


def _networks(pipeline: SRPipeline, machine: Machine, size: int, repeats: int) -> tuple[list[NetworkTiming], str]:
    from linearsr.bench.networks import NETWORKS, render_networks, time_networks
    from linearsr.bench.upscale import time_evaluation

    side = 4 * size
    ours = time_evaluation(pipeline, side=size, repeats=repeats)[0].seconds
    timings = []
    device, dtype = pipeline.device, pipeline.dtype
    for timing in time_networks(NETWORKS, side=side, repeats=repeats, device=device, dtype=dtype, ours=ours):
        click.echo(f"{timing.name}: {timing.missing or f'{timing.seconds:.3g} s'}", err=True)
        timings.append(timing)
    return timings, render_networks(timings, side, ours, machine)

"""Solves dz/dt = v(z, t) from noise (t = 1) to data (t = 0) on a grid of timesteps.

    Euler   z_{i+1} = z_i + (t_{i+1} - t_i) v(z_i, t_i)                                1 evaluation a step
    Heun    z_{i+1} = z_i + (t_{i+1} - t_i) (v(z_i, t_i) + v(z_pred, t_{i+1})) / 2     2 evaluations a step

Legend: z (B, C, H, W) latent; t a float; the velocity function is evaluated at one t for the whole batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from linearsr.diffusion.flow import shift_timestep

VelocityFunction = Callable[[Tensor, float], Tensor]
StepCallback = Callable[[int, float, Tensor], None]
Solver = Literal["euler", "heun"]


def plan_timesteps(steps: int, boundaries: Sequence[float], shift: float = 1.0) -> tuple[float, ...]:
    """Return ``steps`` + 1 descending timesteps from 1 to 0 that give every expert a step where there are enough.

    Every interval between ``boundaries`` (descending, inside (0, 1)) gets one step; further steps go where the longest
    step is, split evenly in shifted time. With fewer steps than intervals, the boundaries nearest to noise are dropped
    first, because their intervals are the shortest.

    Raises:
        ValueError: if ``steps`` is below 1, ``shift`` is not positive, or the boundaries do not descend inside (0, 1).
    """
    if steps < 1:
        raise ValueError(f"the number of steps must be at least 1, not {steps}")
    if not shift > 0:
        raise ValueError(f"timestep shift must be positive, not {shift}")
    edges = [1.0, *boundaries, 0.0]
    if not all(a > b for a, b in itertools.pairwise(edges)):
        raise ValueError(f"boundaries must descend inside (0, 1), not {tuple(boundaries)}")
    kept = [edges[0], *edges[max(1, len(edges) - steps) :]]
    # Splitting is done where steps are even for the chosen shift, then mapped back to t.
    even = [shift_timestep(t, 1 / shift) for t in kept]
    parts = [1] * (len(kept) - 1)
    for _ in range(steps - len(parts)):
        lengths = [(a - b) / n for a, b, n in zip(even[:-1], even[1:], parts, strict=True)]
        parts[lengths.index(max(lengths))] += 1
    grid = [kept[0]]
    for index, count in enumerate(parts):
        start, stop = even[index], even[index + 1]
        inner = (shift_timestep(start + (stop - start) * k / count, shift) for k in range(1, count))
        grid += [*inner, kept[index + 1]]
    return tuple(grid)


def sample(
    velocity: VelocityFunction,
    z1: Tensor,
    timesteps: Sequence[float],
    *,
    solver: Solver = "euler",
    on_step_end: StepCallback | None = None,
    in_place: bool = False,
) -> Tensor:
    """Integrate from ``timesteps[0]`` to ``timesteps[-1]`` and return the latent there.

    Args:
        velocity: v(z, t), with z (B, C, H, W).
        z1: the latent at ``timesteps[0]``, usually noise.
        timesteps: descending grid, for example from :func:`plan_timesteps`.
        solver: "euler" (first order) or "heun" (second order).
        on_step_end: called as (step index, t reached, latent); an exception it raises stops the sampling.
        in_place: let "euler" write each latent over the one before, ``z1`` included.
    """
    step = {"euler": _euler_step, "heun": _heun_step}[solver]
    z = z1
    for index, (t, t_next) in enumerate(itertools.pairwise(timesteps)):
        z = step(velocity, z, t, t_next, z if in_place else None)
        if on_step_end is not None:
            on_step_end(index, t_next, z)
    return z


def _euler_step(velocity: VelocityFunction, z: Tensor, t: float, t_next: float, out: Tensor | None) -> Tensor:
    return torch.add(z, velocity(z, t), alpha=t_next - t, out=out)


def _heun_step(velocity: VelocityFunction, z: Tensor, t: float, t_next: float, _: Tensor | None) -> Tensor:
    v = velocity(z, t)
    v_next = velocity(z + (t_next - t) * v, t_next)
    return z + (t_next - t) * (v + v_next) / 2


def noise(shape: Sequence[int], generator: torch.Generator, out: Tensor | None = None) -> Tensor:
    """Return standard normal noise from the generator's own device, float32; ``out`` is where to put it."""
    return torch.randn(tuple(shape), generator=generator, device=generator.device, out=out)

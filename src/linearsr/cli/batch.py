"""Runs the jobs of a plan one after the other; with torchrun, several processes share every image."""

from __future__ import annotations

import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from linearsr.cli.feedback import Done, Feedback
from linearsr.cli.plan import Job, Placement
from linearsr.errors import InternalError, LinearSRError
from linearsr.imaging.codec import decode
from linearsr.imaging.limits import Limits
from linearsr.request import UpscaleRequest

if TYPE_CHECKING:
    from torch import Tensor

    from linearsr.models.peers import Peers
    from linearsr.pipeline import SRPipeline


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What all jobs have in common. ``peers`` are the processes that share every image, None this one alone."""

    pipeline: SRPipeline
    request: UpscaleRequest
    placement: Placement
    limits: Limits
    feedback: Feedback
    peers: Peers | None = None
    verbose: bool = False

    def run(self, job: Job) -> bool:
        """Upscale one image and write the result; tell whether it worked."""
        self.feedback.started(job.name)
        started = time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                settled = self._upscale(job)
        except LinearSRError as error:
            self._fail(job, error)
            return False
        except Exception as error:  # a defect met on one image must not cost the others their results
            if self.verbose:
                click.echo("".join(traceback.format_exception(error)), err=True)
            self._fail(job, InternalError(f"unexpected {type(error).__name__}: {error}", remedy="report it"))
            return False
        for warning in caught:
            self.feedback.warned(job.name, str(warning.message))
        seconds, size = time.perf_counter() - started, (job.header.width, job.header.height)
        self.feedback.finished(
            Done(
                name=job.name,
                target=job.target,
                size_in=size,
                size_out=job.size,
                seconds=seconds,
                tags=settled.chosen_tags,
                denoised=settled.denoise or 0.0,
                fidelity=settled.fidelity or 0.0,
            )
        )
        return True

    def _fail(self, job: Job, error: LinearSRError) -> None:
        self.feedback.failed(job.name, error)
        if self.peers is not None:  # the others may be waiting for this process in the middle of the image
            raise error

    def _upscale(self, job: Job) -> UpscaleRequest:
        """Upscale one image, write it, and return the request with what was decided for it."""
        from linearsr.files import fit, write_strips
        from linearsr.imaging.encoder import encode

        def stepped(step: int, t: float, latent: Tensor) -> None:
            self.feedback.stepped(job.name, step + 1, self.request.steps)

        def advanced(rows: int, total: int) -> None:
            self.feedback.advanced(job.name, rows, total)

        picture = decode(job.source, self.limits)
        request = self.pipeline.settled(picture, self.request)
        strips = self.pipeline.stream(
            picture,
            request,
            on_step_end=stepped,
            on_rows=advanced,
            limits=self.limits,
            peers=self.peers,
        )
        fitted, quality = fit(strips, job.format), self.placement.quality
        if process_rank() > 0:
            for _ in fitted.rows:
                raise AssertionError("rows come out on the first process only")
        elif job.target is not None:
            write_strips(fitted, job.target, job.format, quality=quality, overwrite=self.placement.overwrite)
        else:
            sys.stdout.buffer.write(encode(fitted.gather(), job.format, quality=quality))
            sys.stdout.buffer.flush()
        return request


def process_rank() -> int:
    """Number of this process among those that torchrun started, from 0; 0 without torchrun."""
    return int(os.environ.get("RANK", "0")) if _several() else 0


def _several() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


@contextmanager
def joined_processes() -> Iterator[None]:
    """Join the processes that torchrun started, if it did."""
    if not _several():
        yield
        return
    from linearsr.training.distributed import joined

    with joined():
        yield


def peers_on(device: object) -> Peers | None:
    """The joined processes, for work on a torch device; None when this one is alone."""
    if not _several():
        return None
    from linearsr.models.peers import Group

    return Group(str(device))

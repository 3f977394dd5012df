"""The stage ``cleaned``: a clean answer of the denoiser, and a decoder for what it leaves.

    first    | lr - y | + 4 keep                                       the denoiser alone
    then     loss(decode(z, lr), picture) + | lr - y | / 2 + 4 keep    with the decoder; z: sampled by the experts

    lr = D(noisy, -s)      y = (1 - w) D0(noisy, s) + w Q      Q: the picture at LR; D0: the denoiser as it was
    keep = | D(x, s') - D0(x, s') |                            x: pictures of the batch with and without noise

``picture`` is what a teacher makes of the noisy one, or the photo. Told s, the denoiser answers with the mean of all
that a place may look like, which leaves a part of the noise; the judge goes by that, so it is kept. Told -s it is to
answer more as the teacher does, by a share w that rises with s: of faint noise the mean leaves little, and it keeps
texture that the teacher paints over.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from linearsr.data.sampling import LATENT_STRIDE, SCALE, PairSource, Sample, choose, own_slots
from linearsr.models.autoencoder import Autoencoder
from linearsr.models.denoiser import Denoiser
from linearsr.models.experts import ExpertTransformer
from linearsr.models.judging import judged_batch
from linearsr.models.noise_judge import TOLD
from linearsr.training.config import WHOLE, Part, StageConfig
from linearsr.training.denoising import NOISY_SHARE, SPREAD
from linearsr.training.distributed import rank, world
from linearsr.training.draws import Draws
from linearsr.training.learner import Learner
from linearsr.training.objective import ImageLoss
from linearsr.training.stages import sampled_latent
from linearsr.training.tensors import read_tensors, write_tensors

AT_ONCE = 8
"""Pictures that are judged together."""
KEPT_EVERY = 3
"""Of the pictures of a batch with and without noise, every so many take part in ``keep``."""
KEEP, AT_LR = 4.0, 0.5
"""Weights of ``keep``, and of | lr - y | beside the loss of the image."""
LEAST_TAUGHT, MOST_TAUGHT, STRONG = 0.3, 0.7, 20.0
"""w at its least and its most, and the strength, in levels, that it would be 1 at."""

Teacher = Callable[[Tensor], Tensor]
"""(3, h, w) uint8 -> (3, 4h, 4w) uint8."""


@dataclass(frozen=True)
class Crops:
    """Crops of B pictures with and without noise (B, 3, h, w), and what they are to become, in [-1, 1]; strengths."""

    noisy: Tensor
    clean: Tensor
    pictures: Tensor
    strengths: Tensor


@dataclass(frozen=True)
class CleaningPool:
    """N pictures with and without noise (N, 3, h, w), and what they are to become (N, 3, 4h, 4w), uint8.

    ``strengths`` (N,) are what the denoiser is told of their noise.
    """

    noisy: Tensor
    clean: Tensor
    pictures: Tensor
    strengths: Tensor

    @classmethod
    def of(
        cls,
        source: PairSource,
        denoiser: Denoiser,
        *,
        count: int,
        lr_side: int,
        seed: int,
        teacher: Teacher | None = None,
    ) -> CleaningPool:
        """Take ``count`` pairs from whose LR images the denoiser takes noise.

        What a ``teacher`` makes of those takes the place of the HR images, which may be as small as they, then.
        """
        noisy: list[Tensor] = []
        clean: list[Tensor] = []
        pictures: list[Tensor] = []
        strengths: list[Tensor] = []
        step = 0
        while len(noisy) < count:
            lr, hr = (_levels(part) for part in source.batch(step, seed=seed, size=AT_ONCE, lr_side=lr_side))
            told, share = judged_batch(_unit(lr).to(denoiser.strength_in.weight.device), denoiser)
            chosen = torch.nonzero(share >= NOISY_SHARE)[:, 0].tolist()
            for index in chosen or range(AT_ONCE):  # one that has learned nothing yet takes nothing out
                noisy.append(lr[index])
                clean.append(_levels(_reduced(_unit(hr[index][None]), lr_side))[0])
                pictures.append(hr[index] if teacher is None else teacher(lr[index]))
                strengths.append(told[index].cpu())
            step += 1
        return cls(*(torch.stack(parts[:count]) for parts in (noisy, clean, pictures, strengths)))

    def save(self, path: Path) -> None:
        """Write the pool as one file."""
        write_tensors(path, vars(self))

    @classmethod
    def load(cls, path: Path) -> CleaningPool:
        """Read what :meth:`save` wrote.

        Raises:
            TrainingError: if the file is damaged.
        """
        tensors, _ = read_tensors(path, remedy="delete it, and it is made anew")
        return cls(**tensors)

    def crops(self, config: StageConfig, step: int, part: Part) -> Crops:
        """One part of this rank's share of a step."""
        slots = own_slots(config.batch, rank() * part.of + part.index, world() * part.of)
        samples = [Sample.at(config.seed, step, slot) for slot in slots]
        chosen = [choose(sample.photo, len(self.noisy)) for sample in samples]
        crops = [self._crop(index, sample, config.lr_side) for index, sample in zip(chosen, samples, strict=True)]
        device = config.execution.device
        noisy, clean, pictures = (_unit(torch.stack(images)).to(device) for images in zip(*crops, strict=True))
        return Crops(noisy, clean, pictures, self.strengths[chosen].to(device))

    def _crop(self, index: int, sample: Sample, side: int) -> list[Tensor]:
        cell = LATENT_STRIDE // SCALE
        places = zip((sample.top, sample.left), self.noisy.shape[-2:], strict=True)
        top, left = (choose(number, (length - side) // cell + 1) * cell for number, length in places)
        crops = []
        for images, scale in ((self.noisy, 1), (self.clean, 1), (self.pictures, SCALE)):
            high, wide = (slice(scale * start, scale * (start + side)) for start in (top, left))
            crops.append(sample.oriented(images[index, :, high, wide]))
        return crops


class CleanAnswerStage:
    """The denoiser alone, without meter and judge."""

    def __init__(self, config: StageConfig, denoiser: Denoiser, pool: CleaningPool) -> None:
        self.config, self.module, self._pool = config, denoiser.train(), pool
        self._answers = _Answers(denoiser)
        self.auxiliary: dict[str, Learner] = {}

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        crops = self._pool.crops(self.config, step, part)
        _, clean, kept = self._answers.to(crops, Draws(self.config, step, part))
        return clean + KEEP * kept, {"clean": float(clean.detach()), "kept": float(kept.detach())}


class CleanedStage:
    """The decoder and the denoiser together; nothing flows back through the sampling."""

    STEPS = 4

    def __init__(
        self,
        config: StageConfig,
        denoiser: Denoiser,
        before: Denoiser,
        autoencoder: Autoencoder,
        experts: ExpertTransformer,
        pool: CleaningPool,
        loss: ImageLoss,
    ) -> None:
        self.config, self._pool, self._loss = config, pool, loss
        self.module = nn.ModuleDict({"decoder": autoencoder.decoder.train(), "denoiser": denoiser.train()})
        self._autoencoder, self._experts = autoencoder, experts.eval().requires_grad_(False)
        self._answers = _Answers(denoiser, before)
        self.auxiliary = loss.learners

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        crops, draws = self._pool.crops(self.config, step, part), Draws(self.config, step, part)
        lr, clean, kept = self._answers.to(crops, draws)
        with torch.no_grad():
            latent = sampled_latent(self._experts, lr, self.STEPS, draws)
        loss, values = self._loss(self._autoencoder.decode(latent, lr), crops.pictures)
        values |= {"clean": float(clean.detach()), "kept": float(kept.detach())}
        return loss + AT_LR * clean + KEEP * kept, values


class _Answers:
    """Both answers of a denoiser: the clean one it learns, and the other, which is to stay that of ``before``."""

    def __init__(self, denoiser: Denoiser, before: Denoiser | None = None) -> None:
        self._denoiser = denoiser
        self._before = (before or copy.deepcopy(denoiser)).eval().requires_grad_(False)
        denoiser.meter.requires_grad_(False)
        denoiser.judge.requires_grad_(False)

    def to(self, crops: Crops, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Return the clean answer (B, 3, h, w), its distance to what it is to be, and that of the other to before."""
        count, own = len(crops.noisy), crops.strengths
        told = own * (SPREAD * draws.noise(count, (1,))[:, 0]).exp()
        others, other_told = torch.cat([crops.noisy, crops.clean])[::KEPT_EVERY], torch.cat([own, own])[::KEPT_EVERY]
        choice = (draws.uniform(len(others))[:, 0, 0, 0] * (len(TOLD) + 1)).long()
        for index, strength in enumerate(TOLD):
            other_told = other_told.masked_fill(choice == index, strength)
        images = torch.cat([crops.noisy, others])
        answers = self._denoiser(images, torch.cat([-told, other_told])).float()
        with torch.no_grad():
            before = self._before(images, torch.cat([told, other_told])).float()
        taught = (told / STRONG).clamp(LEAST_TAUGHT, MOST_TAUGHT)[:, None, None, None]
        target = before[:count].lerp(_reduced(crops.pictures, images.shape[-1]), taught)
        clean = answers[:count]
        return clean.clamp(-1, 1), F.l1_loss(clean, target), F.l1_loss(answers[count:], before[count:])


def _reduced(images: Tensor, side: int) -> Tensor:
    """(B, 3, H, W) -> (B, 3, side, side), within [-1, 1]."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(-1, 1)


def _levels(images: Tensor) -> Tensor:
    """[-1, 1] -> uint8."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()


def _unit(images: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return images.float() / 127.5 - 1

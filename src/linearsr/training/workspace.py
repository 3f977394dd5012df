"""What every stage of a recipe shares: the run folder, the photos, the validation set, the losses' networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from linearsr.data.live import Ahead, LivePairs
from linearsr.data.loader import PairPool, build_pool
from linearsr.data.noisy import REDUCTIONS, NoisyPairs
from linearsr.data.photo import PhotoFile
from linearsr.data.photos import open_photos
from linearsr.data.presets import DegradationMix, Range
from linearsr.data.sampling import PairSource
from linearsr.data.store import PhotoStore
from linearsr.errors import DataError
from linearsr.models.denoiser import Denoiser
from linearsr.models.texture import texture_energy
from linearsr.models.transformer import GuidanceKind
from linearsr.tags.encoder import WordEncoder
from linearsr.tags.sources import guidance_source
from linearsr.tags.text import PACKAGE_WORDS
from linearsr.training import distributed
from linearsr.training.config import StageConfig
from linearsr.training.denoising import DenoisingSet
from linearsr.training.distributed import Parallelism
from linearsr.training.judging import CellPool
from linearsr.training.loop import Watch, train
from linearsr.training.objective import ImageLoss, ImageLossWeights, load_lpips
from linearsr.training.plans import Recipe
from linearsr.training.stages import GuidanceMix, Stage
from linearsr.training.validation import Validation, ValidationSet

POOL_NAME = "pool.safetensors"
PAIRS_NAME = "pairs.safetensors"
CELLS_NAME = "cells.safetensors"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A recipe at work in the folder ``run``.

    ``photos`` is a place that :func:`~linearsr.data.photos.open_photos` reads, ``perceptual`` the trunks that
    ``recipes/perceptual_weights.py`` writes; with ``live``, photos are degraded anew for every step, on the device, and
    else a few times beforehand; ``tell`` gets a line where a stage decides something.
    """

    run: Path
    photos: Path
    perceptual: Path
    recipe: Recipe
    device: str = "cpu"
    live: bool = False
    parallelism: Parallelism = field(default_factory=Parallelism)
    watch: Watch = field(default_factory=Watch)
    tell: Callable[[str], None] = print

    def pairs(self) -> PairSource:
        """The training photos with their degraded versions.

        Raises:
            DataError: if there are none.
        """
        return self._live(self._files()) if self.live else self._pool()

    def detailed_pairs(self) -> PairSource:
        """The same of the photos with the most texture: what the last stage is tuned on."""
        share = self.recipe.sft_share
        if not self.live:
            return most_detailed(self._pool(), share)
        files = sorted(self._files(), key=lambda file: -(file.texture or 0))
        return self._live(files[: max(1, round(share * len(files)))])

    def _files(self) -> list[PhotoFile]:
        files = [file for file in open_photos(self.photos) if not file.validation]
        if not files:
            raise DataError(f"{self.photos} holds no photo to train on", remedy="add photos")
        return files

    def _live(self, files: Sequence[PhotoFile]) -> PairSource:
        return Ahead(LivePairs(PhotoStore(files), device=self.device))

    def _pool(self) -> PairPool:
        """Kept under ``run``, because building it takes minutes."""

        def degraded() -> PairPool:
            split = [file.decode() for file in self._files()]
            return build_pool(split, variants=self.recipe.variants, seed=1)

        return _made_once(self.run / POOL_NAME, degraded)

    def kept(self, source: Callable[[], PairSource], stage: StageConfig) -> PairSource:
        """Make pairs beforehand for a stage, because making them takes longer than training on them.

        ``source`` is asked for only while they are not made. Where photos are degraded live, these pairs are made as
        they are needed, too.
        """
        if self.live:
            return source()
        plan = self.recipe.decoder_pairs

        def pool() -> PairPool:
            return PairPool.of(source(), count=plan.count, lr_side=plan.lr_side, seed=stage.seed)

        return _made_once(self.run / stage.name / PAIRS_NAME, pool)

    def validation_set(self) -> ValidationSet:
        """Crops of the photos that are kept out of training.

        Raises:
            DataError: if no photo is.
        """
        plan, lpips = self.recipe.validation, load_lpips(self.perceptual, self.device)
        pool = self._kept_out()
        return ValidationSet.from_pool(pool, lpips, size=plan.crops, lr_side=plan.lr_side, device=self.device)

    def denoising_set(self, mix: DegradationMix, reductions: Range = REDUCTIONS) -> DenoisingSet:
        """The same crops reduced, or parts of them, with and without the noise of ``mix``."""
        plan, pairs = self.recipe.validation, NoisyPairs(self._kept_out(), mix, reductions=reductions)
        return DenoisingSet.from_pairs(pairs, size=plan.crops, lr_side=plan.lr_side, device=self.device)

    def cell_pool(self, pairs: NoisyPairs, denoiser: Denoiser, folder: str) -> CellPool:
        """What the judge learns from; kept in ``folder``, because making it takes the denoiser many passes."""
        stage = self.recipe.judge
        path = self.run / folder / CELLS_NAME
        if distributed.is_main() and not path.exists():
            count = self.recipe.judge_pictures
            CellPool.of(pairs, denoiser, count=count, lr_side=stage.lr_side, seed=stage.seed).save(path)
        distributed.wait_for_all()
        return CellPool.load(path)

    def _kept_out(self) -> PairPool:
        split = [file.decode() for file in open_photos(self.photos) if file.validation]
        if not split:
            raise DataError(f"{self.photos} holds no photo for validation", remedy="add photos: about 3 % are held out")
        return build_pool(split, variants=1, seed=2)

    def guidance(self, kind: GuidanceKind, words: WordEncoder | None = None) -> GuidanceMix | None:
        """What a transformer is told about the photos it is trained on, by the kind of its guidance.

        Tags become tokens of ``words``, by default the package's.

        Raises:
            InputError: if that needs a text encoder, and there is none.
        """
        source = guidance_source(kind, words or PACKAGE_WORDS)
        return None if source is None else GuidanceMix(source=source, drop=self.recipe.guidance_drop)

    def image_loss(self, weights: ImageLossWeights, seed: int) -> ImageLoss:
        """Return the decoder's loss; its discriminator starts from ``seed``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ImageLoss(weights, self.perceptual, self.device)

    def train(self, stage: Stage, folder: str, validation: Validation | None = None) -> dict[str, Tensor]:
        """Train a stage in its folder to the end, or go on with it, and return its EMA weights."""
        return train(stage, self.run / folder, validation, self.parallelism, self.watch)


def _made_once(path: Path, make: Callable[[], PairPool]) -> PairPool:
    """Return the pool at ``path``, or in several files of such names; if there is none, the main process makes it."""
    pattern = f"{path.stem}*{path.suffix}"
    if distributed.is_main() and not list(path.parent.glob(pattern)):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.part")
        make().save(unfinished)
        unfinished.replace(path)
    distributed.wait_for_all()
    return PairPool.load(*sorted(path.parent.glob(pattern)))


def most_detailed(pool: PairPool, share: float) -> PairPool:
    """Return the ``share`` of a pool's photos, at least one, with the highest mean texture energy."""
    detail = [float(texture_energy(hr[None].float() / 127.5 - 1).mean()) for hr in pool.hr]
    count = max(1, round(share * len(detail)))
    kept = sorted(sorted(range(len(detail)), key=lambda index: -detail[index])[:count])
    keys = tuple(pool.keys[index] for index in kept)
    return PairPool(keys, tuple(pool.hr[index] for index in kept), tuple(pool.lr[index] for index in kept))

"""The stage ``polish-denoiser``: the denoiser, judged by the images that are made of what it leaves.

    | D(noisy, s') - clean | + loss(decode(z, D(noisy, s')), photo)      z: sampled by the experts from D(noisy, s')

By L1 alone the best answer is the mean of all that a place may have looked like: a blur where there was texture, and
where there was none a rest of the noise, from which the decoder then draws a weave.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.data.noisy import NoisyPairs
from linearsr.data.presets import DegradationMix
from linearsr.data.sampling import SCALE, PairSource, RecalledPairs
from linearsr.models.autoencoder import Autoencoder
from linearsr.models.denoiser import Denoiser
from linearsr.models.experts import ExpertTransformer
from linearsr.training.config import WHOLE, Part, StageConfig
from linearsr.training.denoising import strength_told
from linearsr.training.draws import Draws
from linearsr.training.objective import ImageLoss
from linearsr.training.stages import sampled_latent, step_crops

AS_PHOTOS = (float(SCALE), float(SCALE))
"""How much photos are reduced: the photo itself is what the image is compared with."""


class PolishDenoiserStage:
    """The denoiser without meter and judge; decoder and experts stay as they are.

    ``pictures`` are reduced, and then degraded by ``mix`` for every step. Gradients flow from the image through the
    decoder into the denoiser; nothing flows back through the sampling.
    """

    STEPS = 4

    def __init__(
        self,
        config: StageConfig,
        denoiser: Denoiser,
        autoencoder: Autoencoder,
        experts: ExpertTransformer,
        pictures: PairSource,
        mix: DegradationMix,
        loss: ImageLoss,
    ) -> None:
        self.config, self.module, self._loss = config, denoiser.train(), loss
        self._autoencoder = autoencoder.eval().requires_grad_(False)
        self._experts = experts.eval().requires_grad_(False)
        self._pictures = RecalledPairs(pictures)
        self._noisy = NoisyPairs(self._pictures, mix, reductions=AS_PHOTOS)
        self.auxiliary = loss.learners
        denoiser.meter.requires_grad_(False)
        denoiser.judge.requires_grad_(False)

    def loss(self, step: int, part: Part = WHOLE) -> tuple[Tensor, dict[str, float]]:
        noisy, clean = step_crops(self._noisy, self.config, step, part)
        _, photo = step_crops(self._pictures, self.config, step, part)  # the same crops, before they are reduced
        draws = Draws(self.config, step, part)
        lr = self.module(noisy, strength_told(noisy, clean, draws))
        with torch.no_grad():
            latent = sampled_latent(self._experts, lr, self.STEPS, draws)
        loss, values = self._loss(self._autoencoder.decode(latent, lr), photo)
        lr_l1 = F.l1_loss(lr.float(), clean) / 2
        return loss + lr_l1, {**values, "lr_l1": float(lr_l1.detach())}

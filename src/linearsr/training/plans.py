"""What a recipe is: the geometry of its networks, its data, and every stage, as one typed configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from linearsr.models.autoencoder import AutoencoderConfig
from linearsr.models.deep import DeepAutoencoderConfig
from linearsr.models.denoiser import DenoiserConfig
from linearsr.models.transformer import TransformerConfig
from linearsr.training.config import StageConfig
from linearsr.training.objective import ImageLossWeights
from linearsr.training.stages import LatentMix


@dataclass(frozen=True, kw_only=True)
class ValidationPlan:
    """``crops`` of ``lr_side`` LR pixels, and after how many steps of each stage they are scored."""

    crops: int
    lr_side: int
    flow_every: int
    expert_every: int
    polish_every: int
    denoise_every: int


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """``count`` pairs of ``lr_side`` LR pixels."""

    count: int
    lr_side: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """From photos to weights. ``variants`` is how often each photo is degraded for the pool.

    Of what decoders of fidelity and detail, denoiser, meter and judge learn from, ``drawn_share`` are drawings; then
    ``defocus_share`` is out of focus for the decoders, and ``smooth_share`` for the others. ``camera_share`` is of what
    the decoder of detail learns from. ``decoder_pairs`` are made for a decoder where photos are not degraded live.
    ``judge_pictures`` are what the judge of noise learns from, again and again.
    ``guidance_drop`` is the share of samples that are trained without guidance, where a transformer has any.
    """

    autoencoder_model: AutoencoderConfig | DeepAutoencoderConfig
    transformer_model: TransformerConfig
    variants: int
    base: StageConfig
    base_loss: ImageLossWeights
    autoencoder: StageConfig
    autoencoder_loss: ImageLossWeights
    latent_mix: LatentMix
    flow: StageConfig
    expert: StageConfig
    polish: StageConfig
    polish_loss: ImageLossWeights
    sft: StageConfig
    sft_share: float
    fidelity: StageConfig
    fidelity_loss: ImageLossWeights
    detail: StageConfig
    detail_loss: ImageLossWeights
    clean_answer: StageConfig
    cleaned: StageConfig
    cleaned_loss: ImageLossWeights
    distill: StageConfig
    denoiser_model: DenoiserConfig
    denoise: StageConfig
    meter: StageConfig
    judge: StageConfig
    polish_denoiser: StageConfig
    judge_pictures: int
    decoder_pairs: PairPlan
    validation: ValidationPlan
    guidance_drop: float = 0.15
    defocus_share: float = 0.15
    drawn_share: float = 0.15
    camera_share: float = 0.75
    smooth_share: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.sft_share <= 1:
            raise ValueError(f"sft_share must be in (0, 1], not {self.sft_share}")
        for name in ("guidance_drop", "camera_share", "defocus_share", "drawn_share", "smooth_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}")

    def with_stages(self, change: Callable[[StageConfig], StageConfig]) -> Recipe:
        """Return the recipe with every stage changed."""
        return replace(
            self,
            base=change(self.base),
            autoencoder=change(self.autoencoder),
            flow=change(self.flow),
            expert=change(self.expert),
            polish=change(self.polish),
            sft=change(self.sft),
            fidelity=change(self.fidelity),
            detail=change(self.detail),
            clean_answer=change(self.clean_answer),
            cleaned=change(self.cleaned),
            distill=change(self.distill),
            denoise=change(self.denoise),
            meter=change(self.meter),
            judge=change(self.judge),
            polish_denoiser=change(self.polish_denoiser),
        )

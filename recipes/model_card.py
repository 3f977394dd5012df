"""Write a model card from a finished run: configuration, data, stages, and scores measured by an independent judge.

    python recipes/model_card.py --model MODEL --run RUN --photos SHARDS --scores SCORES [--continues CARD]

SCORES holds one CSV per method, as the judge writes it (a row per image, a column per metric). CARD is that of the
weights which the run went on from: its stages come first. The card goes to MODEL/README.md and the list of photo
sources beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import Counter
from pathlib import Path
from string import Template

from linearsr.models.fidelity import DEFAULT, DENOISED

METRICS = {"psnr_y": "PSNR", "ssim_y": "SSIM", "lpips_alex": "LPIPS", "dists": "DISTS", "niqe": "NIQE"}
STAGES = (
    *("base", "autoencoder", "flow", "experts/expert?", "polish", "sft"),
    *("fidelity", "detail", "distill", "denoise", "meter", "judge", "polish-denoiser", "polish-denoiser/judge"),
    *("cleaned/clean-answer", "cleaned"),
)
"""Folders of a run, in order."""
CARD = Template("""# $name

The embedded default of LinearSR: ×4 super-resolution on a CPU. Made by `recipes/model_card.py` from the run itself.

## What it is

| part | parameters | stored as |
|---|---|---|
$parts

Four transformers of width $width and depth $depth with ReLU linear attention, one per range of signal-to-noise ratio
(boundaries $boundaries), predict a stride-32 latent in 4 steps; a decoder that also sees the LR image turns it into
pixels. `faithful` is a decoder trained for the distance to the photo alone, the one inside the autoencoder for detail;
`--fidelity` goes from this one to that (default: $fidelity, and $denoised where noise went). `denoiser` takes noise out
of photos first, where it is noise for sure (`--denoise`, `docs/decisions/0010-denoiser.md`), and `cleaned` takes the
place of the decoder for detail in photos that it was taken out of (`docs/decisions/0011-cleaned.md`).

## Training

$photos crops of photos from $sources sources under free licences (`SOURCES.csv`), $held_out of them held out for
validation. `recipes/train_tiny.py` on two CPU cores; every stage starts from the one before it, but for `denoise`,
`meter` and `judge`, which stand by themselves.

| stage | steps | hours | first loss | last loss |
|---|---|---|---|---|
$stages

Losses are means over the first and last tenth of each stage's log; in the polish its weights were raised on the way
(`docs/log.md`). A number behind a stage counts how often it was gone on with (a meter, made anew), and the log says
what was changed. `detail-11` is in the weights as it ended; it learned, like `detail-10`, from pairs as soft as a
camera's. It went on from half of `detail-10`, which followed `detail-9`, and half of the weights before. Half of those
is `detail-9`, on photos that the denoiser leaves as they are, and half what it went on from; so is half of `detail-8`
in that; in what it went on from, `detail-7` has four tenths; of the rest
`detail-6` has three tenths and the one before seven. `denoise-5` went on from half of `denoise-4`
and half of the one before. `clean-answer` and `cleaned` learned from what Real-ESRGAN x4plus (BSD 3-Clause, Xintao
Wang) makes of 2,000 noisy pictures; the decoder had seen 1,000 steps of them before, 1,800 more steps brought the
denoiser's first answer back and mixed it into the second, and six tenths of the new decoder are in `cleaned`, four of
the one for detail. From the first `fidelity` on, a core was shared with other work; the hours are of a busy
machine.

## Scores

RealSR crops (100 real camera pairs, 128→512), PSNR and SSIM on Y without border crop, LPIPS-alex. The set was used to
look at during development, never to train. Higher is better for PSNR and SSIM, lower for the others.

| method | $metrics |
|---|$rule|
$scores

With the transformer switched off (`linearsr ablate decoder`, in `docs/results.md`) the pictures are the same: the
sampled latent adds nothing that these numbers can tell. `docs/log.md` says why.

## Limits

- Trained for a few hours on one or two CPU cores: a first set of weights, not the method's ceiling. It is not
  the paper's model, and its scores are not comparable with the paper's.
- It sharpens edges and textures; it does not invent faces or letters, and small text stays as legible as the input.
- Noise goes, and fine texture with it: skin and fur of a noisy photo come out smooth. A photo of nothing but fine
  texture may be taken for noisy (none of the 100 RealSR crops is); `--denoise 0` leaves it as it is.
- JPEG blocks are found where the picture was not resized since, and taken out below a quality of 89. Of letters in
  screenshots, and of pictures that were resized after compression, they stay.

## Licence

Apache-2.0. The training photos keep their own licences; none is contained in the weights' files.
""")


def main() -> None:
    """Write README.md and SOURCES.csv into the model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--model", "--run", "--photos", "--scores"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--continues", type=Path, help="card of the weights that the run went on from")
    arguments = parser.parse_args()
    earlier = [] if arguments.continues is None else _earlier_rows(arguments.continues.read_text(encoding="utf-8"))
    index = json.loads((arguments.model / "model_index.json").read_text(encoding="utf-8"))
    photos = _read_csv(arguments.photos / "manifest.csv")
    sources = Counter((row["source"], row["licence"]) for row in photos)
    with (arguments.model / "SOURCES.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("source", "licence", "crops"))
        writer.writerows((source, licence, count) for (source, licence), count in sorted(sources.items()))
    card = CARD.substitute(
        name=index["name"],
        parts="\n".join(_part_rows(index)),
        width=index["transformer"]["width"],
        depth=index["transformer"]["depth"],
        boundaries=", ".join(str(boundary) for boundary in index["experts"]["boundaries"]),
        photos=len(photos),
        sources=len({source for source, _ in sources}),
        held_out=_held_out(photos),
        fidelity=DEFAULT,
        denoised=f"{DENOISED:g}",
        stages="\n".join(_numbered([*earlier, *_stage_rows(arguments.run)])),
        metrics=" | ".join(METRICS.values()),
        rule="---|" * (len(METRICS) - 1) + "---",
        scores="\n".join(_score_rows(arguments.scores)),
    )
    (arguments.model / "README.md").write_text(card, encoding="utf-8")


def _part_rows(index: dict[str, dict[str, dict[str, str | int]]]) -> list[str]:
    files = index["files"].items()
    return [f"| {name} | {int(file['parameters']) / 1e6:.1f} M | {file['storage']} |" for name, file in files]


def _held_out(photos: list[dict[str, str]]) -> int:
    from linearsr.data.shards import is_held_out

    return sum(is_held_out(row) for row in photos)


def _earlier_rows(card: str) -> list[list[str]]:
    """The stages of a card, under the names of their folders."""
    table = card.partition("| stage |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [[re.sub(r"-\d+$", "", name), *rest] for name, *rest in rows]


def _numbered(rows: list[list[str]]) -> list[str]:
    """Lines of the table; a stage that comes again gets a number."""
    seen: Counter[str] = Counter()
    lines = []
    for name, *rest in rows:
        seen[name] += 1
        lines.append(f"| {name if seen[name] == 1 else f'{name}-{seen[name]}'} | {' | '.join(rest)} |")
    return lines


def _stage_rows(run: Path) -> list[list[str]]:
    rows = []
    for folder in (folder for stage in STAGES for folder in sorted(run.glob(stage))):
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        # A resumed run logs some steps twice; the later line is the one whose weights went on.
        records = sorted(
            {record["step"]: record for record in map(json.loads, lines)}.values(), key=lambda r: r["step"]
        )
        tenth = max(1, len(records) // 10)
        first, last = (sum(r["loss"] for r in part) / len(part) for part in (records[:tenth], records[-tenth:]))
        steps = records[-1]["step"] + 1
        hours = steps * records[-1]["seconds_per_step"] / 3600
        rows.append([folder.name, str(steps), f"{hours:.2f}", f"{first:.3f}", f"{last:.3f}"])
    return rows


def _score_rows(folder: Path) -> list[str]:
    rows = []
    for path in sorted(folder.glob("*.csv")):
        images = _read_csv(path)
        means = {metric: sum(float(row[metric]) for row in images) / len(images) for metric in METRICS}
        cells = [
            f"{means[metric]:.2f}" if metric in ("psnr_y", "niqe") else f"{means[metric]:.3f}" for metric in METRICS
        ]
        rows.append(f"| {path.stem} | {' | '.join(cells)} |")
    return rows


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main()

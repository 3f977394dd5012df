"""Test sets known by name, and how each names its folders and the two images of a pair.

    realsr, drealsr    the 128 -> 512 crops of StableSR (Wang et al., 2023), which most tables since then use
    div2k-val          the 100 photos of DIV2K (Agustsson and Timofte, 2017), or StableSR's 3,000 degraded crops of them
    reallq250          250 real photos without reference (DreamClear, Ai et al., 2024)
    realset80          80 real photos without reference (InvSR, Yue et al., 2024)
    folder             images of your own: folders lr and hr (or lq and gt), or just images

Folders and endings are those of :data:`LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from linearsr.errors import DataError, InputError
from linearsr.evaluation.folders import check_complete, find_images
from linearsr.imaging.codec import read_header

HERE = "."
_PLAIN_PAIRS = (("lr", "hr"), ("LR", "HR"), ("lq", "gt"))
_STABLESR_PAIRS = (("test_LR", "test_HR"), *_PLAIN_PAIRS)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a set keeps its images.

    ``pairs`` are the folders of inputs and references below the root that are tried in turn, ``alone`` those of inputs
    without reference. ``marks`` are the endings of names that tell the two of a pair apart; ``sides`` those of input
    and reference in pixels; ``images`` are the numbers of images the set has as published (none: any).
    """

    pairs: tuple[tuple[str, str], ...] = ()
    alone: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    sides: tuple[int, int] | None = None
    images: tuple[int, ...] = ()
    source: str

    @property
    def expected(self) -> str:
        """What must lie below the root, for messages."""
        pairs = [f"{inputs}/ and {references}/" for inputs, references in self.pairs]
        return ", or ".join((*pairs, *("images" if folder == HERE else f"{folder}/" for folder in self.alone)))


LAYOUTS = {
    "realsr": Layout(
        pairs=_STABLESR_PAIRS,
        marks=("_LR4", "_HR"),
        sides=(128, 512),
        images=(100,),
        source="RealSRVal_crop128 of StableSR's test sets",
    ),
    "drealsr": Layout(
        pairs=_STABLESR_PAIRS,
        marks=("_x4", "_x1"),
        sides=(128, 512),
        images=(93,),
        source="DrealSRVal_crop128 of StableSR's test sets",
    ),
    "div2k-val": Layout(
        pairs=(("DIV2K_valid_LR_bicubic/X4", "DIV2K_valid_HR"), *_STABLESR_PAIRS),
        marks=("x4",),
        images=(100, 3000),
        source="DIV2K's validation photos, or DIV2K_V2_val of StableSR's test sets",
    ),
    "reallq250": Layout(alone=("lq", HERE), images=(250,), source="RealLQ250 of DreamClear"),
    "realset80": Layout(alone=("RealSet80", HERE), images=(80,), source="testdata/RealSet80 of InvSR"),
    "folder": Layout(pairs=_PLAIN_PAIRS, alone=(HERE,), source="images of your own"),
}


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Inputs and references by key, and the endings that keys leave out. A set may lack references."""

    name: str
    inputs: Mapping[str, Path]
    references: Mapping[str, Path]
    marks: tuple[str, ...]
    remark: str | None = None


def open_dataset(name: str, root: Path) -> ImageSet:
    """Find the images of the set ``name`` (a key of ``LAYOUTS``) below ``root``.

    Raises:
        InputError: if the folders the set consists of are not there.
        DataError: if images of a pair are missing, or have other sizes than the set's.
    """
    layout = LAYOUTS[name]
    for inputs, references in layout.pairs:
        if (root / inputs).is_dir() and (root / references).is_dir():
            found = find_images(root / inputs, layout.marks), find_images(root / references, layout.marks)
            check_complete(found[0], found[1], str(root / references))
            check_complete(found[1], found[0], str(root / inputs))
            _check_sides(found, layout)
            return _image_set(name, layout, *found)
    for folder in layout.alone:
        if (root / folder).is_dir() and (folder != HERE or _holds_files(root)):
            return _image_set(name, layout, find_images(root / folder, layout.marks), {})
    raise InputError(
        f"{root} is not laid out as {name}",
        remedy=f"name the folder that holds {layout.expected} ({layout.source})",
    )


def _image_set(name: str, layout: Layout, inputs: Mapping[str, Path], references: Mapping[str, Path]) -> ImageSet:
    remark = None
    if layout.images and len(inputs) not in layout.images:
        published = " or ".join(f"{number:,}" for number in layout.images)
        remark = f"{name} has {published} images, {len(inputs)} are here: means do not compare with published ones"
    return ImageSet(name=name, inputs=inputs, references=references, marks=layout.marks, remark=remark)


def _check_sides(found: tuple[Mapping[str, Path], Mapping[str, Path]], layout: Layout) -> None:
    if layout.sides is None:
        return
    for images, side in zip(found, layout.sides, strict=True):
        for path in images.values():
            header = read_header(path)
            if (header.width, header.height) != (side, side):
                raise DataError(
                    f"{path} is {header.width}x{header.height}, not {side}x{side}", remedy=f"use {layout.source}"
                )


def _holds_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.iterdir())

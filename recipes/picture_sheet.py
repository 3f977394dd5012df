r"""Lay the same places of several methods' results beside each other: one row per place, one column per method.

    python recipes/picture_sheet.py --inputs LR --method bicubic=OUT/bicubic --method ours=OUT/ours \
        --place cat:128:96 --place cup:200:150 --side 256 --out sheet.jpg

A place is the name of an input and the left and top of a square in the results. The first column is the input, every
pixel of it a square.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

from linearsr.evaluation.crops import Crops, Place, cut_crops
from linearsr.evaluation.folders import Method, find_images

GAP, CAPTION = 6, 22
"""Pixels between pictures, and above each column for its name."""


def main() -> None:
    """Read the folders, cut the places out and save the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--method", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--place", action="append", required=True, metavar="NAME:LEFT:TOP")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    inputs = find_images(arguments.inputs)
    methods = []
    for text in arguments.method:
        name, folder = text.split("=", 1)
        methods.append(Method(name=name, outputs=find_images(Path(folder))))
    places = [_place(text, arguments.side) for text in arguments.place]
    sheet = _draw([cut_crops(place, methods, {}, inputs) for place in places], arguments.side)
    sheet.save(arguments.out, quality=92)


def _place(text: str, side: int) -> Place:
    name, left, top = text.rsplit(":", 2)
    return Place(image=name, left=int(left), top=int(top), side=side, disagreement=0.0)


def _draw(rows: list[Crops], side: int) -> Image.Image:
    columns = len(rows[0].pictures)
    size = columns * (side + GAP) - GAP, CAPTION + len(rows) * (side + GAP) - GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, crops in enumerate(rows):
        for column, (caption, pixels) in enumerate(crops.pictures):
            left = column * (side + GAP)
            sheet.paste(Image.fromarray(pixels), (left, CAPTION + row * (side + GAP)))
            if row == 0:
                draw.text((left + side / 2, CAPTION / 2), caption, fill="black", anchor="mm", font_size=16)
    return sheet


if __name__ == "__main__":
    main()

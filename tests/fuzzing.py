"""Mutate small valid images and decode them: ``python fuzzing.py FORMAT COUNT`` prints what came of it, as JSON."""

from __future__ import annotations

import collections
import json
import random
import sys
import time

import PIL.Image
from imaging_samples import SRGB_ICC, exif_with, noise, pil_bytes, raw_png

from linearsr.errors import LinearSRError
from linearsr.imaging.codec import decode, read_header

RGB, GRAY = PIL.Image.fromarray(noise(9, 11, 3)), PIL.Image.fromarray(noise(9, 11))
RGBA, PALETTE = PIL.Image.fromarray(noise(9, 11, 4)), RGB.quantize(16)
BLOCKS = {"exif": exif_with(orientation=6, make="Maker"), "icc_profile": SRGB_ICC}


def seeds(form: str) -> list[bytes]:
    """Small valid files of one format, of every kind it has."""
    plain = {
        "PNG": [RGB, GRAY, RGBA, PALETTE, GRAY.convert("1")],
        "JPEG": [RGB, GRAY, RGB.convert("CMYK")],
        "WEBP": [RGB, RGBA],
        "TIFF": [RGB, GRAY, RGBA, PALETTE, GRAY.convert("1"), RGB.convert("CMYK")],
        "GIF": [PALETTE, GRAY],
    }
    files = [pil_bytes(image, form) for image in plain[form]]
    files.append(pil_bytes(RGB, form, save_all=True, append_images=[RGB.rotate(180)]) if form != "JPEG" else files[0])
    if form != "GIF":
        files.append(pil_bytes(RGB, form, **BLOCKS))
    extra = {
        "PNG": [raw_png(noise(5, 7, 4, dtype="uint16"))],
        "JPEG": [pil_bytes(RGB, "JPEG", progressive=True)],
        "WEBP": [pil_bytes(RGBA, "WEBP", lossless=True)],
        "TIFF": [pil_bytes(RGB, "TIFF", compression=name) for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")],
        "GIF": [pil_bytes(PALETTE, "GIF", transparency=3, interlace=1)],
    }
    return files + extra[form]


def mutated(payload: bytes, random_: random.Random) -> bytes:
    """Flip, cut, insert, repeat or remove some bytes; one to three times."""
    data = bytearray(payload)
    for _ in range(random_.randint(1, 3)):
        place = random_.randrange(len(data) + 1)
        span = random_.randint(1, 16)
        match random_.randrange(8):
            case 0:
                del data[place:]
            case 1:
                data[place:place] = random_.randbytes(span)
            case 2:
                data[place:place] = data[place : place + span]
            case 3:
                del data[place : place + span]
            case 4:
                data[place : place + 4] = random_.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case _:
                for spot in random_.choices(range(len(data)), k=span) if data else ():
                    data[spot] = random_.randrange(256)
    return bytes(data)


def fuzz(form: str, count: int) -> dict[str, object]:
    """Outcomes of ``count`` mutants: how often which error, what else escaped, and the slowest in seconds."""
    random_ = random.Random(form)
    files = seeds(form)
    outcomes: collections.Counter[str] = collections.Counter()
    escaped, slowest = [], 0.0
    for _ in range(count):
        payload = mutated(random_.choice(files), random_)
        started = time.perf_counter()
        for read in (read_header, decode):
            try:
                read(payload)
                outcomes[read.__name__] += 1
            except LinearSRError as error:
                outcomes[type(error).__name__] += 1
            except BaseException as error:
                escaped.append(f"{error!r} from {payload.hex()}")
        slowest = max(slowest, time.perf_counter() - started)
    return {"outcomes": outcomes, "escaped": escaped, "slowest": slowest}


if __name__ == "__main__":
    print(json.dumps(fuzz(sys.argv[1], int(sys.argv[2]))))

"""Where methods differ most: the places worth looking at.

    D(p) = standard deviation over the methods of their colours at pixel p, averaged over the window around p

With a single method, D is its distance to the reference. Per image the window of the largest D is taken, and of the
images those where it is largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from linearsr.evaluation.folders import Method, read_pixels
from linearsr.evaluation.metrics import Pixels

SIDE = 128
"""Pixels of an output that a crop shows on each side."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A window of one image: its corner, side and disagreement."""

    image: str
    left: int
    top: int
    side: int
    disagreement: float


@dataclass(frozen=True, kw_only=True)
class Crops:
    """A place as every method shows it. Pictures are (captions, pixels): input, methods in order, reference."""

    place: Place
    pictures: tuple[tuple[str, Pixels], ...]


def find_places(methods: Sequence[Method], references: Mapping[str, Path], count: int) -> list[Place]:
    """The ``count`` places where the methods differ most, at most one per image, the largest difference first."""
    places = []
    for key in sorted(references or methods[0].outputs):
        paths = [method.outputs[key] for method in methods if key in method.outputs]
        if len(methods) == 1 and key in references:
            paths.append(references[key])
        images = [read_pixels(path) for path in paths]
        if len(images) > 1 and len({image.shape for image in images}) == 1:
            places.append(_place(key, images))
    return sorted(places, key=lambda place: -place.disagreement)[:count]


def cut_crops(
    place: Place, methods: Sequence[Method], references: Mapping[str, Path], inputs: Mapping[str, Path]
) -> Crops:
    """Cut one place out of the input (enlarged without smoothing), every method's output, and the reference."""
    outputs = [(method.name, method.outputs[place.image]) for method in methods]
    shown = [*outputs, *([("reference", references[place.image])] if place.image in references else [])]
    pictures = [(caption, _cut(read_pixels(path), place)) for caption, path in shown]
    if place.image in inputs:
        full = read_pixels(outputs[0][1]).shape[:2]
        pictures.insert(0, ("input", _cut_input(read_pixels(inputs[place.image]), place, full)))
    return Crops(place=place, pictures=tuple(pictures))


def _place(key: str, images: Sequence[Pixels]) -> Place:
    spread = np.stack(images).astype(np.float32).std(0).mean(-1)
    side = min(SIDE, *spread.shape)
    sums = _window_means(spread, side)
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return Place(image=key, left=int(left), top=int(top), side=side, disagreement=float(sums.max()))


def _window_means(plane: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Mean of every ``side`` x ``side`` window, by differences of cumulative sums."""
    total = np.pad(plane.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    means: NDArray[np.float64] = (
        total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    ) / side**2
    return means


def _cut(pixels: Pixels, place: Place) -> Pixels:
    return pixels[place.top : place.top + place.side, place.left : place.left + place.side]


def _cut_input(pixels: Pixels, place: Place, full: tuple[int, ...]) -> Pixels:
    """The place in the input, every pixel of it as a square."""
    down, across = pixels.shape[0] / full[0], pixels.shape[1] / full[1]
    box = (place.left * across, place.top * down, (place.left + place.side) * across, (place.top + place.side) * down)
    size = (place.side, place.side)
    return np.asarray(PIL.Image.fromarray(pixels).resize(size, PIL.Image.Resampling.NEAREST, box=box))

"""The results as one HTML file that needs nothing else: tables that can be sorted, and crops where methods differ."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import numpy as np
import PIL.Image

from linearsr.evaluation.crops import Crops
from linearsr.evaluation.metrics import Metric, Pixels
from linearsr.evaluation.report import LEGEND, TEST_HEADER, TEST_LEGEND, Results, cell, heading, row_of_test
from linearsr.evaluation.summary import bootstrap_mean

# The page may run its own script and show its own pictures, and fetch nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
Cell = tuple[str, float | str, bool]
"""What a cell shows, what it is sorted by, and whether it is the best of its column."""


def html(results: Results, crops: Sequence[Crops], *, title: str) -> str:
    """Return the page."""
    sections = [_means(results), *([_tests(results)] if results.tests else [])]
    sections += [*([_crops(results, crops)] if crops else []), _images(results)]
    folder = files("linearsr.evaluation") / "page_files"
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(sections)}</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _means(results: Results) -> str:
    means = {
        metric.name: [bootstrap_mean(m.column(metric.name)) for m in results.methods] for metric in results.metrics
    }
    rows = []
    for index, method in enumerate(results.methods):
        row: list[Cell] = [(method.method, method.method, False), (str(len(method.images)), len(method.images), False)]
        for metric in results.metrics:
            column = [mean.value for mean in means[metric.name]]
            row.append((cell(means[metric.name][index]), column[index], column[index] == _best(column, metric)))
        rows.append(row)
    header = ["method", "images", *(heading(metric) for metric in results.metrics)]
    return f"<section>\n<h2>Means</h2>\n{_table(header, rows)}<p>{LEGEND} The best is bold.</p>\n</section>\n"


def _tests(results: Results) -> str:
    rows: list[list[Cell]] = []
    for test in results.tests:
        texts = row_of_test(test)
        numbers = (test.images, test.better_on, test.difference.value, test.effect_size, test.p_t, test.p_wilcoxon)
        keys: tuple[float | str, ...] = (*texts[:3], *numbers)
        rows.append([(text, key, False) for text, key in zip(texts, keys, strict=True)])
    return f"<section>\n<h2>Paired tests</h2>\n{_table(TEST_HEADER, rows)}<p>{TEST_LEGEND}</p>\n</section>\n"


def _crops(results: Results, crops: Sequence[Crops]) -> str:
    figures = "".join(_figure(results, crop) for crop in crops)
    return f"<section>\n<h2>Where they differ most</h2>\n{figures}</section>\n"


def _figure(results: Results, crop: Crops) -> str:
    place = crop.place
    scores = {method.method: method.images.get(place.image, {}) for method in results.methods}
    pictures = []
    for caption, pixels in crop.pictures:
        values = "".join(f"<br>{escape(name)} {value:.4g}" for name, value in scores.get(caption, {}).items())
        alternative = escape(f"{place.image}, {caption}", quote=True)
        image = f'<img src="{_data_address(pixels)}" alt="{alternative}" width="{place.side}" height="{place.side}">'
        pictures.append(f"<figure>{image}<figcaption><b>{escape(caption)}</b>{values}</figcaption></figure>\n")
    where = f"{place.side} × {place.side} pixels from ({place.left}, {place.top})"
    return f'<h3>{escape(place.image)} <small>{where}</small></h3>\n<div class="crops">\n{"".join(pictures)}</div>\n'


def _images(results: Results) -> str:
    rows: list[list[Cell]] = []
    for method in results.methods:
        for image, scores in method.images.items():
            values: list[Cell] = [(f"{scores[m.name]:.4f}", scores[m.name], False) for m in results.metrics]
            rows.append([(image, image, False), (method.method, method.method, False), *values])
    header = ["image", "method", *(heading(metric) for metric in results.metrics)]
    table = _table(header, rows)
    return f"<section>\n<details>\n<summary>Every image</summary>\n{table}</details>\n</section>\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    kinds = [_kind(key) for _, key, _ in rows[0]]
    heads = "".join(
        f'<th scope="col"{kind}><button type="button">{escape(name)}</button></th>'
        for name, kind in zip(header, kinds, strict=True)
    )
    body = "".join(f"<tr>{''.join(_cell(*content) for content in row)}</tr>\n" for row in rows)
    return f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n'


def _cell(text: str, key: float | str, best: bool) -> str:
    shown = f"<b>{escape(text)}</b>" if best else escape(text)
    return f'<td{_kind(key)} data-key="{escape(str(key), quote=True)}">{shown}</td>'


def _kind(key: float | str) -> str:
    return "" if isinstance(key, str) else ' class="number"'


def _best(column: Sequence[float], metric: Metric) -> float:
    known = [value for value in column if not np.isnan(value)]
    return (max if metric.higher_is_better else min)(known, default=float("nan"))


def _data_address(pixels: Pixels) -> str:
    stream = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()

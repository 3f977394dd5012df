import base64
import io
import re

import numpy as np
import PIL.Image
import pytest
from small_models import photo

from linearsr.evaluation.choice import choose_metrics
from linearsr.evaluation.crops import Crops, Place
from linearsr.evaluation.page import html
from linearsr.evaluation.paired import compare_with
from linearsr.evaluation.report import Results
from linearsr.evaluation.runner import MethodScores

METRICS = choose_metrics(["psnr", "gmsd"], weights=None)
METHODS = [
    MethodScores(method="a", images={"x": {"psnr": 20.0, "gmsd": 0.5}, "y": {"psnr": 30.0, "gmsd": 0.7}}),
    MethodScores(method="<b>", images={"x": {"psnr": 27.0, "gmsd": 0.9}, "y": {"psnr": 25.0, "gmsd": 0.6}}),
]
PICTURE = photo(32, 32)


@pytest.fixture(scope="module")
def page():
    place = Place(image="x", left=3, top=4, side=32, disagreement=1.0)
    crops = Crops(place=place, pictures=(("a", PICTURE), ("<b>", PICTURE), ("reference", PICTURE)))
    tests = compare_with("a", METHODS, METRICS)
    return html(Results(methods=METHODS, metrics=METRICS, tests=tests), [crops], title="one & two")


def test_the_page_needs_nothing_else(page):
    assert not re.search(r"(src|href)=(?!\"data:)", page)
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_names_are_text_and_never_markup(page):
    assert "<title>one &amp; two</title>" in page
    assert '<td data-key="&lt;b&gt;">&lt;b&gt;</td>' in page
    assert "<b><b>" not in page


def test_the_best_of_each_metric_is_bold_by_its_direction(page):
    means = page[: page.index("Paired tests")]
    bold = re.findall(r"<td[^>]*><b>([^<]*)</b>", means)
    assert [text.split()[0] for text in bold] == ["0.6000", "26.00"]  # a has the lower gmsd, b the higher psnr


def test_pictures_are_kept_exactly(page):
    address = re.search(r'src="data:image/png;base64,([^"]+)" alt="x, a"', page).group(1)
    with PIL.Image.open(io.BytesIO(base64.b64decode(address))) as image:
        np.testing.assert_array_equal(np.asarray(image), PICTURE)


def test_every_cell_says_what_it_is_sorted_by(page):
    assert re.findall(r'data-key="(20\.0|30\.0|27\.0|25\.0)"', page)[-4:] == ["20.0", "30.0", "27.0", "25.0"]


def test_without_tests_and_crops_there_are_no_such_sections():
    page = html(Results(methods=METHODS, metrics=METRICS), [], title="t")
    assert "Paired tests" not in page
    assert "differ most" not in page

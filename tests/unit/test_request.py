import itertools
import math

import numpy as np
import pytest

from linearsr.errors import ConfigError
from linearsr.request import UpscaleRequest

SIZES = [
    ({}, (400, 200)),
    ({"scale": 2}, (200, 100)),
    ({"scale": 1}, (100, 50)),
    ({"scale": 2.5}, (250, 125)),
    ({"scale": 0.05}, (5, 2)),
    ({"width": 150}, (150, 75)),
    ({"height": 150}, (300, 150)),
    ({"width": 150, "height": 10}, (150, 10)),
    ({"width": 150, "scale": 9}, (150, 75)),
    ({"max_side": 300}, (300, 150)),
    ({"max_side": 1000}, (400, 200)),
    ({"max_side": 1}, (1, 1)),
    ({"height": 500, "max_side": 200}, (200, 100)),
    ({"width": 100, "height": 400, "max_side": 200}, (50, 200)),
    ({"width": 65_500, "height": 65_500}, (65_500, 65_500)),
]
WRONG = [
    ("scale", value) for value in (0, -1, 0.049, 64.1, math.nan, math.inf, "4", None)
] + [
    ("denoise", -0.1), ("denoise", 1.01), ("denoise", "auto"),
    ("fidelity", -0.1), ("fidelity", 1.01), ("fidelity", "1"),
    ("guidance_scale", 0.9), ("guidance_scale", 20.1), ("guidance_scale", "2"),
    ("tags", "dog"), ("tags", (1,)),
    ("steps", 0), ("steps", 1001), ("steps", 2.5), ("steps", "4"),
    ("seed", -1), ("seed", 2**63), ("seed", 0.5),
    ("width", 0), ("width", 65_501), ("height", -3), ("height", 1.5), ("max_side", 0), ("max_side", "big"),
    ("tile", -1), ("tile", 1), ("tile", 31), ("tile", 64.5), ("tile", "auto"),
    ("color_fix", "magic"), ("solver", "rk4"), ("alpha", "maybe"), ("depth", 8), ("depth", "32"), ("metadata", "none"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "expected"), SIZES)
def test_the_output_size_follows_the_options(options, expected):
    assert UpscaleRequest(**options).output_size(100, 50) == expected


@pytest.mark.parametrize(("options", "expected"), SIZES)
def test_turning_the_image_turns_the_output_size(options, expected):
    swap = {"width": "height", "height": "width"}
    turned = {swap.get(name, name): value for name, value in options.items()}
    assert UpscaleRequest(**turned).output_size(50, 100) == expected[::-1]


@pytest.mark.parametrize(
    ("width", "height", "max_side"), list(itertools.product((None, 1, 7, 640), (None, 1, 9, 480), (None, 1, 8, 500)))
)
def test_sizes_asked_for_are_met_exactly_and_the_cap_always_holds(width, height, max_side):
    request = UpscaleRequest(width=width, height=height, max_side=max_side)
    for source in ((1, 1), (1, 999), (333, 77)):
        size = request.output_size(*source)
        assert min(size) >= 1
        if max_side is not None:
            assert max(size) <= max_side
        else:
            assert width in (None, size[0])
            assert height in (None, size[1])


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_naming_the_option_and_the_value(name, value):
    with pytest.raises(ConfigError) as caught:
        UpscaleRequest(**{name: value})
    assert str(caught.value).startswith(name)
    assert str(value) in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0.05}, {"scale": 64}, {"scale": np.float32(2)}, {"steps": 1}, {"steps": np.int64(1000)},
        {"denoise": 0}, {"denoise": None}, {"fidelity": 1},
        {"fidelity": None}, {"seed": 2**63 - 1}, {"tile": None}, {"tile": 0}, {"tile": 32},
        {"width": 65_500}, {"max_side": 1},
        {"color_fix": "adain"}, {"solver": "heun"}, {"alpha": "drop"}, {"depth": "16"}, {"metadata": "strip"},
    ],
)  # fmt: skip
def test_values_at_the_edge_of_the_range_are_accepted(options):
    request = UpscaleRequest(**options)
    assert all(getattr(request, name) == value for name, value in options.items())


def test_tags_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="both wanted and not: dog"):
        UpscaleRequest(tags=("Dog", "cat"), negative_tags=("dog ",), guidance_scale=2)
    with pytest.raises(ConfigError, match="no tags to follow"):
        UpscaleRequest(tags="none", guidance_scale=2)
    with pytest.raises(ConfigError, match="do nothing at a guidance scale of 1"):
        UpscaleRequest(negative_tags=("dog",))


@pytest.mark.parametrize("tags", [("",), ("dog",) * 500, ("do\0g",), ("d" * 65,)])
def test_unusable_tags_are_refused_on_either_side(tags):
    with pytest.raises(ConfigError, match="tag"):
        UpscaleRequest(tags=tags)
    with pytest.raises(ConfigError, match="tag"):
        UpscaleRequest(negative_tags=tags, guidance_scale=2)


def test_chosen_tags_are_clean_and_auto_has_none_yet():
    assert UpscaleRequest(tags=(" Dog", "dog")).chosen_tags == ("dog",)
    assert UpscaleRequest().chosen_tags == UpscaleRequest(tags="none").chosen_tags == ()


@pytest.mark.parametrize("caption", ["", "  ", "a" * 2001])
def test_captions_of_no_use_are_refused(caption):
    with pytest.raises(ConfigError, match="1 to 2000 characters"):
        UpscaleRequest(caption=caption)


def test_a_caption_stands_in_for_tags():
    with pytest.raises(ConfigError, match="takes the place of tags"):
        UpscaleRequest(caption="a dog", tags=("dog",))
    assert UpscaleRequest(caption="a dog", tags="none", guidance_scale=2).chosen_tags == ()

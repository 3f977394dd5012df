from __future__ import annotations

import dataclasses
import json

import pytest

from linearsr.models.autoencoder import AutoencoderConfig
from linearsr.models.configs import config_from_dict
from linearsr.models.experts import ExpertsConfig
from linearsr.models.transformer import TransformerConfig


@pytest.mark.parametrize(
    "config",
    [
        AutoencoderConfig(widths=(1, 2, 3, 4)),
        TransformerConfig(width=8, heads=2, mlp_ratio=1.5),
        ExpertsConfig(boundaries=(0.5,)),
    ],
)
def test_configuration_survives_json(config):
    assert config_from_dict(type(config), json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"TransformerConfig has no field widht; known fields: cross_heads, .*width"):
        config_from_dict(TransformerConfig, {"widht": 8})


@pytest.mark.parametrize("values", [[], "width", None])
def test_anything_but_an_object_is_refused(values):
    with pytest.raises(ValueError, match="TransformerConfig must be an object"):
        config_from_dict(TransformerConfig, values)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (AutoencoderConfig, "latent_channels", 0),
        (AutoencoderConfig, "depth", -1),
        (AutoencoderConfig, "tail_width", 0),
        (AutoencoderConfig, "widths", (1, 2, 3)),
        (AutoencoderConfig, "widths", (1, 2, 3, 0)),
        (TransformerConfig, "heads", 0),
        (TransformerConfig, "mlp_ratio", float("nan")),
        (ExpertsConfig, "boundaries", (0.5, 0.5)),
        (ExpertsConfig, "boundaries", (0.2, 0.8)),
        (ExpertsConfig, "boundaries", (1.0,)),
        (ExpertsConfig, "boundaries", (float("nan"),)),
    ],
)
def test_bad_value_is_named_with_its_field(kind, field, value):
    with pytest.raises(ValueError, match=field) as caught:
        kind(**{field: value})
    assert str(value) in str(caught.value)

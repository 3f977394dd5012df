import math

import pytest
import torch
import torch.nn.functional as F
from small_text_encoder import published_weights, random_tokens

from linearsr.models.minilm import MiniLM, from_published, pool

HEADS = 12


@pytest.fixture(scope="module")
def weights():
    return published_weights()


@pytest.fixture(scope="module")
def network(weights):
    network = MiniLM().eval()
    network.load_state_dict(from_published(weights))
    return network


def bert_by_hand(weights, tokens):
    """The definition, written out from the published names for one text."""

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        return F.layer_norm(x, (384,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    x = weights["embeddings.word_embeddings.weight"][tokens]
    x = x + weights["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for index in range(6):
        layer = f"encoder.layer.{index}"
        q, k, v = (
            linear(x, f"{layer}.attention.self.{part}").view(-1, HEADS, 32).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        attended = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(32), -1) @ v
        attended = linear(attended.transpose(0, 1).flatten(1), f"{layer}.attention.output.dense")
        x = norm(x + attended, f"{layer}.attention.output.LayerNorm")
        hidden = linear(F.gelu(linear(x, f"{layer}.intermediate.dense")), f"{layer}.output.dense")
        x = norm(x + hidden, f"{layer}.output.LayerNorm")
    return x


@torch.inference_mode()
def test_states_are_those_of_bert(network, weights):
    tokens = random_tokens(1, 7)
    states = network(tokens, torch.ones_like(tokens, dtype=torch.bool))
    assert torch.allclose(states[0], bert_by_hand(weights, tokens[0]), atol=1e-5)


@torch.inference_mode()
def test_padding_changes_nothing(network):
    tokens = random_tokens(1, 5)
    mask = torch.ones_like(tokens, dtype=torch.bool)
    padded, padded_mask = F.pad(tokens, (0, 3)), F.pad(mask, (0, 3))
    alone = pool(network(tokens, mask), mask)
    assert torch.allclose(pool(network(padded, padded_mask), padded_mask), alone, atol=1e-5)
    assert torch.allclose(alone.norm(dim=1), torch.ones(1))


def test_weights_of_another_model_are_refused():
    with pytest.raises(KeyError):
        from_published({"embeddings.word_embeddings.weight": torch.zeros(2, 2)})

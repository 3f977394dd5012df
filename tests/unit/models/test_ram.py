import pytest
import torch
import torch.nn.functional as F
from small_models import randn
from small_ram import TAGS, small_ram

from linearsr.models.ram import ram_from_weights


@pytest.fixture
def image():
    return randn(1, 3, 384, 384).sigmoid()


@pytest.mark.parametrize("descriptions", [1, 3])
def test_published_weights_tell_the_geometry(descriptions, image):
    network = small_ram(descriptions=descriptions)
    read = ram_from_weights(network.state_dict(), len(TAGS))
    assert read.config == network.config
    with torch.inference_mode():
        assert torch.equal(read(image), network(image))
        assert network(image).shape == (1, len(TAGS))


def test_descriptions_are_weighted_by_their_fit_to_the_image():
    network = small_ram(descriptions=2)
    whole = randn(1, 8)
    labels = network.label_embed.view(len(TAGS), 2, 8)
    for tag, pair in enumerate(labels):
        weights = torch.softmax(torch.stack([F.normalize(whole, dim=-1)[0] @ one for one in pair]), 0)
        expected = weights[0] * pair[0] + weights[1] * pair[1]
        torch.testing.assert_close(network._labels(whole)[0, tag], expected)


@pytest.mark.parametrize(
    ("lacks", "tags", "said"),
    [
        ("label_embed", 3, "no weights of RAM: label_embed"),
        ("fc.bias", 3, "lack fc.bias"),
        (None, 2, "3 label embeddings do not belong to 2 tags"),
    ],
)
def test_other_weights_are_refused(lacks, tags, said):
    weights = {name: value for name, value in small_ram().state_dict().items() if name != lacks}
    with pytest.raises(ValueError, match=said):
        ram_from_weights(weights, tags)

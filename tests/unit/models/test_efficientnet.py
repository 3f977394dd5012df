import pytest
import torch
import torch.nn.functional as F
from small_models import randn, seeded
from torch import nn

from linearsr.models.efficientnet import EfficientNetLite0, InvertedBottleneck, SameConv, fold_batch_norms


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
def test_padding_is_tensorflows(kernel, stride):
    conv = SameConv(2, 3, kernel, stride=stride)
    x = randn(1, 2, 8, 12)
    missing = kernel - stride  # for sides that the stride divides; the larger half comes last
    padded = F.pad(x, (missing // 2, missing - missing // 2) * 2)
    expected = F.conv2d(padded, conv.weight, conv.bias, stride)
    assert expected.shape == (1, 3, 8 // stride, 12 // stride)
    assert torch.equal(conv(x), expected)


def test_only_blocks_of_one_shape_add_their_input():
    same, wider, strided = (InvertedBottleneck(4, out, 3, stride, 6) for out, stride in ((4, 1), (6, 1), (4, 2)))
    x = randn(1, 4, 8, 8)
    for block in (same, wider, strided):
        nn.init.zeros_(block.project.weight)
        nn.init.zeros_(block.project.bias)
    assert torch.equal(same(x), x)
    assert not wider(x).any()
    assert strided(x).shape == (1, 4, 4, 4)


def test_shapes_and_size():
    network = EfficientNetLite0()
    image = randn(2, 3, 224, 224)
    assert network.feature_map(image).shape == (2, 1280, 7, 7)
    assert torch.allclose(network(image), network.classifier(network.features(image)))
    # The published network has 4,652,008, of which 21,008 are gains of batch norms.
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_652_008 - 21_008


def published(network):
    """The weights of a network as if each convolution had no bias and a batch norm behind it, in published names."""
    weights = {"_fc.weight": network.classifier.weight, "_fc.bias": network.classifier.bias}
    convs = {"_conv_stem": ("_bn0", network.stem), "_conv_head": ("_bn1", network.head)}
    for index, block in enumerate(network.blocks):
        names = (("expand_conv", "bn0"), ("depthwise_conv", "bn1"), ("project_conv", "bn2"))
        for (conv, norm), module in zip(names, (block.expand, block.depthwise, block.project), strict=True):
            if module is not None:
                convs[f"_blocks.{index}._{conv}"] = (f"_blocks.{index}._{norm}", module)
    for name, (norm, module) in convs.items():
        channels = len(module.weight)
        weights |= {
            f"{name}.weight": module.weight,
            f"{norm}.weight": randn(channels, seed=1).abs() + 0.5,
            f"{norm}.bias": randn(channels, seed=2),
            f"{norm}.running_mean": randn(channels, seed=3),
            f"{norm}.running_var": randn(channels, seed=4).abs() + 0.5,
        }
    return {name: value.detach() for name, value in weights.items()}


def test_folded_batch_norms_are_batch_norms():
    weights = published(seeded(0, EfficientNetLite0))
    folded = EfficientNetLite0()
    folded.load_state_dict(fold_batch_norms(weights))
    x = randn(1, 3, 16, 16)
    norm = (weights[f"_bn0.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    conv = F.conv2d(F.pad(x, (0, 1, 0, 1)), weights["_conv_stem.weight"], stride=2)
    expected = F.batch_norm(conv, *norm, eps=1e-3)
    assert torch.allclose(folded.stem(x), expected, atol=1e-5)


def test_weights_of_another_network_are_refused():
    with pytest.raises(KeyError):
        fold_batch_norms({"_fc.weight": torch.zeros(1, 1)})

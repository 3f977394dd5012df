import pytest
import torch
import torch.nn.functional as F

from linearsr.models import dense as module
from linearsr.models.dense import Dense, convolutions_are_faster, dense


@pytest.fixture
def by_convolution(monkeypatch):
    monkeypatch.setattr(module, "convolutions_are_faster", lambda: True)


@pytest.mark.parametrize("shape", [(1, 1, 8), (2, 35, 8), (1, 1000, 96)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_convolution_gives_what_the_product_gives(by_convolution, shape, has_bias):
    layer = Dense(shape[-1], 24, bias=has_bias)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        result = layer(x)
        torch.testing.assert_close(result, F.linear(x, layer.weight, layer.bias), rtol=1e-5, atol=1e-5)
        assert result.is_contiguous()
        across = x.transpose(1, 2).contiguous().transpose(1, 2)
        torch.testing.assert_close(layer(across), result, rtol=0, atol=1e-6)
        assert layer(across).is_contiguous()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_training_and_other_precisions_keep_to_the_product(by_convolution, dtype, monkeypatch):
    monkeypatch.setattr(F, "conv2d", None)
    x, weight = torch.randn(1, 3, 4).to(dtype), torch.randn(5, 4).to(dtype)
    assert torch.equal(dense(x, weight), F.linear(x, weight))
    with torch.set_grad_enabled(dtype == torch.float32):
        assert torch.equal(dense(x, weight), F.linear(x, weight))


@pytest.mark.parametrize(
    ("name", "capability", "expected"),
    [
        ("AMD EPYC", "AVX512", True),
        ("AMD EPYC", "AVX2", False),
        ("Intel(R) Xeon(R) Processor", "AVX512", False),
        ("Apple M4", "DEFAULT", False),
    ],
)
def test_the_rule_is_fixed_by_the_processor(monkeypatch, name, capability, expected):
    monkeypatch.setattr(module, "processor_name", lambda: name)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert convolutions_are_faster.__wrapped__() is expected

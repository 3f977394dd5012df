import pytest
import torch
import torch.nn.functional as F

from linearsr.models.bicubic import enlarge


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (13, 5), (24, 40)])
def test_the_convolution_equals_interpolate(scale, size):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(x.double(), scale_factor=scale, mode="bicubic", align_corners=False)
    torch.testing.assert_close(enlarge(x, scale).double(), expected, rtol=0, atol=2e-6)


def test_low_precision_is_enlarged_in_float32_and_keeps_its_memory_format():
    x = torch.rand(1, 3, 16, 16).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    enlarged = enlarge(x, 4)
    assert enlarged.dtype == torch.float32
    assert enlarged.is_contiguous(memory_format=torch.channels_last)

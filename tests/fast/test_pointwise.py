import pytest
import torch
from torch import nn

from personsearch.fast.pointwise import Pointwise, make_pointwise


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_the_convolution_with_the_same_weights(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(6, 8, 1, stride=2, bias=False), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 3)).to(dtype)
    maps = torch.randn(2, 6, 20, 14).to(dtype, memory_format=torch.channels_last)
    weight = layers[0].weight
    with torch.inference_mode():
        expected = layers(maps)
        make_pointwise(layers)
        computed = layers(maps)
    assert [type(layer) for layer in layers] == [Pointwise, Pointwise, nn.Conv2d]
    assert layers[0].weight is weight
    assert torch.allclose(computed.float(), expected.float(), atol=1e-5 if dtype == torch.float32 else 2e-2)

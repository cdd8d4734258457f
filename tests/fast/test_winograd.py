import pytest
import torch
from torch import nn

from personsearch.fast.winograd import Winograd, use_winograd


@pytest.mark.parametrize(("images", "height", "width"), [(1, 4, 4), (2, 9, 7), (1, 1, 1), (3, 6, 13)])
def test_it_is_the_convolution(images: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 8, 3, padding=1)
    maps = torch.randn(images, 16, height, width).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        computed, exact = Winograd(conv)(maps), conv.double()(maps.double())
    assert computed.shape == exact.shape
    assert (computed - exact).abs().max() < 1e-5


def test_a_tile_by_hand() -> None:
    # A filter that takes the pixel to the left, of a map whose value is its column: column - 1, and 0 at the edge.
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.zeros_(conv.weight)
    with torch.inference_mode():
        conv.weight[0, 0, 1, 0] = 1
        computed = Winograd(conv)(torch.arange(5.0).expand(1, 1, 3, 5))
    assert torch.allclose(computed[0, 0], torch.tensor([0.0, 0, 1, 2, 3]).expand(3, 5), atol=1e-5)


def test_only_wide_plain_convolutions_are_replaced() -> None:
    layers = nn.Sequential(
        nn.Conv2d(256, 2, 3, padding=1),
        nn.Conv2d(2, 256, 3, padding=1),
        nn.Conv2d(256, 2, 3, padding=1, stride=2),
        nn.Conv2d(256, 2, 1),
    )
    use_winograd(layers)
    assert [type(layer) for layer in layers] == [Winograd, nn.Conv2d, nn.Conv2d, nn.Conv2d]

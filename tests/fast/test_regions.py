import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.fast.regions import pool_regions
from personsearch.models.pooling import pool_boxes


def test_a_ramp_is_averaged_exactly() -> None:
    # On a map whose value is the x coordinate, a cell's value is the x of its centre (in cells, half-pixel aligned).
    ramp = torch.arange(32.0).view(1, 1, 1, 32).expand(1, 1, 32, 32).contiguous()
    boxes = torch.tensor([[64.0, 64.0, 128.0, 128.0]])
    pooled = pool_regions(ramp, boxes, torch.zeros(1, dtype=torch.int64), (2, 4), 8)
    assert pooled.shape == (1, 8, 1)
    assert torch.allclose(pooled[0, :, 0], torch.tensor([8.5, 10.5, 12.5, 14.5] * 2))


coordinate = st.floats(-200, 400, width=32)


@given(
    corners=st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), min_size=1, max_size=6),
    size=st.sampled_from([(7, 7), (8, 4), (1, 3)]),
    stride=st.sampled_from([4, 8]),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_the_same_as_torchvisions_wherever_the_boxes_lie(
    corners: list[tuple[float, float, float, float]], size: tuple[int, int], stride: int, seed: int
) -> None:
    torch.manual_seed(seed)
    maps = torch.randn(2, 5, 20, 24).to(memory_format=torch.channels_last)
    first, second = torch.tensor(corners)[:, :2], torch.tensor(corners)[:, 2:]
    boxes = torch.cat([torch.minimum(first, second), torch.maximum(first, second)], dim=1)
    image_of = torch.arange(len(boxes)) % 2
    order = image_of.argsort(stable=True)
    expected = pool_boxes(maps, [boxes[image_of == 0], boxes[image_of == 1]], size, stride)
    computed = pool_regions(maps, boxes, image_of, size, stride)[order]
    assert torch.allclose(computed.transpose(1, 2).reshape(expected.shape), expected, atol=2e-4)


def test_the_result_has_the_maps_dtype() -> None:
    maps = torch.randn(1, 4, 8, 8).bfloat16()
    pooled = pool_regions(maps, torch.tensor([[0.0, 0, 32, 32]]), torch.zeros(1, dtype=torch.int64), (2, 2), 8)
    assert pooled.dtype == torch.bfloat16

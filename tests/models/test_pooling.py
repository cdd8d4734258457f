import torch

from personsearch.models.backbone import build_resnet
from personsearch.models.pooling import MRFP, SingleLevelPooling, pool_boxes


def test_pool_boxes_averages_a_linear_map_exactly() -> None:
    # On a map whose value is the x coordinate, a cell's value is the x of its centre (in cells, half-pixel aligned).
    ramp = torch.arange(32.0).view(1, 1, 1, 32).expand(1, 1, 32, 32).contiguous()
    boxes = [torch.tensor([[64.0, 64.0, 128.0, 128.0]])]
    pooled = pool_boxes(ramp, boxes, (2, 4), stride=8)
    assert torch.allclose(pooled[0, 0, 0], torch.tensor([8.5, 10.5, 12.5, 14.5]))


def test_mrfp_shapes_of_the_paper() -> None:
    pool = MRFP((32, 16), "resnet50_ibn_a").eval()
    low, high = torch.randn(2, 256, 40, 48), torch.randn(2, 512, 20, 24)
    boxes = [torch.tensor([[0.0, 0, 60, 120], [10, 10, 50, 100]]), torch.tensor([[5.0, 5, 80, 150]])]
    assert pool(low, high, boxes).shape == (3, 512, 32, 16)


def test_mrfp_is_the_sum_of_both_levels() -> None:
    torch.manual_seed(0)
    pool = MRFP((8, 4), "resnet18_ibn_a").eval()
    low, high = torch.randn(1, 64, 24, 24), torch.randn(1, 128, 12, 12)
    boxes = [torch.tensor([[8.0, 8, 40, 88]])]
    fine = pool.neck(pool_boxes(low, boxes, (16, 8), 4))
    coarse = SingleLevelPooling((8, 4))(low, high, boxes)
    assert fine.shape == coarse.shape == (1, 128, 8, 4)
    assert torch.equal(pool(low, high, boxes), coarse + fine)


def test_the_neck_shares_nothing_with_the_base_network() -> None:
    from personsearch.models import build, preset

    network = build(preset("stl-mrfp-small"))
    neck = {parameter.data_ptr() for parameter in network.pooling.parameters()}
    base = {parameter.data_ptr() for parameter in network.base.parameters()}
    assert neck
    assert not neck & base
    names = set(dict(network.pooling.neck.named_parameters()))
    assert names == set(dict(build_resnet("resnet18_ibn_a").layer2.named_parameters()))


def test_pooling_keeps_half_precision_and_float32_coordinates() -> None:
    ramp = torch.arange(2048.0).view(1, 1, 1, 2048).expand(1, 1, 4, 2048).contiguous().half()
    box = [torch.tensor([[8001.0, 0, 8033.0, 32.0]])]  # 8001 is not representable in float16
    pooled = pool_boxes(ramp, box, (1, 1), stride=8)
    assert pooled.dtype == torch.float16
    assert abs(float(pooled) - (8017 / 8 - 0.5)) < 0.5

import torch
from torchvision.models.detection._utils import BoxCoder

from personsearch.fast.boxes import clip, decode, take, zeros_unless


def test_decoding_is_torchvisions_bit_for_bit() -> None:
    torch.manual_seed(0)
    corner = 500 * torch.rand(200, 2)
    around = torch.cat([corner, corner + 1 + 300 * torch.rand(200, 2)], dim=1)
    deltas = 3 * torch.randn(200, 4)  # some beyond the limit of growth
    for weights in ((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)):
        assert torch.equal(decode(deltas, around, weights), BoxCoder(weights).decode_single(deltas, around))


def test_boxes_are_clipped_to_height_and_width() -> None:
    boxes = torch.tensor([[[-5.0, -6, 50, 60]]])
    assert clip(boxes, (40, 30)).tolist() == [[[0, 0, 30, 40]]]


def test_what_is_not_sound_becomes_zeros_even_if_it_is_no_number() -> None:
    boxes = torch.tensor([[1.0, 2, 3, 4], [torch.nan] * 4])
    assert zeros_unless(torch.tensor([True, False]), boxes).tolist() == [[1, 2, 3, 4], [0, 0, 0, 0]]


def test_rows_are_taken_of_each_image() -> None:
    values = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    rows = torch.tensor([[2, 0], [1, 1]])
    assert take(values, rows).tolist() == [[3, 1], [5, 5]]
    boxes = values[:, :, None].expand(2, 3, 4)
    assert take(boxes, rows)[:, :, 3].tolist() == [[3, 1], [5, 5]]

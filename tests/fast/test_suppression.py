import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import nms

from personsearch.fast import suppression
from personsearch.fast.suppression import first_survivors, front, settled_survivors, suppress


def random_boxes(seed: int, images: int, count: int, spread: float) -> Tensor:
    """Return boxes of which many overlap much, and every tenth is nothing."""
    generator = torch.Generator().manual_seed(seed)
    corner = spread * torch.rand(images, count, 2, generator=generator)
    boxes = torch.cat([corner, corner + 20 + 40 * torch.rand(images, count, 2, generator=generator)], dim=2)
    boxes[:, 4::10] = 0
    return boxes


def greedy(boxes: Tensor, threshold: float, count: int) -> list[list[int]]:
    """Return what torchvision keeps of those that have an area."""
    result = []
    for own in boxes:
        there = torch.where(own[:, 2] > own[:, 0])[0]
        kept = nms(own[there], -torch.arange(len(there), dtype=torch.float32), threshold)
        result.append(there[kept][:count].tolist())
    return result


def listed(rows: Tensor, real: Tensor) -> list[list[int]]:
    return [own[mask].tolist() for own, mask in zip(rows, real, strict=True)]


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 70),
    spread=st.sampled_from([20.0, 100.0, 1000.0]),
    wanted=st.integers(1, 40),
    threshold=st.sampled_from([0.3, 0.7, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_both_give_what_torchvision_gives(seed: int, count: int, spread: float, wanted: int, threshold: float) -> None:
    boxes = random_boxes(seed, 3, count, spread)
    expected = greedy(boxes, threshold, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression, "FIRST", 16)
        patch.setattr(suppression, "LARGEST", 16)
        assert listed(*first_survivors(boxes, threshold, wanted)) == expected
        rows, real, settled = settled_survivors(boxes, threshold, wanted)
    for image, is_settled in enumerate(settled.tolist()):
        if is_settled:
            assert rows[image][real[image]].tolist() == expected[image]


def test_what_is_settled_by_few_rounds_is_said() -> None:
    # Each box drops the next: what becomes of the last is known only after as many rounds.
    chain = torch.zeros(1, 40, 40, dtype=torch.bool)
    chain[0, torch.arange(39), torch.arange(1, 40)] = True
    everybody = torch.ones(1, 40, dtype=torch.bool)
    now, before = suppress(chain, everybody)
    assert not torch.equal(now, before)
    now, before = suppress(chain, everybody, None)
    assert torch.equal(now, before)
    assert now[0].tolist() == [row % 2 == 0 for row in range(40)]


def test_few_among_the_first_are_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression, "FIRST", 3)
    monkeypatch.setattr(suppression, "LARGEST", 3)
    same, other = [0.0, 0, 10, 10], [50.0, 50, 60, 60]
    boxes = torch.tensor([[same, same, same, other], [same, other, same, same]])
    rows, real, settled = settled_survivors(boxes, 0.5, 2)
    assert settled.tolist() == [False, True]
    assert listed(rows, real) == [[0], [0, 1]]
    assert listed(*first_survivors(boxes, 0.5, 2)) == [[0, 3], [0, 1]]


def test_front_brings_the_chosen_to_the_front() -> None:
    chosen = torch.tensor([[False, True, False, True], [False, False, False, False]])
    rows, real = front(chosen, 3)
    assert listed(rows, real) == [[1, 3], []]
    assert rows.shape == (2, 3)
    assert front(chosen, 9)[0].shape == (2, 4)

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import batched_nms

from personsearch.fast.selection import select_people
from personsearch.models.config import DetectorConfig
from personsearch.models.detector import drops_nested, outside_better


@given(seed=st.integers(0, 10_000), containment=st.sampled_from([None, 0.6, 0.85]), most=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_the_people_are_those_of_the_reference(seed: int, containment: float | None, most: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = 150 * torch.rand(2, 30, 2, generator=generator)
    boxes = torch.cat([corner, corner + 80 * torch.rand(2, 30, 2, generator=generator)], dim=2)
    boxes[:, 3::7, 2:] = boxes[:, 3::7, :2]  # no area
    scores = torch.rand(2, 30, generator=generator).mul(10).round() / 10  # many are equal
    scores[0, 5] = torch.nan
    real = torch.rand(2, 30, generator=generator) > 0.1
    config = DetectorConfig(nms=0.4, containment=containment)
    for rounds in (None, 40):
        chosen = select_people(boxes, scores, real, config, score_threshold=0.3, max_people=most, rounds=rounds)
        assert chosen.settled.all()
        for image in range(2):
            there = real[image] & (scores[image] >= 0.3) & (boxes[image, :, 2:] > boxes[image, :, :2]).all(dim=1)
            own, own_scores = boxes[image][there], scores[image][there]
            kept = batched_nms(own, own_scores, torch.zeros(len(own)), 0.4)
            if containment is not None:
                kept = kept[outside_better(own[kept], own_scores[kept], containment)]
            assert torch.equal(chosen.boxes[image][chosen.real[image]], own[kept[:most]])
            assert torch.equal(chosen.scores[image][chosen.real[image]], own_scores[kept[:most]])


def test_a_box_in_a_better_one_is_dropped_whichever_is_larger() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [2, 2, 6, 6], [0, 0, 40, 10]]])
    drops = drops_nested(boxes, torch.tensor([[0.9, 0.8, 0.7]]), 0.85)
    assert drops[0].tolist() == [[False, True, True], [False, False, True], [False, False, False]]

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection.image_list import ImageList

from personsearch.models.config import AnchorConfig, DetectorConfig
from personsearch.models.detector import BoxHead, ProposalNetwork, StrideAnchors, covered_by, outside_better


def test_anchors_have_stride_eight_also_at_height_900() -> None:
    generator = StrideAnchors(AnchorConfig(sizes=(32,), ratios=(1.0,)))
    images = ImageList(torch.zeros(1, 3, 900, 1500), [(900, 1500)])
    [anchors] = generator(images, [torch.zeros(1, 4, 113, 188, dtype=torch.float16)])
    assert anchors.dtype == torch.float32
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert centres[1].tolist() == [8.0, 0.0]
    assert centres[-1].tolist() == [187 * 8.0, 112 * 8.0]


def test_anchor_ratio_is_height_over_width() -> None:
    generator = StrideAnchors(AnchorConfig(sizes=(64,), ratios=(1.0, 2.0, 3.0)))
    [anchors] = generator(ImageList(torch.zeros(1, 3, 8, 8), [(8, 8)]), [torch.zeros(1, 4, 1, 1)])
    sides = anchors[:, 2:] - anchors[:, :2]
    ratios = (sides[:, 1] / sides[:, 0]).tolist()
    assert [round(r) for r in ratios] == [1, 2, 3]


def test_covered_by_is_the_share_of_the_own_area() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 40], [50, 50, 60, 60]])
    ignored = torch.tensor([[0.0, 0, 20, 20]])
    assert covered_by(boxes, ignored).tolist() == [True, False, False]  # 100 %, exactly 50 %, 0 %
    assert covered_by(boxes, torch.zeros(0, 4)).tolist() == [False, False, False]


def test_anchors_in_ignored_boxes_are_not_sampled() -> None:
    rpn = ProposalNetwork(8, AnchorConfig(), DetectorConfig())
    anchors = torch.tensor([[0.0, 0, 10, 20], [100, 100, 110, 120], [200, 200, 210, 220]])
    target = {"boxes": torch.tensor([[0.0, 0, 10, 20], [95, 95, 120, 130]]), "labels": torch.tensor([1, -1])}
    [labels], [matched] = rpn.assign_targets_to_anchors([anchors], [target])
    assert labels.tolist() == [1.0, -1.0, 0.0]
    assert matched[0].tolist() == [0.0, 0, 10, 20]


def test_proposals_on_ignored_boxes_are_not_sampled() -> None:
    head = BoxHead(4, DetectorConfig(head_width=8))
    boxes = torch.tensor([[100.0, 100, 120, 150], [0, 0, 10, 20]])  # the ignored one comes first
    labels = torch.tensor([-1, 1])
    proposals = torch.tensor([[0.0, 0, 10, 20], [100, 100, 120, 150], [105, 105, 110, 120], [300, 300, 320, 340]])
    [matched], [assigned] = head.assign_targets_to_proposals([proposals], [boxes], [labels])
    assert assigned.tolist() == [1, -1, -1, 0]
    assert matched[0] == 1  # an index into all boxes, the ignored ones included


def test_a_scene_of_ignored_boxes_only_has_no_positive() -> None:
    head = BoxHead(4, DetectorConfig(head_width=8))
    boxes, labels = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([-1])
    [_], [assigned] = head.assign_targets_to_proposals(
        [torch.tensor([[0.0, 0, 10, 20], [50, 50, 60, 70]])], [boxes], [labels]
    )
    assert assigned.tolist() == [-1, 0]


def kept(rows: list[list[float]], scores: list[float], share: float = 0.9) -> list[bool]:
    result: list[bool] = outside_better(torch.tensor(rows), torch.tensor(scores), share).tolist()
    return result


WHOLE, HEAD, LEGS = [0.0, 0, 40, 100], [10.0, 0, 30, 20], [0.0, 50, 40, 102]
BESIDE = [30.0, 0, 70, 100]


def test_of_nested_boxes_the_lower_goes() -> None:
    assert kept([WHOLE, HEAD], [0.9, 0.8]) == [True, False]
    assert kept([WHOLE, HEAD], [0.8, 0.9]) == [False, True]
    assert kept([WHOLE, LEGS], [0.9, 0.8]) == [True, False]  # 50 of 52 rows lie inside
    assert kept([WHOLE, LEGS], [0.9, 0.8], 0.97) == [True, True]
    assert kept([WHOLE, BESIDE], [0.9, 0.8]) == [True, True]
    assert kept([HEAD, LEGS], [0.9, 0.8]) == [True, True]


def test_a_dropped_box_drops_nothing() -> None:
    around = [0.0, 0, 100, 100]
    assert kept([around, WHOLE, HEAD], [0.7, 0.9, 0.8]) == [False, True, False]
    # The box around two people is dropped by the one and so does not drop the other.
    assert kept([around, WHOLE, [60.0, 0, 100, 100]], [0.7, 0.9, 0.6]) == [False, True, True]
    # A chain: the first drops the second, which therefore leaves the third.
    assert kept([WHOLE, [0.0, 20, 40, 120], [0.0, 40, 40, 140]], [0.9, 0.8, 0.7], 0.75) == [True, False, True]


def test_of_equal_scores_the_larger_stays_and_of_equal_boxes_the_first() -> None:
    assert kept([HEAD, WHOLE], [0.9, 0.9]) == [False, True]
    assert kept([WHOLE, WHOLE], [0.9, 0.9]) == [True, False]
    assert outside_better(torch.zeros(0, 4), torch.zeros(0), 0.9).tolist() == []


def one_after_the_other(boxes: list[list[float]], scores: list[float], share: float) -> list[bool]:
    """The same, box by box from the highest score down."""
    tensor = torch.tensor(boxes)
    areas = (tensor[:, 2:] - tensor[:, :2]).prod(dim=1)
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], -float(areas[i]), i))
    chosen: list[int] = []
    for i in order:
        for j in chosen:
            sides = torch.minimum(tensor[i, 2:], tensor[j, 2:]) - torch.maximum(tensor[i, :2], tensor[j, :2])
            if sides.clamp(min=0).prod() >= share * torch.minimum(areas[i], areas[j]):
                break
        else:
            chosen.append(i)
    return [i in chosen for i in range(len(boxes))]


corners = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 12)] * 2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(corners, st.integers(0, 5)), min_size=1, max_size=12))
def test_all_at_once_is_one_after_the_other(drawn: list[tuple[tuple[int, ...], int]]) -> None:
    boxes = [[float(x), float(y), float(x + w), float(y + h)] for (x, y, w, h), _ in drawn]
    scores = [score / 8 for _, score in drawn]
    assert kept(boxes, scores, 0.75) == one_after_the_other(boxes, scores, 0.75)


def test_containment_is_off_unless_asked_for_and_works_by_image() -> None:
    torch.manual_seed(0)
    proposals = [torch.tensor([[0.0, 0, 40, 100], [10, 30, 30, 60]]), torch.tensor([[10.0, 30, 30, 60]])]
    maps = {"0": torch.rand(2, 4, 16, 16)}

    def detect(containment: float | None) -> list[int]:
        torch.manual_seed(1)
        head = BoxHead(4, DetectorConfig(head_width=8, nms=0.5, containment=containment)).eval()
        torch.nn.init.zeros_(head.box_predictor.bbox_pred.weight)
        torch.nn.init.zeros_(head.box_predictor.bbox_pred.bias)
        with torch.inference_mode():
            boxes, _ = head.detect(maps, proposals, (128, 128), 0.0, 10)
        return [len(one) for one in boxes]

    assert detect(None) == [2, 1]
    assert detect(0.9) == [1, 1]  # the second image's only box stays, though the first image's box contains it


def test_of_images_without_a_proposal_nobody_is_detected() -> None:
    torch.manual_seed(0)
    head = BoxHead(4, DetectorConfig(head_width=8, score_threshold=0.0)).eval()
    maps, some = {"0": torch.rand(2, 4, 16, 16)}, torch.tensor([[0.0, 0, 40, 100]])
    with torch.inference_mode():
        boxes, scores = head.detect(maps, [torch.zeros(0, 4)] * 2, (128, 128), 0.0, 10)
        assert [one.shape for one in boxes] == [(0, 4)] * 2
        assert [one.shape for one in scores] == [(0,)] * 2
        boxes, _ = head.detect(maps, [torch.zeros(0, 4), some], (128, 128), 0.0, 10)
    assert [len(one) for one in boxes] == [0, 1]

import torch
from torchvision.models.detection.image_list import ImageList

from personsearch.models.config import AnchorConfig, DetectorConfig
from personsearch.models.detector import BoxHead, ProposalNetwork, StrideAnchors, covered_by


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

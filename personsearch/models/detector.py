"""The detector: torchvision's RPN and Fast R-CNN head on conv3_x, with ignored boxes (paper section 3.3)."""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import batched_nms, clip_boxes_to_image

from personsearch.models.config import STRIDE, AnchorConfig, DetectorConfig
from personsearch.models.pooling import DetectionPooling

#: Labels of a person, of the background, and of what the samplers leave out.
PERSON, BACKGROUND, NOT_SAMPLED = 1, 0, -1

#: A proposal or anchor of which more than this share lies in an ignored box is not sampled as a negative.
IGNORE_COVERAGE = 0.5


def covered_by(boxes: Tensor, ignored: Tensor) -> Tensor:
    """Return which boxes lie mostly inside an ignored one.

    Args:
        boxes: (N, 4) xyxy.
        ignored: (M, 4) xyxy.

    Returns:
        (N,) bool: intersection / own area > :data:`IGNORE_COVERAGE` for some ignored box.
    """
    top_left = torch.maximum(boxes[:, None, :2], ignored[None, :, :2])
    bottom_right = torch.minimum(boxes[:, None, 2:], ignored[None, :, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(dim=2)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    return (intersection > IGNORE_COVERAGE * area[:, None]).any(dim=1)


def drops_nested(boxes: Tensor, scores: Tensor, share: float) -> Tensor:
    """Return which box drops which when one box inside another counts as the same person.

    NMS by another measure than IoU: the part of the smaller box that lies in the larger. As in NMS the higher score
    wins, whichever is larger: so what is found at a threshold does not depend on what a lower one would add, and a box
    around two people does not drop the two. Of equal scores the larger box wins.

    Args:
        boxes: (..., N, 4) xyxy.
        scores: (..., N).
        share: of the smaller box's area, 0..1.

    Returns:
        (..., N, N) bool: row drops column, if it is kept itself.
    """
    top_left = torch.maximum(boxes[..., :, None, :2], boxes[..., None, :, :2])
    bottom_right = torch.minimum(boxes[..., :, None, 2:], boxes[..., None, :, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(dim=-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
    mine, other = area[..., :, None], area[..., None, :]
    nested = intersection >= share * torch.minimum(mine, other)
    # A strict order of all boxes: by score, then area, then row.
    rows = torch.arange(boxes.shape[-2], device=boxes.device)
    by_area = (mine > other) | ((mine == other) & (rows[:, None] < rows[None, :]))
    my_score, its_score = scores[..., :, None], scores[..., None, :]
    return nested & ((my_score > its_score) | ((my_score == its_score) & by_area))


def outside_better(boxes: Tensor, scores: Tensor, share: float) -> Tensor:
    """Return which boxes are kept by the rule of :func:`drops_nested`. A dropped box drops nothing.

    Args:
        boxes: (N, 4) xyxy with an area.
        scores: (N,).
        share: of the smaller box's area, 0..1.

    Returns:
        (N,) bool.
    """
    drops = drops_nested(boxes, scores, share)
    kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    while True:  # as often as drops depend on drops: the best boxes are right after the first pass, and so on
        now = ~(drops & kept[:, None]).any(dim=0)
        if torch.equal(now, kept):
            return kept
        kept = now


class StrideAnchors(AnchorGenerator):
    """torchvision's anchors at a fixed stride and in float32.

    The parent computes the stride as image size // map size, which is 7 at height 900, and makes anchors in the
    features' dtype: float16 would round coordinates to half a pixel.
    """

    def __init__(self, config: AnchorConfig) -> None:
        super().__init__(sizes=(config.sizes,), aspect_ratios=(config.ratios,))

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return per image (H * W * A, 4) float32 anchors, xyxy in input pixels."""
        device = feature_maps[0].device
        self.set_cell_anchors(torch.float32, device)
        stride = torch.tensor(STRIDE, device=device)
        [anchors] = self.grid_anchors([list(feature_maps[0].shape[-2:])], [[stride, stride]])
        return [anchors] * len(image_list.image_sizes)


class _Float32RPNHead(RPNHead):
    """RPN head whose results are float32 whatever the network's dtype, for box decoding and NMS."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x)
        return [t.float() for t in logits], [t.float() for t in deltas]


class ProposalNetwork(RegionProposalNetwork):
    """Region proposal network for which anchors in ignored boxes are neither people nor background."""

    def __init__(self, channels: int, anchors: AnchorConfig, config: DetectorConfig) -> None:
        generator = StrideAnchors(anchors)
        super().__init__(
            generator,
            _Float32RPNHead(channels, generator.num_anchors_per_location()[0]),
            config.rpn_fg_iou,
            config.rpn_bg_iou,
            config.rpn_batch,
            config.rpn_positive,
            pre_nms_top_n={"training": config.rpn_pre_nms_train, "testing": config.rpn_pre_nms_test},
            post_nms_top_n={"training": config.rpn_post_nms_train, "testing": config.rpn_post_nms_test},
            nms_thresh=config.rpn_nms,
        )

    def losses(
        self, canvases: list[ImageList], features: list[Tensor], targets: list[list[dict[str, Tensor]]]
    ) -> tuple[list[list[Tensor]], dict[str, Tensor]]:
        """Return the proposals of every image and the two losses of the RPN over all of them.

        The parent's ``forward`` takes images of one size. Its losses are means over the anchors sampled from all
        images, so here they are computed once, for all sizes together.

        Args:
            canvases: the images of each size.
            features: of each size (N_i, C, H_i/8, W_i/8).
            targets: of each size, one for each image.

        Returns:
            Proposals by size and image, (K, 4) each; the losses by name.
        """
        proposals, logits, deltas = [], [], []
        labels: list[Tensor] = []
        box_targets: list[Tensor] = []
        for canvas, maps, people in zip(canvases, features, targets, strict=True):
            raw_logits, raw_deltas = self.head([maps])
            anchors = self.anchor_generator(canvas, [maps])
            per_image = [level[0].numel() for level in raw_logits]
            group_logits, group_deltas = concat_box_prediction_layers(raw_logits, raw_deltas)
            decoded = self.box_coder.decode(group_deltas.detach(), anchors).view(len(anchors), -1, 4)
            proposals.append(self.filter_proposals(decoded, group_logits, canvas.image_sizes, per_image)[0])
            assigned, matched = self.assign_targets_to_anchors(anchors, people)
            labels += assigned
            box_targets += self.box_coder.encode(matched, anchors)
            logits.append(group_logits)
            deltas.append(group_deltas)
        objectness, box = self.compute_loss(torch.cat(logits), torch.cat(deltas), labels, box_targets)
        return proposals, {"rpn_objectness": objectness, "rpn_box": box}

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match anchors to people; negatives mostly inside ignored boxes get the label -1 (not sampled)."""
        counted = [{"boxes": t["boxes"][t["labels"] == PERSON]} for t in targets]
        labels, matched = super().assign_targets_to_anchors(anchors, counted)
        for label, anchor, target in zip(labels, anchors, targets, strict=True):
            ignored = target["boxes"][target["labels"] != PERSON]
            label[(label == BACKGROUND) & covered_by(anchor, ignored)] = NOT_SAMPLED
        return labels, matched


class _Float32Predictor(FastRCNNPredictor):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, deltas = super().forward(x)
        return scores.float(), deltas.float()


class BoxHead(RoIHeads):
    """Fast R-CNN head: 7x7 RoIAlign, two fully connected layers, person or background, box regression."""

    def __init__(self, channels: int, config: DetectorConfig) -> None:
        super().__init__(
            DetectionPooling(),
            TwoMLPHead(channels * 7 * 7, config.head_width),
            _Float32Predictor(config.head_width, num_classes=2),
            config.roi_iou,
            config.roi_iou,
            config.roi_batch,
            config.roi_positive,
            bbox_reg_weights=None,  # torchvision's default: 10, 10, 5, 5
            score_thresh=config.score_threshold,
            nms_thresh=config.nms,
            detections_per_img=config.max_people,
        )
        self.containment = config.containment

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match proposals to people; negatives mostly inside ignored boxes get the label -1 (not sampled)."""
        counted = [torch.where(labels == PERSON)[0] for labels in gt_labels]
        matched, labels = super().assign_targets_to_proposals(
            proposals,
            [boxes[index] for boxes, index in zip(gt_boxes, counted, strict=True)],
            [labels[index] for labels, index in zip(gt_labels, counted, strict=True)],
        )
        for i, index in enumerate(counted):
            if len(index):
                matched[i] = index[matched[i]]
            ignored = gt_boxes[i][gt_labels[i] != PERSON]
            labels[i][(labels[i] == BACKGROUND) & covered_by(proposals[i], ignored)] = NOT_SAMPLED
        return matched, labels

    def losses(
        self, features: list[Tensor], proposals: list[list[Tensor]], targets: list[list[dict[str, Tensor]]]
    ) -> dict[str, Tensor]:
        """Return the two losses of the head over the sampled proposals of all images.

        Args:
            features: of each canvas size (N_i, C, H_i/8, W_i/8).
            proposals: by size and image, (K, 4) each.
            targets: by size and image.
        """
        sizes = [len(group) for group in proposals]
        sampled, _, labels, box_targets = self.select_training_samples(
            [boxes for group in proposals for boxes in group], [target for group in targets for target in group]
        )
        groups, pooled = iter(sampled), []
        for maps, size in zip(features, sizes, strict=True):
            pooled.append(self.box_roi_pool({"0": maps}, list(islice(groups, size)), None))
        logits, deltas = self.box_predictor(self.box_head(torch.cat(pooled)))
        label, box = fastrcnn_loss(logits, deltas, labels, box_targets)
        return {"head_class": label, "head_box": box}

    def detect(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        canvas: tuple[int, int],
        score_threshold: float,
        max_people: int,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Score and refine proposals, then apply one NMS to the whole batch.

        Args:
            features: ``{"0": conv3_x}``.
            proposals: per image (K_i, 4) float32 xyxy in input pixels.
            canvas: height and width of the input.
            score_threshold: lower detections are dropped.
            max_people: most detections per image.

        Returns:
            Per image boxes (M_i, 4) and scores (M_i,), float32 and finite, by falling score. Nobody where nothing is
            proposed.
        """
        if not any(len(boxes) for boxes in proposals):  # torchvision decodes no boxes into another shape
            return list(proposals), [boxes[:, 0] for boxes in proposals]
        pooled = self.box_roi_pool(features, proposals, None)
        logits, deltas = self.box_predictor(self.box_head(pooled))
        boxes = clip_boxes_to_image(self.box_coder.decode(deltas, proposals)[:, PERSON], canvas)
        scores = logits.softmax(dim=-1)[:, PERSON]
        image = torch.cat([torch.full((len(p),), i, device=boxes.device) for i, p in enumerate(proposals)])
        # False for NaN, too: what a diverged network computes is nobody.
        sound = (scores >= score_threshold) & ((boxes[:, 2:] - boxes[:, :2]).amin(dim=1) > 0)
        boxes, scores, image = boxes[sound], scores[sound], image[sound]
        keep = batched_nms(boxes, scores, image, self.nms_thresh)
        per_image = [keep[image[keep] == i] for i in range(len(proposals))]
        if self.containment is not None:
            per_image = [k[outside_better(boxes[k], scores[k], self.containment)] for k in per_image]
        per_image = [k[:max_people] for k in per_image]
        return [boxes[k] for k in per_image], [scores[k] for k in per_image]


class Detector(nn.Module):
    """Proposals and box head together."""

    def __init__(self, channels: int, anchors: AnchorConfig, config: DetectorConfig) -> None:
        super().__init__()
        self.rpn = ProposalNetwork(channels, anchors, config)
        self.head = BoxHead(channels, config)

    def losses(
        self, images: list[Tensor], features: list[Tensor], targets: list[list[dict[str, Tensor]]]
    ) -> dict[str, Tensor]:
        """Return the four losses of Faster R-CNN, two of the RPN and two of the head (paper Eq. 2), over all images.

        Args:
            images: of each canvas size (N_i, 3, H_i, W_i).
            features: of each size (N_i, C, H_i/8, W_i/8).
            targets: of each size, one for each image: boxes (K, 4), labels (K,).
        """
        proposals, rpn = self.rpn.losses([_listed(group) for group in images], features, targets)
        return {**rpn, **self.head.losses(features, proposals, targets)}

    def propose(self, images: Tensor, features: Tensor) -> list[Tensor]:
        """Return per image the regions (K_i, 4) float32 xyxy in input pixels that may hold a person.

        A sound network proposes something in every picture, whatever it shows; one that has diverged may not.
        """
        proposals: list[Tensor] = self.rpn(_listed(images), {"0": features}, None)[0]
        return proposals

    def forward(
        self, images: Tensor, features: Tensor, proposals: list[Tensor], score_threshold: float, max_people: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return per image boxes (M_i, 4) in input pixels and scores (M_i,), from what :meth:`propose` returned."""
        return self.head.detect({"0": features}, proposals, _canvas(images), score_threshold, max_people)


def _canvas(images: Tensor) -> tuple[int, int]:
    return int(images.shape[-2]), int(images.shape[-1])


def _listed(images: Tensor) -> ImageList:
    return ImageList(images, [_canvas(images)] * len(images))

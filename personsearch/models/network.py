"""The one-step person-search network (paper Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personsearch.models.backbone import BaseNetwork, IdentificationNetwork, build_resnet
from personsearch.models.config import ModelConfig
from personsearch.models.detector import NOT_SAMPLED, PERSON, Detector
from personsearch.models.health import Diverged
from personsearch.models.pooling import MRFP, SingleLevelPooling


class People(NamedTuple):
    """The people of one image, by falling score.

    Attributes:
        boxes: (K, 4) float32 xyxy in input pixels.
        scores: (K,) float32.
        embeddings: (K, D) float32, unit length.
    """

    boxes: Tensor
    scores: Tensor
    embeddings: Tensor


class Target(NamedTuple):
    """The annotated people of one image.

    Attributes:
        boxes: (K, 4) float32 xyxy in input pixels.
        identities: (K,) int64; -1 = without a label.
        ignore: (K,) bool: boxes that are neither people nor background.
    """

    boxes: Tensor
    identities: Tensor
    ignore: Tensor


class SceneGroup(NamedTuple):
    """Scenes on canvases of one size.

    Attributes:
        images: (N, 3, H, W) float32 RGB in 0..1.
        targets: one for each image.
    """

    images: Tensor
    targets: list[Target]


class TrainingOutput(NamedTuple):
    """The detector's losses, and what the training task's identity classifier needs.

    Attributes:
        losses: name -> scalar.
        features: (M, D) float32 of the identification network: one for each box that is not ignored, in order.
        identities: (M,) int64 of the same boxes.
    """

    losses: dict[str, Tensor]
    features: Tensor
    identities: Tensor


class PersonSearchNetwork(nn.Module):
    """Detection and re-identification in one pass over a scene.

    Input images are (N, 3, H, W) RGB in 0..1; ``personsearch.canvas`` makes H and W multiples of 32. Boxes go in and
    come out in pixels of that input.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        resnet = build_resnet(config.backbone)
        channels = config.feature_size // 4
        self.register_buffer("mean", torch.tensor(config.input.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.input.std).view(1, 3, 1, 1), persistent=False)
        self.base = BaseNetwork(resnet)
        self.detector = Detector(channels, config.anchors, config.detector)
        self.pooling: MRFP | SingleLevelPooling
        if config.reid.pooling == "mrfp":
            self.pooling = MRFP(config.reid.roi_size, config.backbone)
        else:
            self.pooling = SingleLevelPooling(config.reid.roi_size)
        self.identification = IdentificationNetwork(resnet, config.feature_size, config.reid.embedding)
        self._diverged = Diverged()

    def forward(
        self, images: Tensor, *, score_threshold: float | None = None, max_people: int | None = None
    ) -> list[People]:
        """Find the people in each image.

        Args:
            images: (N, 3, H, W) RGB in 0..1.
            score_threshold: lowest score; None = the configuration's.
            max_people: most people per image; None = the configuration's.

        Returns:
            The people of each image. What is not finite is nobody, and the log says once that the weights look
            diverged.
        """
        if self.training:
            raise RuntimeError("forward() is for evaluation; training calls train_step()")
        low, high = self._features(images)
        return self._people(images, low, high, score_threshold, max_people)

    def propose(self, images: Tensor) -> list[Tensor]:
        """Return the regions (K_i, 4) float32 xyxy in input pixels, of each image, that may hold a person."""
        _, high = self._features(images)
        return self.detector.propose(images, high)

    def embed(self, images: Tensor, boxes: list[Tensor]) -> list[Tensor]:
        """Embed given boxes, such as a query's.

        Args:
            images: (N, 3, H, W) RGB in 0..1.
            boxes: per image (K_i, 4) float32 xyxy in input pixels.

        Returns:
            Per image (K_i, D) unit-length float32.
        """
        low, high = self._features(images)
        return list(self._embed(low, high, boxes).split([len(b) for b in boxes]))

    def observe(
        self,
        images: Tensor,
        boxes: list[Tensor],
        *,
        score_threshold: float | None = None,
        max_people: int | None = None,
    ) -> tuple[list[People], list[Tensor]]:
        """Return what ``forward`` and ``embed`` return, computed from the same features."""
        low, high = self._features(images)
        people = self._people(images, low, high, score_threshold, max_people)
        return people, list(self._embed(low, high, boxes).split([len(b) for b in boxes]))

    def set_dtype(self, dtype: torch.dtype) -> PersonSearchNetwork:
        """Compute in ``dtype``, except the BNNeck and what follows, box decoding, NMS and norms: they need float32."""
        self.to(dtype)
        self.identification.keep_float32()
        return self

    def train_step(self, groups: Sequence[SceneGroup], *, box_jitter: float = 0.0) -> TrainingOutput:
        """Compute the detector's losses and the features of all annotated people (paper Eq. 2 and 3).

        The base network sees each canvas size by itself. Regions have one size whatever their canvas, so the heads, the
        neck and the identification network see those of all groups at once, and losses and BatchNorm's statistics are
        those of the whole batch. People without a label pass through the identification network too, so its statistics
        include them.

        Args:
            groups: the scenes of the batch by canvas size.
            box_jitter: the boxes that features are pooled from lose up to this much IoU, see :func:`jitter_boxes`.
        """
        maps = [self._features(group.images) for group in groups]
        losses = self.detector.losses(
            [group.images for group in groups],
            [high for _, high in maps],
            [[_detection_target(target) for target in group.targets] for group in groups],
        )
        identities = torch.cat([t.identities[~t.ignore] for group in groups for t in group.targets])
        if len(identities) < 2:  # BatchNorm has no statistics of a single feature
            return TrainingOutput(losses, maps[0][0].new_zeros(0, self.config.embedding_size), identities[:0])
        people = [
            [jitter_boxes(t.boxes[~t.ignore], box_jitter, group.images.shape[-2:]) for t in group.targets]
            for group in groups
        ]
        levels = [self.pooling.pool(low, high, boxes) for (low, high), boxes in zip(maps, people, strict=True)]
        _, features = self.identification(self.pooling.fuse(*(torch.cat(level) for level in zip(*levels, strict=True))))
        return TrainingOutput(losses, features, identities)

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features: tuple[Tensor, Tensor] = self.base((images - self.mean) / self.std)
        return features

    def _people(
        self, images: Tensor, low: Tensor, high: Tensor, score_threshold: float | None, max_people: int | None
    ) -> list[People]:
        settings = self.config.detector
        proposals = self.detector.propose(images, high)
        if not all(len(regions) for regions in proposals):
            self._diverged.say("proposes no region in a picture", self.mean.dtype)
        boxes, scores = self.detector(
            images,
            high,
            proposals,
            settings.score_threshold if score_threshold is None else score_threshold,
            settings.max_people if max_people is None else max_people,
        )
        embeddings = self._embed(low, high, boxes).split([len(b) for b in boxes])
        people = [People(*fields) for fields in zip(boxes, scores, embeddings, strict=True)]
        finite = [one.embeddings.isfinite().all(dim=1) for one in people]
        return [People(*(field[rows] for field in one)) for one, rows in zip(people, finite, strict=True)]

    def _embed(self, low: Tensor, high: Tensor, boxes: list[Tensor]) -> Tensor:
        if sum(len(b) for b in boxes) == 0:
            return torch.zeros(0, self.config.embedding_size, device=low.device)
        _, features = self.identification(self.pooling(low, high, boxes))
        embeddings = F.normalize(features.float(), dim=1)
        if not bool(embeddings.isfinite().all()):
            self._diverged.say("gives embeddings that are not finite", self.mean.dtype)
        return embeddings


def jitter_boxes(boxes: Tensor, loss: float, canvas: tuple[int, int] | torch.Size) -> Tensor:
    """Move the edges of boxes at random, as a detector's boxes differ from annotated ones.

    How far a box may be moved is drawn for each, evenly between nothing and what costs ``loss``; then each edge moves
    by its own draw within that.

    Args:
        boxes: (K, 4) xyxy within the canvas.
        loss: the result has an IoU of at least ``1 - loss`` with the box; 0 returns the boxes and draws nothing.
        canvas: height and width.

    Returns:
        (K, 4), clipped to the canvas. Drawn from torch's generator.
    """
    if loss == 0:
        return boxes
    # All edges inwards costs most: (1 - 2 a) ** 2 of the area is left if each moves by a of the side.
    limit = (1 - (1 - loss) ** 0.5) / 2
    reach = limit * torch.rand(len(boxes), 1, device=boxes.device)
    moves = reach * (2 * torch.rand(len(boxes), 4, device=boxes.device) - 1)
    moved = boxes + moves * (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    height, width = canvas
    clipped: Tensor = moved.clamp(min=0).minimum(moved.new_tensor([width, height, width, height]))
    return clipped


def _detection_target(target: Target) -> dict[str, Tensor]:
    labels = torch.where(target.ignore, NOT_SAMPLED, PERSON).to(torch.int64)
    return {"boxes": target.boxes, "labels": labels}


def build(config: ModelConfig) -> PersonSearchNetwork:
    """Build a network with random weights. Only ``PersonSearcher.from_pretrained`` loads trained ones."""
    return PersonSearchNetwork(config)

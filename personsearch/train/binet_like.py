"""BINet-like training: a second branch sees the people of a scene as crops, and both branches shall see the same.

After Dong et al., *Bi-directional Interaction Network for Person Search*, CVPR 2020 (paper ref [9]), whose equations
could not be read: the definitions here are ours, hence the name. Both branches are the same network, so nothing is
added to it, and searching has the branch of scenes alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from personsearch.config import StrictModel
from personsearch.models import PersonSearchNetwork, SceneGroup
from personsearch.models.pooling import pool_boxes


class BinetLikeConfig(StrictModel):
    """Weights of the losses between a scene's people and the same people as crops."""

    features: float = Field(1.0, ge=0, description="of the distance between the features of both branches")
    predictions: float = Field(1.0, ge=0, description="of the divergence between their identity predictions")
    identity: float = Field(1.0, ge=0, description="of the identity loss on the crops")


def patch_features(network: PersonSearchNetwork, groups: Sequence[SceneGroup]) -> Tensor:
    """Return the features (M, D) of all annotated boxes that are not ignored, in order, each seen as a crop.

    The boxes are cut out of the canvases, at the size of step 1's crops, where conv2_x and conv3_x are as large as what
    is pooled from a scene. BatchNorm that is training uses the statistics of the crops and forgets them: its running
    statistics stay those of scenes, which searching needs.

    Args:
        network: shared by both branches.
        groups: the scenes of a batch, as ``train_step`` takes them; at least two people.
    """
    crops = crops_of_people(groups, network.config.crop_size)
    with _running_statistics_left_alone(network):
        low, high = network.base((crops - network.mean) / network.std)
        _, features = network.identification(network.pooling.fuse_whole(low, high))
    return features  # type: ignore[no-any-return]


def crops_of_people(groups: Sequence[SceneGroup], size: tuple[int, int], *, labelled: bool = False) -> Tensor:
    """Return crops (M, 3, h, w) RGB 0..1 of annotated boxes that are not ignored, in order, cut out of the canvases.

    Args:
        groups: the scenes of a batch.
        size: height and width of the crops, pixels.
        labelled: only of people with a label.
    """
    crops = []
    for images, targets in groups:
        counted = [~one.ignore & (one.identities >= 0) if labelled else ~one.ignore for one in targets]
        boxes = [one.boxes[rows] for one, rows in zip(targets, counted, strict=True)]
        crops.append(pool_boxes(images, boxes, size, 1))
    return torch.cat(crops)


@contextmanager
def _running_statistics_left_alone(network: nn.Module) -> Iterator[None]:
    """Let BatchNorm that is training neither use nor change its running statistics and their counter."""
    norms = [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm) and one.training]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def feature_distance(scene: Tensor, patch: Tensor) -> Tensor:
    """Return ``mean(1 - cos(f, g))`` in float32, differentiable by both sides.

    Args:
        scene: f, (N, D) features of the scenes' people, N > 0.
        patch: g, (N, D) features of the same people as crops.
    """
    with torch.autocast(scene.device.type, enabled=False):
        return (1 - F.cosine_similarity(scene.float(), patch.float(), dim=1)).mean()


def prediction_divergence(scene: Tensor, patch: Tensor) -> Tensor:
    """Return ``mean(KL(p || q) + KL(q || p))`` in nats and float32, differentiable by both sides.

    Args:
        scene: (N, C) identity logits of the scenes' people, N > 0; p is their softmax.
        patch: (N, C) logits of the same people as crops; q is their softmax.
    """
    with torch.autocast(scene.device.type, enabled=False):
        log_p, log_q = F.log_softmax(scene.float(), dim=1), F.log_softmax(patch.float(), dim=1)
        return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=1).mean()

"""Metric losses of STL step 1 (paper Eq. 1) and the re-weighting losses of Table 4; cross-entropy is torch's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def batch_hard_triplet(features: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Return the batch-hard triplet loss (paper ref [14]) on un-normalised features, in float32.

    Each sample is compared with the farthest one of its own identity and the nearest one of any other:
    ``mean(max(0, margin + d_positive - d_negative))`` with Euclidean distances.

    Args:
        features: (N, D) before the BNNeck.
        identities: (N,) int64; at least two different ones.
        margin: Euclidean distance.
    """
    distances = torch.cdist(features.float(), features.float(), compute_mode="donot_use_mm_for_euclid_dist")
    same = identities[:, None] == identities[None, :]
    farthest = distances.masked_fill(~same, -torch.inf).amax(dim=1)
    nearest = distances.masked_fill(same, torch.inf).amin(dim=1)
    return (margin + farthest - nearest).clamp(min=0).mean()


class CenterLoss(nn.Module):
    """Centre loss (paper ref [33]): mean squared distance of the features to the learnt centre of their identity."""

    def __init__(self, num_identities: int, channels: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(num_identities, channels))

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Return the loss, a scalar, of features (N, D) and classes (N,) int64."""
        return (features.float() - self.centers[identities]).pow(2).sum(dim=1).mean()


def class_balanced_weights(counts: Tensor, beta: float) -> Tensor:
    """Return a weight per class, inverse to its effective number of samples (Eq. 2 and section 4 of paper ref [8]).

    ``(1 - beta) / (1 - beta ** n)``, scaled so that the weights sum to the number of classes.

    Args:
        counts: (C,) int64, samples of each class, at least 1.
        beta: 0 gives all classes the same weight; towards 1 the weights become inverse to the counts.
    """
    # log1p and expm1: 1 - beta ** n is lost to rounding where beta is close to 1.
    effective = -torch.expm1(counts.double() * torch.log(torch.tensor(beta, dtype=torch.float64)))
    weights = (1 - beta) / effective
    return (weights * len(counts) / weights.sum()).float()


def focal_loss(logits: Tensor, identities: Tensor, gamma: float) -> Tensor:
    """Return the mean of ``(1 - p) ** gamma * -log p``, p the softmax of the right class (Eq. 4 of paper ref [21]).

    Args:
        logits: (N, C).
        identities: (N,) int64 classes.
        gamma: 0 gives cross-entropy.
    """
    log_p = F.log_softmax(logits.float(), dim=1).gather(1, identities[:, None])[:, 0]
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()

"""The metric losses of STL step 1 (paper Eq. 1). Cross-entropy is torch's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def batch_hard_triplet(features: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Return the batch-hard triplet loss (paper ref [14]) on un-normalised features, in float32.

    For every sample, the farthest of its identity and the nearest of another one:
    ``mean(max(0, margin + d_positive - d_negative))`` with Euclidean distances.

    Args:
        features: (N, D) before the BNNeck.
        identities: (N,) int64; at least two different ones.
        margin: in units of distance.
    """
    distances = torch.cdist(features.float(), features.float(), compute_mode="donot_use_mm_for_euclid_dist")
    same = identities[:, None] == identities[None, :]
    farthest = distances.masked_fill(~same, -torch.inf).amax(dim=1)
    nearest = distances.masked_fill(same, torch.inf).amin(dim=1)
    return (margin + farthest - nearest).clamp(min=0).mean()


class CenterLoss(nn.Module):
    """Centre loss (paper ref [33]): mean squared distance of features to the learnt centre of their identity."""

    def __init__(self, num_identities: int, channels: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(num_identities, channels))

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Return a scalar for features (N, D) and identities (N,)."""
        return (features.float() - self.centers[identities]).pow(2).sum(dim=1).mean()

"""The four dense parts of the fast network: everything that is convolutions and products, in torch's best layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personsearch.fast.folding import fold_batch_norms
from personsearch.fast.pointwise import make_pointwise
from personsearch.models import PersonSearchNetwork
from personsearch.models.config import Pair
from personsearch.models.detector import PERSON, BoxHead
from personsearch.models.pooling import MRFP


class ProposalHead(nn.Module):
    """The RPN's convolution, then both its predictions as one 1x1 convolution."""

    def __init__(self, network: PersonSearchNetwork) -> None:
        super().__init__()
        head = network.detector.rpn.head
        self.conv = head.conv
        self.anchors = head.cls_logits.out_channels
        self.predict = nn.Conv2d(head.cls_logits.in_channels, 5 * self.anchors, 1, device="meta")
        _joined(self.predict, head.cls_logits, head.bbox_pred)

    def forward(self, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, H, W, A) and deltas (N, H, W, A, 4) of all anchors, float32, of conv3_x."""
        both = self.predict(self.conv(high)).float().permute(0, 2, 3, 1)
        logits, deltas = both.split([self.anchors, 4 * self.anchors], dim=3)
        return logits, deltas.unflatten(3, (self.anchors, 4))


class RegionHead(nn.Module):
    """The two fully connected layers, then the two scores and a person's deltas as one layer."""

    def __init__(self, head: BoxHead, cells: int) -> None:
        super().__init__()
        self.fc6, self.fc7 = head.box_head.fc6, head.box_head.fc7
        # Regions come with their channels last, so the weights are put in that order, once.
        width = self.fc6.out_features
        by_cell = self.fc6.weight.detach().view(width, -1, cells).transpose(1, 2)
        self.fc6.weight = nn.Parameter(by_cell.reshape(width, -1), requires_grad=False)
        scores, deltas = head.box_predictor.cls_score, head.box_predictor.bbox_pred
        self.predict = nn.Linear(scores.in_features, 6, device="meta")
        _joined(self.predict, scores, deltas, of_last=slice(4 * PERSON, 4 * PERSON + 4))

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (K,) and deltas (K, 4), float32, of regions (K, cells, C)."""
        hidden = F.relu(self.fc7(F.relu(self.fc6(regions.flatten(1)))))
        both = self.predict(hidden).float()
        return both[:, :2].softmax(dim=1)[:, PERSON], both[:, 2:]


class Identification(nn.Module):
    """MRFP's neck and the identification network: from pooled regions to embeddings."""

    def __init__(self, network: PersonSearchNetwork) -> None:
        super().__init__()
        self.size: Pair = network.config.reid.roi_size
        self.neck = network.pooling.neck if isinstance(network.pooling, MRFP) else None
        self.identification = network.identification

    def forward(self, coarse: Tensor, fine: Tensor | None = None) -> Tensor:
        """Return (K, D) unit-length float32.

        Args:
            coarse: (K, h * w, C3) of conv3_x.
            fine: (K, 2h * 2w, C2) of conv2_x; None without MRFP.
        """
        maps = coarse.unflatten(1, self.size).permute(0, 3, 1, 2)  # channels last, nothing is copied
        if self.neck is not None and fine is not None:
            height, width = self.size
            maps = maps + self.neck(fine.unflatten(1, (2 * height, 2 * width)).permute(0, 3, 1, 2))
        return F.normalize(self.identification(maps)[1], dim=1)


@torch.no_grad()
def _joined(into: nn.Module, first: nn.Module, last: nn.Module, of_last: slice = slice(None)) -> None:
    """Give a layer the outputs of two others, those of the last one in part."""
    for name in ("weight", "bias"):
        both = torch.cat([getattr(first, name), getattr(last, name)[of_last]])
        setattr(into, name, nn.Parameter(both, requires_grad=False))


class Parts(nn.Module):
    """A network taken apart: its layers are folded in place, so that it can be neither used nor saved any more."""

    def __init__(self, network: PersonSearchNetwork, region_cells: int) -> None:
        """Take over a network in evaluation mode and float32; ``region_cells`` of a detector's region."""
        super().__init__()
        fold_batch_norms(network)
        self.base = network.base
        self.proposal_head = ProposalHead(network)
        self.region_head = RegionHead(network.detector.head, region_cells)
        self.identification = Identification(network)
        make_pointwise(self)
        self.requires_grad_(False).to(memory_format=torch.channels_last)

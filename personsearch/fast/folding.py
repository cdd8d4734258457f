"""Batch norms folded into the convolutions before them; of an IBN only half, as the other depends on the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personsearch.models.backbone import IBN


class InstanceHalf(nn.Module):
    """What is left of an IBN once its BatchNorm is folded: InstanceNorm of the first channels, in place.

    Written as a GroupNorm of one channel a group, which computes the same: torch has a kernel for it that takes maps in
    channels-last order, and without copies it takes a third of the time on a CPU.
    """

    def __init__(self, norm: IBN) -> None:
        super().__init__()
        self.channels = norm.sizes[0]
        self.weight, self.bias = norm.IN.weight, norm.IN.bias
        self.eps = norm.IN.eps

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W), its first half normalised in place."""
        half = x[:, : self.channels]
        # The kernel takes the variance as a difference of squares, which is only as good as the mean is near zero.
        near = half - half.mean(dim=(2, 3), keepdim=True) if half.dtype == torch.float32 else half
        half.copy_(F.group_norm(near, self.channels, self.weight, self.bias, self.eps))
        return x


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every BatchNorm2d and IBN inside a module into the convolution registered before it, in place.

    In evaluation a BatchNorm is a factor and a summand for each channel, and a convolution can have both in its weights
    and its bias. The module can be neither trained nor saved afterwards.

    Args:
        module: in evaluation mode and float32.
    """
    for parent in list(module.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if isinstance(before, nn.Conv2d) and isinstance(child, IBN):
                _fold(before, child.BN, first=child.sizes[0])
                setattr(parent, name, InstanceHalf(child))
            elif isinstance(before, nn.Conv2d) and isinstance(child, nn.BatchNorm2d):
                _fold(before, child, first=0)
                setattr(parent, name, nn.Identity())
            before = child


@torch.no_grad()
def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d, *, first: int) -> None:
    """Fold a BatchNorm of the output channels from ``first`` on."""
    if norm.running_mean is None or norm.running_var is None or conv.bias is not None:
        raise ValueError("only a BatchNorm with running statistics after a convolution without bias can be folded")
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = torch.zeros(conv.out_channels, device=conv.weight.device)
    shift[first:] = norm.bias - norm.running_mean * scale
    conv.weight[first:] *= scale[:, None, None, None]
    conv.bias = nn.Parameter(shift, requires_grad=False)

"""3x3 convolutions by Winograd's minimal filtering, F(4x4, 3x3): a quarter of the multiplications.

After A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), section 4.3. Worth it on a
CPU in float32 where there are many channels: there the arithmetic is all that counts, and oneDNN computes every
product. The rounding error is three times the usual one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Rows and columns of an output tile, and of the input tile that it follows from.
TILE, AROUND = 4, 6
#: Below this many channels the transforms cost what the products save.
LEAST_CHANNELS = 256

_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_FILTER = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


class Winograd(nn.Module):
    """A 3x3 convolution with stride 1 and padding 1 in place of ``conv``, whose weights it keeps transformed."""

    filters: Tensor
    to_input: Tensor
    to_output: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        form = torch.tensor(_FILTER, dtype=torch.float64)
        weight = conv.weight.detach().double()
        filters = torch.einsum("ia,jb,ocab->ijco", form, form, weight).flatten(0, 1)
        self.register_buffer("filters", filters.float().contiguous())  # (36, C, O)
        for name, matrix in (("to_input", _INPUT), ("to_output", _OUTPUT)):
            one = torch.tensor(matrix, dtype=torch.float32)
            self.register_buffer(name, torch.kron(one, one))  # of both axes at once
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, O, H, W) of ``x`` (N, C, H, W), channels last."""
        images, channels, height, width = x.shape
        rows, columns = -(-height // TILE), -(-width // TILE)
        padded = F.pad(x, (1, TILE * columns - width + 1, 1, TILE * rows - height + 1)).permute(0, 2, 3, 1)
        image, row, column, channel = padded.stride()
        tiles = padded.as_strided(
            (AROUND, AROUND, images, rows, columns, channels), (row, column, image, TILE * row, TILE * column, channel)
        )
        transformed = (self.to_input @ tiles.reshape(AROUND**2, -1)).view(AROUND**2, -1, channels)
        products = torch.bmm(transformed, self.filters)
        parts = (self.to_output @ products.view(AROUND**2, -1)).view(TILE, TILE, images, rows, columns, -1)
        whole = parts.permute(2, 3, 0, 4, 1, 5).reshape(images, TILE * rows, TILE * columns, -1)
        result = whole[:, :height, :width] if self.bias is None else whole[:, :height, :width] + self.bias
        return result.permute(0, 3, 1, 2)


def use_winograd(module: nn.Module) -> None:
    """Replace every 3x3 convolution of many channels inside a module, in place; for float32 on a CPU."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and _fits(child):
                setattr(parent, name, Winograd(child))


def _fits(conv: nn.Conv2d) -> bool:
    usual = conv.kernel_size == (3, 3) and conv.stride == (1, 1) and conv.padding == (1, 1)
    return usual and conv.groups == 1 and conv.dilation == (1, 1) and conv.in_channels >= LEAST_CHANNELS

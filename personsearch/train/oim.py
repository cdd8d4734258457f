"""Online Instance Matching (OIM): a memory of people takes the place of an identity classifier.

Xiao et al., *Joint Detection and Identification Feature Learning for Person Search*, CVPR 2017 (paper ref [35]). The
memory is part of what trains, not of the network: weights never hold it.

Two things of public implementations are left out on purpose: rows that are not rescaled after they were mixed, and a
queue that takes in a part of an embedding only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class InstanceMemory(nn.Module):
    """A table with one embedding of each identity, and a queue of the latest people without a label.

    Both begin as zeros, so that at first everybody is equally similar to everybody: the loss is ``ln(C + Q)``, and
    teaches nothing yet. They are buffers: checkpoints hold them, optimisers do not. A moving average of the task has an
    average of them too, which nothing reads.
    """

    table: Tensor
    queue: Tensor
    pointer: Tensor

    def __init__(self, num_identities: int, channels: int, *, scalar: float, momentum: float, queue: int) -> None:
        """Begin with an empty memory.

        Args:
            num_identities: C, rows of the table.
            channels: D, length of an embedding.
            scalar: similarities are multiplied by it before the softmax, 1 / temperature.
            momentum: how much of its old row an identity keeps when it is seen, 0..1.
            queue: Q, rows of the queue.
        """
        super().__init__()
        self.scalar = scalar
        self.momentum = momentum
        self.register_buffer("table", torch.zeros(num_identities, channels))
        self.register_buffer("queue", torch.zeros(queue, channels))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))  # the row that is overwritten next

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits (N, C + Q) of features (N, D) of any length, in float32 under autocast too.

        The columns of the queue are people without a label: somebody else, whoever is asked about.
        """
        with torch.autocast(features.device.type, enabled=False):
            # A copy: the memory is overwritten in place, perhaps before the gradient has been computed.
            people = torch.cat([self.table, self.queue])
            return self.scalar * F.normalize(features.float(), dim=1) @ people.T

    @torch.no_grad()
    def remember(self, features: Tensor, identities: Tensor) -> None:
        """Take in the people of a step, one after the other.

        The row of an identity becomes ``momentum * row + (1 - momentum) * x``, rescaled to unit length, where x is the
        person's embedding. Somebody without a label overwrites the oldest row of the queue.

        Args:
            features: (N, D) of any length.
            identities: (N,) int64 classes, -1 = without a label; on any device.
        """
        unit = F.normalize(features.float(), dim=1)
        for person, identity in zip(unit, identities.tolist(), strict=True):  # the one time that the host waits
            if identity < 0:
                self.queue.index_copy_(0, self.pointer[None], person[None])
                self.pointer.add_(1).remainder_(len(self.queue))
            else:
                row = self.table[identity]
                row.copy_(F.normalize(self.momentum * row + (1 - self.momentum) * person, dim=0))

"""Several processes under torchrun: who am I, which part is mine, and gathering what the others have."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from personsearch.errors import TrainingError

Item = TypeVar("Item")


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes:
        rank: of this process; 0 writes and logs.
        size: how many there are.
        device: this process's own.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes and logs."""
        return self.rank == 0

    def mine(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this process's share: every ``size``-th, from ``rank`` on."""
        return items[self.rank :: self.size]

    def gathered(self, mine: Sequence[Item]) -> list[Item]:
        """Return everybody's shares in the order of the whole; ``mine`` came from :meth:`mine`."""
        parts = self.everybodys(list(mine))
        whole: list[Item] = [None] * sum(len(part) for part in parts)  # type: ignore[list-item]
        for rank, part in enumerate(parts):
            whole[rank :: self.size] = part
        return whole

    def everybodys(self, value: Item) -> list[Item]:
        """Return every process's value, by rank. Values may be of any kind that can be pickled."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Go on when all are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def world(device: str | None) -> Iterator[World]:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: the recipe's; None = cuda where there is one. Several processes take cuda:LOCAL_RANK each.

    Raises:
        TrainingError: there are more processes than GPUs.
    """
    kind = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(0, 1, kind)
        return
    rank, local = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    if kind.type == "cuda":
        if local >= torch.cuda.device_count():
            raise TrainingError(
                f"process {local} of this machine has no GPU, there are {torch.cuda.device_count()}; "
                "start torchrun with --nproc-per-node=gpu"
            )
        kind = torch.device("cuda", local)
        torch.cuda.set_device(kind)
    dist.init_process_group("nccl" if kind.type == "cuda" else "gloo")
    package = logging.getLogger("personsearch")
    level = package.level
    if rank:
        package.setLevel(logging.ERROR)
    try:
        yield World(rank, size, kind)
    finally:
        package.setLevel(level)
        dist.destroy_process_group()

"""The processes that torchrun starts: their ranks, who takes what, and how results come together."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from personsearch.device import choose_device
from personsearch.errors import TrainingError

Item = TypeVar("Item")


@dataclass(frozen=True)
class World:
    """The processes of a run, as one of them sees them.

    Attributes:
        rank: of this process, from 0.
        size: number of processes.
        device: of this process.
        local_rank: of this process among those of its machine, from 0.
    """

    rank: int
    size: int
    device: torch.device
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and logs."""
        return self.rank == 0

    @property
    def leads_machine(self) -> bool:
        """Whether this is the process that keeps the files of its machine; the leading process is always one."""
        return self.leads or self.local_rank == 0

    def share_of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this process's share: every ``size``-th item, starting with number ``rank``."""
        return items[self.rank :: self.size]

    def join_shares(self, share: Sequence[Item]) -> list[Item]:
        """Put the shares of all processes back into the order that :meth:`share_of` took them from.

        Args:
            share: this process's results, one for each item of its share.
        """
        shares = self.all_gather(list(share))
        whole: list[Item] = [None] * sum(len(part) for part in shares)  # type: ignore[list-item]
        for rank, part in enumerate(shares):
            whole[rank :: self.size] = part
        return whole

    def all_gather(self, value: Item) -> list[Item]:
        """Return every process's value, by rank. A value may be anything that can be pickled."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait until every process has come this far."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def join_world(device: str | None) -> Iterator[World]:
    """Join the processes that torchrun started; without torchrun this process is the only one.

    Args:
        device: the recipe's ``run.device``; None = cuda if there is a GPU, else cpu. Of several processes on GPUs each
            takes ``cuda:LOCAL_RANK``.

    Raises:
        ConfigError: torch knows no such device, or this machine does not have it.
        TrainingError: the machine has more processes than GPUs.
    """
    # Not choose_device's own default: training has never been tried on mps, so mps has to be asked for.
    chosen = choose_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        # What follows the current device, such as pinned memory, would otherwise take a piece of the first GPU too.
        with torch.cuda.device(chosen) if chosen.type == "cuda" else nullcontext():
            yield World(0, 1, chosen)
        return
    rank, local = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    if chosen.type == "cuda":
        if local >= torch.cuda.device_count():
            raise TrainingError(
                f"process {local} of this machine has no GPU of its own: torch sees {torch.cuda.device_count()}; "
                "start torchrun with --nproc-per-node=gpu"
            )
        chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    package = logging.getLogger("personsearch")
    level = package.level
    if rank:
        package.setLevel(logging.ERROR)
    try:
        yield World(rank, size, chosen, local)
    finally:
        package.setLevel(level)
        dist.destroy_process_group()

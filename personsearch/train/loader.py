"""The batches of an epoch, loaded and augmented in worker processes.

A sample's augmentation depends on (seed, epoch, position) alone: the number of workers changes nothing, and a resumed
run sees what an undisturbed one would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from personsearch.errors import TrainingError
from personsearch.train.distributed import World
from personsearch.train.reading import refusal
from personsearch.train.samplers import Batches

Batch = TypeVar("Batch")


class EpochLoader(Generic[Batch]):
    """The batches of an epoch, from any one of them on, cut into the parts of this process."""

    def __init__(
        self,
        dataset: Dataset[Any],
        plan: Callable[[int], Batches],
        collate: Callable[[list[Any]], Batch],
        num_workers: int,
        world: World,
        parts: int,
        may_skip: Collection[str] = (),
    ) -> None:
        """Wrap a data set.

        Args:
            dataset: takes (epoch, position in the epoch, row).
            plan: epoch -> batches of rows, whose lengths are multiples of ``world.size * parts``; a function of the
                epoch and of what was mined for it. It is called when an epoch begins, not before.
            collate: list of samples -> batch.
            num_workers: loading processes.
            world: the processes of the run; each takes consecutive rows of a batch.
            parts: how many parts a process cuts its share of a batch into.
            may_skip: names of samples that a batch may lack because they cannot be used.
        """
        self.dataset = dataset
        self.num_workers = num_workers
        self.world = world
        self.parts = parts
        self.may_skip = may_skip
        self._plan = plan
        self._collate: Callable[[list[Any]], Batch] = collate
        self._planned: tuple[int, Batches] | None = None

    def steps(self, epoch: int) -> int:
        """Return the number of batches of an epoch. This plans the epoch."""
        return len(self._batches_of(epoch))

    def batches(self, epoch: int, skip: int = 0) -> Iterator[list[Batch]]:
        """Yield this process's parts of each batch of an epoch after the first ``skip``.

        Raises:
            DatasetError: a sample cannot be used and may not be left out.
            TrainingError: a loading process has died.
        """
        keys: list[list[tuple[int, int, int]]] = []
        position = 0
        shares = self.world.size * self.parts
        for number, rows in enumerate(self._batches_of(epoch)):
            length = len(rows) // shares
            for part in range(self.world.rank * self.parts, (self.world.rank + 1) * self.parts):
                own = range(part * length, (part + 1) * length)
                if number >= skip:
                    keys.append([(epoch, position + i, rows[i]) for i in own])
            position += len(rows)
        loader: DataLoader[Any] = DataLoader(
            self.dataset,
            batch_sampler=keys,
            collate_fn=self._collate,
            num_workers=self.num_workers,
            pin_memory=self.world.device.type == "cuda",
            # A generator of its own: by default every new loader draws a number from torch's.
            generator=torch.Generator(),
        )
        parts: list[Batch] = []
        for part_of_batch in _watched(loader, self.num_workers):
            for one in getattr(part_of_batch, "left_out", ()):
                if one.image_id not in self.may_skip:
                    raise refusal(one)
            parts.append(part_of_batch)
            if len(parts) == self.parts:
                yield parts
                parts = []

    def _batches_of(self, epoch: int) -> Batches:
        if self._planned is None or self._planned[0] != epoch:
            self._planned = (epoch, self._plan(epoch))
        return self._planned[1]


def _watched(loader: DataLoader[Any], num_workers: int) -> Iterator[Any]:
    batches = iter(loader)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            if "DataLoader worker (pid" not in str(error):
                raise
            raise TrainingError(
                f"one of the {num_workers} loading processes has died, as when memory runs out ({error}); lower "
                "run.num_workers and run the same command again to continue"
            ) from None
        yield batch

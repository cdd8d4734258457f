"""What a recipe is made into before the loop begins."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from personsearch.train.loader import EpochLoader
from personsearch.train.record import DataRecord
from personsearch.train.stepping import Task

#: Says of what was found that no sound network does it.
DIVERGED = "{}: training has probably diverged; stop it, and begin again with a lower optimizer.lr"


@dataclass(frozen=True, eq=False)
class Validation(Generic[Task]):
    """How a run validates.

    Attributes:
        figures: measures a task; the first figure decides which epoch is best. NaN = nothing counted. Every process
            calls it.
        needs: what the held-out places must show for anything to count, for the warning when nothing does.
        pictures: draws what a task does, by name; the leading process calls it after a validation.
    """

    figures: Callable[[Task], dict[str, float]]
    needs: str
    pictures: Callable[[Task], Mapping[str, NDArray[np.uint8]]] | None = None


@dataclass(eq=False)
class Mining(Generic[Task]):
    """What the batches of an epoch follow besides its number: what the network takes for what when it begins.

    Attributes:
        find: finds it with a task, for the epoch of that number, without changing either; the leading process calls it
            after every epoch that another follows.
        found: what it returned, for the loader's plan, the same in every process; None in the first epoch. Checkpoints
            hold it.
    """

    find: Callable[[Task, int], Tensor]
    found: Tensor | None = None


@dataclass(frozen=True, eq=False)
class TrainingSetup(Generic[Task]):
    """What a recipe is made into: everything that a run needs.

    Attributes:
        task: network, losses and classifier, on its device.
        optimizers: the first follows the schedule.
        loader: this process's parts of the batches.
        data: the annotations that they come from.
        pictures: number of scenes to train on.
        validation: None if no place is held out.
        mining: None if the batches follow from seed and epoch alone.
        left_out: scenes that setting up has left out because their pictures cannot be used: image_id -> why.
    """

    task: Task
    optimizers: list[Optimizer]
    loader: EpochLoader[Any]
    data: DataRecord
    pictures: int
    validation: Validation[Task] | None = None
    mining: Mining[Task] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)

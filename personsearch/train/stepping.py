"""One optimiser step: parts of a batch through the network, in the recipe's precision, over all processes."""

from __future__ import annotations

import zlib
from contextlib import nullcontext
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from personsearch.train.config import TrainConfig
from personsearch.train.distributed import World


class TrainingTask(nn.Module):
    """What a recipe trains: it takes a part of a batch and returns (losses to be summed, figures to watch)."""

    def after_step(self, world: World) -> None:
        """Do what follows a step of the optimisers, in every process: nothing, unless a task has something to do."""


Task = TypeVar("Task", bound=TrainingTask)

DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class MovingAverage(AveragedModel):
    """An exponential moving average of a module's parameters and buffers.

    Torch's own makes the host wait for the GPU in every step: it uploads the number of updates, which nothing reads.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__(module, use_buffers=True)
        self._mix = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in the present values; the first time, take them as they are."""
        if not int(self.n_averaged):
            super().update_parameters(model)
            return
        by_dtype: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for ours, theirs in zip(_values(self.module), _values(model), strict=True):
            averages, values = by_dtype.setdefault(ours.dtype, ([], []))
            averages.append(ours)
            values.append(theirs)
        for averages, values in by_dtype.values():
            self._mix(averages, values, self.n_averaged)
        self.n_averaged += 1


def _values(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


class Stepper(Generic[Task]):
    """Takes steps on a task, and holds everything that they change.

    Attributes:
        task: as given; :attr:`kept` is what is validated and saved as weights.
        optimizers: as given.
        world: the processes of the run.
    """

    def __init__(self, task: Task, optimizers: list[Optimizer], config: TrainConfig, world: World) -> None:
        self.task = task
        self.optimizers = optimizers
        self.world = world
        self._config = config
        self._dtype = DTYPES[config.run.precision]
        self._scaler = torch.amp.GradScaler(world.device.type, enabled=self._dtype is torch.float16)
        self._replica: nn.Module = task
        if world.size > 1:
            # A batch without a labelled person does not reach the classifier, hence find_unused_parameters. BatchNorm's
            # statistics stay each process's own, as in the author's code, hence no broadcast.
            devices = [world.device] if world.device.type == "cuda" else None
            self._replica = DistributedDataParallel(
                task, device_ids=devices, find_unused_parameters=True, broadcast_buffers=False
            )
        decay = config.steps.ema_decay
        self._average: MovingAverage | None = None
        if decay is not None:
            self._average = MovingAverage(task, decay)

    @property
    def kept(self) -> Task:
        """The task, or its moving average if the recipe keeps one."""
        return self.task if self._average is None else cast(Task, self._average.module)  # a deep copy of the task

    def step(self, parts: list[Any], number: int, rate: float) -> dict[str, Tensor]:
        """Take an optimiser step.

        Args:
            parts: this process's parts of the batch, in order; the gradient is the mean over all parts.
            number: of the step, from 0.
            rate: learning rate of the first optimiser; the others keep theirs.

        Returns:
            Losses and figures: scalars on the device, means over those of this process's parts that hold a sample.
            ``"loss"`` is the sum of the losses, which the step minimises. Nothing if no part holds a sample.
        """
        for group in self.optimizers[0].param_groups:
            group["lr"] = rate
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        results: list[dict[str, Tensor]] = []
        for position, part in enumerate(parts):
            # The sampling of anchors and proposals follows from the part's place alone, whichever process computes it,
            # and however often a run was resumed.
            place = self.world.rank * len(parts) + position
            torch.manual_seed(zlib.crc32(f"{self._config.run.seed} {number} {place}".encode()))
            last = position == len(parts) - 1
            with nullcontext() if last or self.world.size == 1 else self._replica.no_sync():  # type: ignore[operator]
                with torch.autocast(self.world.device.type, self._dtype, enabled=self._dtype is not None):
                    losses, figures = self._replica(part.to(self.world.device))
                total = torch.stack([loss.float() for loss in losses.values()]).sum()
                self._scaler.scale(total / len(parts)).backward()
            if part.names:
                results.append({key: value.detach() for key, value in {**losses, **figures, "loss": total}.items()})
        clip = self._config.steps.clip_norm
        if clip is not None:
            for optimizer in self.optimizers:
                self._scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.task.parameters(), clip)
        for optimizer in self.optimizers:
            self._scaler.step(optimizer)
        self._scaler.update()
        self.task.after_step(self.world)
        if self._average is not None:
            self._average.update_parameters(self.task)
        keys = dict.fromkeys(key for result in results for key in result)
        return {key: torch.stack([one[key].float() for one in results if key in one]).mean() for key in keys}

    def state(self) -> dict[str, Any]:
        """Return everything that later steps depend on, apart from the recipe."""
        return {
            "task": self.task.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self._scaler.state_dict(),
            "mean": None if self._average is None else self._average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        self.task.load_state_dict(state["task"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._scaler.load_state_dict(state["scaler"])
        if self._average is not None:
            self._average.load_state_dict(state["mean"])

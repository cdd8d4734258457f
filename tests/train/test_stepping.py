"""Optimiser steps on a task small enough to work out by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from personsearch.train import finetune, read_status
from personsearch.train.checkpoint import LAST, load_checkpoint
from personsearch.train.distributed import World
from personsearch.train.stepping import Stepper, TrainingTask
from tests.train.runs import finetune_config

ALONE = World(0, 1, torch.device("cpu"))


@dataclass
class Numbers:
    values: Tensor
    names: tuple[str, ...] = ("one",)

    def to(self, device: torch.device) -> "Numbers":
        return Numbers(self.values.to(device), self.names)


class Line(TrainingTask):
    """The loss is the weight times the mean of the batch: its gradient is that mean."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([10.0]))

    def forward(self, batch: Numbers) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return {"line": (self.weight * batch.values.mean()).sum()}, {"drawn": torch.rand(())}


def stepper_of(tmp_path: Path, **steps: Any) -> Stepper[Line]:
    config = finetune_config(tmp_path, tmp_path, steps={"clip_norm": None, **steps})
    task = Line()
    return Stepper(task, [torch.optim.SGD(task.parameters(), lr=99.0)], config, ALONE)


def parts(*values: list[float]) -> list[Numbers]:
    return [Numbers(torch.tensor(one)) for one in values]


def test_the_gradient_is_the_mean_over_the_parts(tmp_path: Path) -> None:
    stepper = stepper_of(tmp_path)
    losses = stepper.step(parts([1.0, 3.0], [4.0, 6.0]), 0, rate=0.5)
    assert stepper.task.weight.item() == 10 - 0.5 * (2 + 5) / 2
    assert float(losses["line"]) == float(losses["loss"]) == 10 * (2 + 5) / 2


def test_a_long_gradient_is_clipped(tmp_path: Path) -> None:
    stepper = stepper_of(tmp_path, clip_norm=0.5)
    stepper.step(parts([4.0]), 0, rate=1.0)
    assert stepper.task.weight.item() == pytest.approx(9.5, abs=1e-5)


def test_the_moving_average_is_kept(tmp_path: Path) -> None:
    stepper = stepper_of(tmp_path, ema_decay=0.75)
    assert stepper.kept is not stepper.task
    stepper.step(parts([4.0]), 0, rate=1.0)  # the average begins with the first step
    assert stepper.task.weight.item() == stepper.kept.weight.item() == 6
    stepper.step(parts([4.0]), 1, rate=1.0)
    assert stepper.task.weight.item() == 2
    assert stepper.kept.weight.item() == pytest.approx(0.75 * 6 + 0.25 * 2)
    plain = stepper_of(tmp_path)
    assert plain.kept is plain.task


class Watched(Line):
    """Notes what the weight is when it is told that a step was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("told", torch.zeros(()))
        self.weights: list[float] = []

    def after_step(self, world: World) -> None:
        assert world is ALONE
        self.weights.append(self.weight.item())
        self.told += 1  # type: ignore[operator]


def test_a_task_is_told_once_of_each_step_when_the_weights_have_moved_and_before_they_are_averaged(
    tmp_path: Path,
) -> None:
    config = finetune_config(tmp_path, tmp_path, steps={"ema_decay": 0.75, "clip_norm": None})
    task = Watched()
    stepper = Stepper(task, [torch.optim.SGD(task.parameters(), lr=99.0)], config, ALONE)
    stepper.step(parts([4.0], [2.0]), 0, rate=1.0)
    stepper.step(parts([1.0]), 1, rate=1.0)
    assert task.weights == [7.0, 6.0]
    assert float(stepper.kept.told) == pytest.approx(0.75 * 1 + 0.25 * 2)  # type: ignore[arg-type]
    assert stepper.kept.weights == []


def test_what_is_drawn_depends_on_step_and_part_alone(tmp_path: Path) -> None:
    first = stepper_of(tmp_path).step(parts([1.0]), 7, rate=0.1)["drawn"]
    torch.manual_seed(123)  # whatever happened in between
    assert stepper_of(tmp_path).step(parts([2.0]), 7, rate=0.1)["drawn"] == first
    assert stepper_of(tmp_path).step(parts([1.0]), 8, rate=0.1)["drawn"] != first


def test_restoring_undoes_later_steps(tmp_path: Path) -> None:
    stepper = stepper_of(tmp_path, ema_decay=0.75)
    stepper.step(parts([4.0]), 0, rate=1.0)
    saved = torch.nn.utils.parameters_to_vector(stepper.task.parameters()).clone()
    other = stepper_of(tmp_path, ema_decay=0.75)
    other.restore(stepper.state())
    assert torch.equal(torch.nn.utils.parameters_to_vector(other.task.parameters()), saved)
    assert other.kept.weight.item() == stepper.kept.weight.item()
    assert other.optimizers[0].param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_learn_in_float32_weights(precision: str, toy_annotations: Path, tmp_path: Path) -> None:
    short = {"run": {"precision": precision}, "schedule": {"epochs": 1}}
    finetune(finetune_config(tmp_path / "run", toy_annotations, **short))
    state = load_checkpoint(tmp_path / "run" / LAST)
    assert bool(state["scaler"]) == (precision == "float16")
    for tensor in state["task"].values():
        assert tensor.dtype in (torch.float32, torch.int64)
        assert torch.isfinite(tensor).all()
    finetune(finetune_config(tmp_path / "exact", toy_annotations, schedule={"epochs": 1}))
    [(_, first), *_] = read_status(tmp_path / "run").losses
    [(_, exact), *_] = read_status(tmp_path / "exact").losses
    assert first == pytest.approx(exact, rel=0.05)

"""Training steps on a real GPU: finite losses, weights that move, the CPU's loss, no waiting, and a way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from personsearch.models import ModelConfig, SceneGroup, Target
from personsearch.train import finetune, pretrain, read_status
from personsearch.train.checkpoint import load_checkpoint, save_checkpoint
from personsearch.train.config import ReidLossConfig
from personsearch.train.crops import CropBatch
from personsearch.train.distributed import World
from personsearch.train.oim import InstanceMemory
from personsearch.train.scenes import SceneBatch
from personsearch.train.stepping import Stepper
from personsearch.train.tasks import ReidTask, SearchTask
from tests.fast.gpu import exact, gpu, without_waiting
from tests.train.runs import finetune_config, pretrain_config

NOWHERE = Path("nowhere")
RATE = 1e-3


def crops() -> CropBatch:
    generator = torch.Generator().manual_seed(1)
    return CropBatch(torch.rand(8, 3, 64, 32, generator=generator), torch.arange(8) // 2, ["crop"] * 8)


def scenes() -> SceneBatch:
    boxes = torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80], [100, 20, 120, 70]])
    target = Target(boxes, torch.tensor([0, 1, -1]), torch.tensor([False, False, True]))
    generator = torch.Generator().manual_seed(2)
    return SceneBatch([SceneGroup(torch.rand(2, 3, 96, 160, generator=generator), [target] * 2)], ["scene"] * 2)


def stepper_of(step: str, model: ModelConfig, device: torch.device, precision: str) -> Stepper[Any]:
    recipe: dict[str, Any] = {
        "model": model,
        "run": {"precision": precision},
        "steps": {"clip_norm": 10.0, "ema_decay": 0.9},
    }
    torch.manual_seed(0)
    task: ReidTask | SearchTask
    if step == "pretrain":
        task, config = ReidTask(model, 4, ReidLossConfig()), pretrain_config(NOWHERE, NOWHERE, **recipe)
    else:
        counts = torch.ones(2, dtype=torch.int64)
        task, config = SearchTask(model, counts), finetune_config(NOWHERE, NOWHERE, **recipe)  # type: ignore[assignment]
    task.to(device).train()
    return Stepper(task, task.optimizers(config.optimizer), config, World(0, 1, device))


def batch_of(step: str) -> CropBatch | SceneBatch:
    return crops() if step == "pretrain" else scenes()


STEPS = pytest.mark.parametrize("step", ["pretrain", "finetune"])


@pytest.mark.gpu
@STEPS
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_steps_give_finite_losses_and_move_the_weights(precision: str, step: str, tiny_config: ModelConfig) -> None:
    stepper = stepper_of(step, tiny_config, gpu(), precision)
    learning = {name: one.detach().clone() for name, one in stepper.task.named_parameters() if one.requires_grad}
    # In float16 the first steps are left out until the scale of the gradients has come down to where it fits.
    for number in range(24):
        losses = stepper.step([batch_of(step)], number, RATE)
        assert all(bool(loss.isfinite()) for loss in losses.values()), losses
        moved = [
            not torch.equal(one, learning[name]) for name, one in stepper.task.named_parameters() if name in learning
        ]
        if any(moved):
            break
    assert all(moved)
    assert all(bool(one.isfinite().all()) for one in stepper.kept.parameters())


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.05), ("float16", 0.02)])
def test_the_first_loss_of_pretraining_is_the_cpus(precision: str, tolerance: float, tiny_config: ModelConfig) -> None:
    """Step 1 draws nothing at random, so its loss can be compared."""
    first = []
    for device, digits in ((torch.device("cpu"), "float32"), (gpu(), precision)):
        with exact():
            first.append(float(stepper_of("pretrain", tiny_config, device, digits).step([crops()], 0, RATE)["loss"]))
    assert first[1] == pytest.approx(first[0], rel=tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_of_pretraining_never_waits_for_the_gpu(precision: str, tiny_config: ModelConfig) -> None:
    device = gpu()
    stepper = stepper_of("pretrain", tiny_config, device, precision)
    stepper.step([crops()], 0, RATE)
    batch = crops().pin_memory() if device.type == "cuda" else crops()
    with without_waiting(device):
        stepper.step([batch], 1, RATE)


@pytest.mark.gpu
def test_a_memory_on_the_gpu_is_the_cpus_and_waits_for_nobody() -> None:
    device, generator = gpu(), torch.Generator().manual_seed(3)
    features, identities = torch.randn(60, 256, generator=generator), torch.arange(60) % 7 - 2
    here = InstanceMemory(5, 256, scalar=30.0, momentum=0.5, queue=9)
    there = InstanceMemory(5, 256, scalar=30.0, momentum=0.5, queue=9).to(device)
    here.remember(features, identities)
    features_there = features.to(device)
    with without_waiting(device):
        there.remember(features_there, identities)
    for name, ours in here.state_dict().items():
        assert torch.allclose(there.state_dict()[name].cpu(), ours, atol=1e-5), name
    with exact():
        assert torch.allclose(there(features_there).cpu(), here(features), atol=1e-3)


@pytest.mark.gpu
@STEPS
def test_a_checkpoint_of_the_gpu_continues_on_the_cpu(step: str, tiny_config: ModelConfig, tmp_path: Path) -> None:
    there = stepper_of(step, tiny_config, gpu(), "float32")
    there.step([batch_of(step)], 0, RATE)
    save_checkpoint(tmp_path / "last.pt", there.state())
    here = stepper_of(step, tiny_config, torch.device("cpu"), "float32")
    here.restore(load_checkpoint(tmp_path / "last.pt"))
    for (name, ours), theirs in zip(here.task.state_dict().items(), there.task.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs.cpu()), name
    losses: dict[str, Tensor] = here.step([batch_of(step)], 1, RATE)
    assert bool(losses["loss"].isfinite())


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_whole_runs_in_mixed_precision_begin_with_the_loss_of_exact_ones(
    precision: str, toy_annotations: Path, tmp_path: Path
) -> None:
    """Loading processes, pinned memory, validation, and the weights at the end."""
    run = {"precision": precision, "device": str(gpu()), "num_workers": 2}
    finetune(finetune_config(tmp_path / "two", toy_annotations, run=run))
    pretrain(pretrain_config(tmp_path / "one", toy_annotations, run=run))
    finetune(finetune_config(tmp_path / "exact", toy_annotations, run={"device": str(gpu())}))
    losses, exact_losses = (read_status(tmp_path / name).losses for name in ("two", "exact"))
    assert losses[0][1] == pytest.approx(exact_losses[0][1], rel=0.05)
    assert all(loss < 100 for _, loss in [*losses, *read_status(tmp_path / "one").losses])

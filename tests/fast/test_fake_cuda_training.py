"""Steps of both training tasks on a device that computes nothing: every operand is there, backward included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.amp import grad_scaler

from personsearch.models import ModelConfig, PersonSearchNetwork, ReidNetwork, SceneGroup, Target, preset
from personsearch.train.config import IdentityLossConfig, ReidLossConfig
from personsearch.train.crops import CropBatch
from personsearch.train.distill import DistillConfig, Teacher
from personsearch.train.distributed import World
from personsearch.train.oim import InstanceMemory
from personsearch.train.scenes import SceneBatch
from personsearch.train.stepping import Stepper
from personsearch.train.tasks import ReidTask, SearchTask
from tests.fast.fake_cuda import WrongDevice, fake_cuda
from tests.train.runs import finetune_config, pretrain_config

LARGE, SMALL = "stl-mrfp-r50", "stl-mrfp-small"
CUDA = World(0, 1, torch.device("cuda"))
NOWHERE = Path("nowhere")
CLIPPED = {"clip_norm": 1.0}
#: Everything in a step that a recipe can switch on.
EVERYTHING = {**CLIPPED, "ema_decay": 0.9}
TEACHER = DistillConfig(teacher="given")


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the gradient scaler working without a GPU. Autocast stays off: there the step computes in float32."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    assert grad_scaler.GradScaler("cuda").is_enabled()


def crops(model: ModelConfig) -> CropBatch:
    return CropBatch(torch.rand(8, 3, *model.crop_size), torch.arange(8) // 2, ["crop"] * 8)


def scenes(model: ModelConfig, *, upright: int = 0) -> SceneBatch:
    """Two scenes, and some on a canvas of another size, as a loading process makes them."""
    short, long = model.input.min_size, model.input.max_size
    groups = [SceneGroup(torch.rand(2, 3, short, long), [target(), target()])]
    if upright:
        groups.append(SceneGroup(torch.rand(upright, 3, long, short), [target() for _ in range(upright)]))
    return SceneBatch(groups, ["scene"] * (2 + upright))


def target() -> Target:
    return Target(torch.rand(3, 4), torch.tensor([0, 1, -1]), torch.tensor([False, False, True]))


def step_one(model: ModelConfig, *, teacher: Teacher | None = None, **recipe: Any) -> Stepper[ReidTask]:
    task = ReidTask(model, 6, ReidLossConfig(), teacher=teacher).to(CUDA.device).train()
    config = pretrain_config(NOWHERE, NOWHERE, model=model, **{"steps": CLIPPED, **recipe})
    return Stepper(task, task.optimizers(config.optimizer), config, CUDA)


def step_two(
    model: ModelConfig, *, run: dict[str, Any] | None = None, steps: dict[str, Any] = CLIPPED, **task: Any
) -> Stepper[SearchTask]:
    learner = SearchTask(model, torch.tensor([3, 2, 2, 9]), **task).to(CUDA.device).train()
    config = finetune_config(NOWHERE, NOWHERE, model=model, steps=steps, run=run or {})
    return Stepper(learner, learner.optimizers(config.optimizer), config, CUDA)


def require_on_device(stepper: Stepper[Any], losses: dict[str, torch.Tensor], names: set[str]) -> None:
    assert set(losses) == {*names, "accuracy", "loss"}
    kept = [*losses.values(), *stepper.task.state_dict().values(), *stepper.kept.state_dict().values()]
    assert {value.device.type for value in kept} == {"cuda"}
    learning = [one for one in stepper.task.parameters() if one.requires_grad]
    assert all(one.grad is not None and one.grad.device.type == "cuda" for one in learning)
    moments = [
        value for optimizer in stepper.optimizers for kept in optimizer.state.values() for value in kept.values()
    ]
    assert {one.device.type for one in moments if isinstance(one, torch.Tensor) and one.dim()} <= {"cuda"}


REID = {"identity", "triplet", "center"}
SEARCH = {"rpn_objectness", "rpn_box", "head_class", "head_box", "identity"}


def test_a_step_of_pretraining() -> None:
    model = preset(LARGE)
    with fake_cuda():
        stepper = step_one(model)
        require_on_device(stepper, stepper.step([crops(model)], 0, 0.1), REID)


def test_a_step_of_pretraining_never_waits_nor_does_the_average_of_its_weights() -> None:
    """The first step copies the weights into the average; the second is as all others are."""
    model = preset(SMALL)
    with fake_cuda() as device:
        stepper = step_one(model, steps=EVERYTHING)
        stepper.step([crops(model)], 0, 0.1)
        with device.without_waiting("a step of pretraining"):
            stepper.step([crops(model)], 1, 0.1)


def test_a_step_of_finetuning() -> None:
    model = preset(LARGE)
    with fake_cuda():
        stepper = step_two(model)
        require_on_device(stepper, stepper.step([scenes(model)], 0, 0.1), SEARCH)


@pytest.mark.usefixtures("scaling")
def test_pretraining_with_a_teacher_in_two_parts_with_scaled_gradients_and_averaged_weights() -> None:
    model = preset(SMALL)
    with fake_cuda():
        teacher = Teacher(ReidNetwork(model.backbone, model.embedding_size), model, TEACHER)
        stepper = step_one(model, teacher=teacher, run={"precision": "float16"}, steps=EVERYTHING)
        require_on_device(stepper, stepper.step([crops(model), crops(model)], 0, 0.1), REID | {"distill"})


@pytest.mark.usefixtures("scaling")
def test_finetuning_on_two_canvases_with_a_teacher_frozen_norms_and_scaled_gradients() -> None:
    model = preset(SMALL)
    larger = model.model_copy(update={"input": model.input.model_copy(update={"min_size": 640, "max_size": 960})})
    with fake_cuda():
        teacher = Teacher(PersonSearchNetwork(larger), larger, TEACHER)
        stepper = step_two(
            model,
            loss=IdentityLossConfig(kind="class_balanced"),
            teacher=teacher,
            freeze_bn=True,
            box_jitter=0.3,
            run={"precision": "float16"},
            steps=EVERYTHING,
        )
        require_on_device(stepper, stepper.step([scenes(model, upright=1)], 0, 0.1), SEARCH | {"distill"})


def test_finetuning_with_oim_on_shorter_embeddings_and_averaged_weights() -> None:
    model = preset(SMALL)
    model = model.model_copy(update={"reid": model.reid.model_copy(update={"pooling": "roialign", "embedding": 256})})
    with fake_cuda() as device:
        stepper = step_two(model, loss=IdentityLossConfig(kind="oim", queue=9), freeze_bn=True, steps=EVERYTHING)
        require_on_device(stepper, stepper.step([scenes(model), scenes(model, upright=1)], 0, 0.1), SEARCH)
    [line] = {one.line for one in device.waits if "oim.py" in one.line}
    assert line.endswith("in remember")  # where the identities are read, and nowhere else


def test_remembering_people_waits_for_nobody_of_them() -> None:
    """Only once, to be told who they are; here the host knows that already."""
    people = torch.tensor([1, -1, 0, -1, -1, 1])
    with fake_cuda() as device:
        memory = InstanceMemory(2, 8, scalar=30.0, momentum=0.5, queue=2).to(CUDA.device)
        features = torch.rand(6, 8, device=CUDA.device)
        with device.without_waiting("taking people in"):
            memory.remember(features, people)
        assert {one.device.type for one in memory.buffers()} == {"cuda"}


def test_a_memory_that_stays_behind_is_found() -> None:
    model = preset(SMALL)
    with fake_cuda():
        stepper = step_two(model, loss=IdentityLossConfig(kind="oim", queue=9))
        assert stepper.task.memory is not None
        stepper.task.memory.queue = torch.zeros(9, model.embedding_size)
        with pytest.raises(WrongDevice, match=r"personsearch/train/oim\.py:\d+ in forward"):
            stepper.step([scenes(model)], 0, 0.1)


def test_weights_of_classes_that_stay_behind_are_found() -> None:
    model = preset(SMALL)
    with fake_cuda():
        stepper = step_two(model, loss=IdentityLossConfig(kind="class_balanced"))
        stepper.task.identity_weights = torch.ones(4)
        with pytest.raises(WrongDevice, match=r"personsearch/train/tasks\.py:\d+ in identity_loss"):
            stepper.step([scenes(model)], 0, 0.1)


def test_centres_that_stay_behind_are_found() -> None:
    """Fake tensors alone let this pass: ``centres[identities]`` with the centres on the CPU."""
    model = preset(SMALL)
    with fake_cuda():
        stepper = step_one(model)
        assert stepper.task.centers is not None
        stepper.task.centers.centers = torch.nn.Parameter(torch.zeros(6, model.embedding_size))
        with pytest.raises(WrongDevice, match=r"personsearch/train/losses\.py:\d+ in forward: aten\.index"):
            stepper.step([crops(model)], 0, 0.1)

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from personsearch.errors import ConfigError, WeightsNotFoundError
from personsearch.models import ModelConfig, PersonSearchNetwork, ReidNetwork, SceneGroup, Target
from personsearch.train import finetune, pretrain
from personsearch.train.checkpoint import load_checkpoint
from personsearch.train.config import IdentityLossConfig, ReidLossConfig
from personsearch.train.crops import CropBatch
from personsearch.train.distill import DistillConfig, Teacher, load_teacher, similarity_loss
from personsearch.train.scenes import SceneBatch
from personsearch.train.tasks import ReidTask, SearchTask
from personsearch.weights.files import read_config, read_tensors
from tests.support import TINY
from tests.train.runs import finetune_config, metrics, pretrain_config

SETTINGS = DistillConfig(teacher="./teacher", temperature=0.5)
#: Another architecture: larger crops, larger scenes.
LARGER = ModelConfig.model_validate(
    {**TINY, "backbone": "resnet18", "input": {"min_size": 128, "max_size": 224}, "reid": {"roi_size": (12, 6)}}
)


def test_loss_by_hand() -> None:
    # For the teacher the first two look alike and the third is at right angles to both; the student sees no difference.
    teacher = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    student = torch.eye(3)
    p = 1 / (1 + math.exp(-1 / 0.5))  # softmax of similarities 1 and 0 at temperature 0.5
    divergence = p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)
    # The third row has similarities 0 and 0: no difference there.
    assert float(similarity_loss(student, teacher, 0.5)) == pytest.approx(2 * divergence / 3, rel=1e-5)


def test_loss_is_zero_for_equal_views_and_positive_otherwise() -> None:
    torch.manual_seed(0)
    teacher = torch.randn(6, 8)
    rotation = torch.linalg.qr(torch.randn(8, 8))[0]
    assert float(similarity_loss(3 * teacher @ rotation, teacher, 0.1)) == pytest.approx(0, abs=1e-4)
    for seed in range(5):
        torch.manual_seed(seed + 1)
        assert float(similarity_loss(torch.randn(6, 3), teacher, 0.1)) > 0.01


@pytest.mark.parametrize("people", [0, 1, 2])
def test_too_few_people_teach_nothing(people: int) -> None:
    student = torch.randn(people, 4, requires_grad=True)
    loss = similarity_loss(student, torch.randn(people, 7), 0.1)
    loss.backward()
    assert loss.item() == 0


def batch_of_crops() -> CropBatch:
    return CropBatch(torch.rand(8, 3, 64, 32), torch.arange(8) // 2, ["a"] * 8)


@pytest.mark.slow
def test_the_loss_falls_and_the_teacher_does_not_learn(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    wider = LARGER.model_copy(update={"backbone": "resnet50"})  # embeddings of 2,048 numbers instead of 512
    network, batch = ReidNetwork(wider.backbone, wider.embedding_size).train(), batch_of_crops()
    for _ in range(20):  # statistics by which the embeddings of a random network differ
        network(F.interpolate(batch.images, size=wider.crop_size))
    teacher = Teacher(network, wider, SETTINGS.model_copy(update={"temperature": 0.1}))
    before = {key: value.clone() for key, value in teacher.network.state_dict().items()}
    task = ReidTask(tiny_config, 4, ReidLossConfig(center_weight=0.0), teacher=teacher).train()
    assert not any("teacher" in key for key in task.state_dict())
    optimizer = torch.optim.Adam(task.parameters(), lr=1e-4)
    losses = []
    for _ in range(14):
        loss = task(batch)[0]["distill"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert not teacher.network.training
    assert all(torch.equal(value, before[key]) for key, value in teacher.network.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.network.parameters())


def test_the_teacher_sees_the_people_of_all_canvases_in_order(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    network = PersonSearchNetwork(tiny_config)
    teacher = Teacher(network, tiny_config, SETTINGS)
    boxes = torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80], [100, 5, 120, 60]])
    targets = [
        Target(boxes, torch.tensor([1, 2, -1]), torch.tensor([False, True, False])),
        Target(boxes[:1], torch.tensor([3]), torch.tensor([False])),
    ]
    groups = [SceneGroup(torch.rand(1, 3, 96, 160), targets[:1]), SceneGroup(torch.rand(1, 3, 128, 160), targets[1:])]
    found = teacher.of_people(groups, tiny_config)
    expected = [network.embed(groups[0].images, [boxes[[0, 2]]])[0], network.embed(groups[1].images, [boxes[:1]])[0]]
    assert torch.allclose(found, torch.cat(expected))
    # A teacher with larger input sees the same scene enlarged.
    larger = Teacher(PersonSearchNetwork(LARGER), LARGER, SETTINGS)
    enlarged = F.interpolate(groups[0].images, size=[128, 224], mode="bilinear", align_corners=False)
    scale = torch.tensor([224 / 160, 128 / 96] * 2)
    [own] = larger.network.embed(enlarged, [boxes[[0, 2]] * scale])  # type: ignore[operator]
    assert torch.allclose(larger.of_people(groups[:1], tiny_config), own, atol=1e-5)


def test_step_two_compares_all_annotated_people(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    teacher = Teacher(PersonSearchNetwork(LARGER), LARGER, SETTINGS)
    task = SearchTask(tiny_config, torch.ones(2, dtype=torch.int64), IdentityLossConfig(), teacher=teacher)
    boxes = torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80], [100, 5, 120, 60]])
    target = Target(boxes, torch.tensor([-1, -1, -1]), torch.zeros(3, dtype=torch.bool))
    losses, _ = task(SceneBatch([SceneGroup(torch.rand(1, 3, 96, 160), [target])], ["a"]))
    assert "identity" not in losses  # nobody has a label, and they teach all the same
    assert float(losses["distill"].detach()) > 0
    nobody = Target(boxes[:0], torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
    losses, _ = task(SceneBatch([SceneGroup(torch.rand(1, 3, 96, 160), [nobody])], ["a"]))
    assert "distill" not in losses


def test_both_steps_with_a_teacher(toy_annotations: Path, tmp_path: Path) -> None:
    first = pretrain(pretrain_config(tmp_path / "teacher-1", toy_annotations, schedule={"epochs": 1}))
    second = finetune(finetune_config(tmp_path / "teacher-2", toy_annotations, schedule={"epochs": 1}))
    for step, run, config, teacher in (
        ("pretrain", pretrain, pretrain_config, first),
        ("finetune", finetune, finetune_config, second),
    ):
        recipe = config(
            tmp_path / step,
            toy_annotations,
            schedule={"epochs": 1},
            steps={"ema_decay": 0.5},
            distill={"teacher": str(teacher)},
        )
        weights = run(recipe)  # type: ignore[operator]
        assert all(row["distill"] >= 0 for row in metrics(tmp_path / step))
        file = "backbone.safetensors" if step == "pretrain" else "model.safetensors"
        assert read_tensors(weights / file).keys() == read_tensors(teacher / file).keys()
        assert read_config(weights) == read_config(teacher)
        state = load_checkpoint(tmp_path / step / "last.pt")
        assert not [key for key in (*state["task"], *state["mean"]) if "teacher" in key]
        assert state["config"]["distill"]["teacher"] == str(teacher)


def test_what_is_no_teacher(toy_annotations: Path, tmp_path: Path) -> None:
    assert load_teacher(None, step_of_stl="pretrain") is None
    backbone = pretrain(pretrain_config(tmp_path / "one", toy_annotations, schedule={"epochs": 1}))
    with pytest.raises(WeightsNotFoundError, match=r"model\.safetensors; give a weights folder of finetune"):
        load_teacher(DistillConfig(teacher=str(backbone)), step_of_stl="finetune")
    with pytest.raises(WeightsNotFoundError, match=r"backbone\.safetensors; give a weights folder of pretrain"):
        load_teacher(DistillConfig(teacher="stl-mrfp-small"), step_of_stl="pretrain")
    with pytest.raises(ConfigError, match=r"write \./runs/teacher/weights"):
        load_teacher(DistillConfig(teacher="runs/teacher/weights"), step_of_stl="finetune")

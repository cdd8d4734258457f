import pytest
import torch

from personsearch.models import ModelConfig, SceneGroup, Target
from personsearch.train.config import IdentityLossConfig, OptimizerConfig, ReidLossConfig
from personsearch.train.crops import CropBatch
from personsearch.train.scenes import SceneBatch
from personsearch.train.tasks import ReidTask, SearchTask, float32_logits


def test_step_one_loss_is_equation_one(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = ReidTask(tiny_config, 3, ReidLossConfig())
    batch = batch_of_crops()
    losses, figures = task(batch)
    assert set(losses) == {"identity", "triplet", "center"}
    assert 0 <= float(figures["accuracy"]) <= 1
    plain, _ = ReidTask(tiny_config, 3, ReidLossConfig(center_weight=0.0))(batch)
    assert set(plain) == {"identity", "triplet"}


def test_classifier_starts_small_and_without_bias(tiny_config: ModelConfig) -> None:
    task = ReidTask(tiny_config, 50, ReidLossConfig())
    assert task.classifier.bias is None
    assert 0.0008 < task.classifier.weight.detach().std() < 0.0012


def test_step_two_adds_identity_on_labelled_boxes_only(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = SearchTask(tiny_config, torch.ones(4, dtype=torch.int64))
    boxes = torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80]])

    def losses(identities: list[int]) -> dict[str, torch.Tensor]:
        target = Target(boxes, torch.tensor(identities), torch.tensor([False, False]))
        got: dict[str, torch.Tensor] = task(SceneBatch([SceneGroup(torch.rand(1, 3, 96, 160), [target])], ["a"]))[0]
        return got

    assert "identity" in losses([2, -1])
    assert "identity" not in losses([-1, -1])  # a mean over nobody would be NaN


def test_the_identity_loss_may_weigh_less(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = SearchTask(tiny_config, torch.ones(4, dtype=torch.int64)).eval()
    batch = batch_of_scenes()
    whole = task(batch)[0]["identity"]
    task.loss = IdentityLossConfig(weight=0.25)
    torch.testing.assert_close(task(batch)[0]["identity"], whole / 4)


def test_frozen_neck_bias_is_in_no_optimizer(tiny_config: ModelConfig) -> None:
    task = SearchTask(tiny_config, torch.ones(4, dtype=torch.int64))
    [optimizer] = task.optimizers(OptimizerConfig(name="sgd", lr=0.1, nesterov=True))
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert id(task.network.identification.bnneck.bias) not in held
    assert id(task.classifier.weight) in held


def batch_of_scenes() -> SceneBatch:
    boxes = torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80]])
    target = Target(boxes, torch.tensor([1, 2]), torch.tensor([False, False]))
    return SceneBatch([SceneGroup(torch.rand(1, 3, 96, 160), [target])], ["a"])


def batch_of_crops() -> CropBatch:
    return CropBatch(torch.rand(6, 3, 64, 32), torch.tensor([0, 0, 1, 1, 2, 2]), ["a"] * 6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_are_float32_under_autocast(dtype: torch.dtype, tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    search, reid = SearchTask(tiny_config, torch.ones(4, dtype=torch.int64)), ReidTask(tiny_config, 3, ReidLossConfig())
    with torch.autocast("cpu", dtype):
        steps = [search(batch_of_scenes())[0], reid(batch_of_crops())[0]]
    for losses in steps:
        for name, loss in losses.items():
            assert loss.dtype == torch.float32, name
            assert torch.isfinite(loss)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_are_float32_under_autocast(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    classifier, features = torch.nn.Linear(64, 5, bias=False), 20 * torch.randn(3, 64)
    with torch.autocast("cpu", dtype):
        rounded, exact = classifier(features), float32_logits(classifier, features)
    assert rounded.dtype == dtype
    assert torch.equal(exact, torch.nn.functional.linear(features, classifier.weight))

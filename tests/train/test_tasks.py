import torch

from personsearch.models import ModelConfig, Target
from personsearch.train.config import OptimizerConfig, ReidLossConfig
from personsearch.train.data import CropBatch, SceneBatch
from personsearch.train.tasks import ReidTask, SearchTask, blank


def test_blank_sets_rectangles_to_the_mean() -> None:
    images = torch.ones(2, 3, 4, 6)
    got = blank(images, torch.tensor([[1, 1, 3, 2], [0, 0, 0, 0]]))
    assert got[0].sum() == 3 * (24 - 2)
    assert (got[0, :, 1, 1:3] == 0).all()
    assert torch.equal(got[1], images[1])


def test_step_one_loss_is_equation_one(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = ReidTask(tiny_config, 3, ReidLossConfig())
    batch = CropBatch(torch.rand(6, 3, 64, 32), torch.tensor([0, 0, 1, 1, 2, 2]), torch.zeros(6, 4).long(), ["a"] * 6)
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
        got: dict[str, torch.Tensor] = task(SceneBatch(torch.rand(1, 3, 96, 160), [target], ["a"]))[0]
        return got

    assert "identity" in losses([2, -1])
    assert "identity" not in losses([-1, -1])  # a mean over nobody would be NaN


def test_frozen_neck_bias_is_in_no_optimizer(tiny_config: ModelConfig) -> None:
    task = SearchTask(tiny_config, torch.ones(4, dtype=torch.int64))
    [optimizer] = task.optimizers(OptimizerConfig(name="sgd", lr=0.1, nesterov=True))
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert id(task.network.identification.bnneck.bias) not in held
    assert id(task.classifier.weight) in held

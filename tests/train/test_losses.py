import math

import pytest
import torch

from personsearch.train.losses import CenterLoss, batch_hard_triplet, class_balanced_weights, focal_loss


def test_triplet_by_hand() -> None:
    # On a line: person 0 at 0 and 3, person 1 at 4 and 10.
    features = torch.tensor([[0.0], [3], [4], [10]])
    identities = torch.tensor([0, 0, 1, 1])
    # farthest own / nearest other: 3/4, 3/1, 6/1, 6/7 -> with margin 0.3: 0, 2.3, 5.3, 0
    assert float(batch_hard_triplet(features, identities, 0.3)) == pytest.approx((2.3 + 5.3) / 4)


def test_triplet_gradient_is_finite_for_repeated_samples() -> None:
    features = torch.tensor([[1.0, 2], [1, 2], [5, 5], [5, 5]], requires_grad=True)
    batch_hard_triplet(features, torch.tensor([0, 0, 1, 1]), 9.0).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_triplet_is_computed_in_float32() -> None:
    features = torch.tensor([[0.0], [256], [257], [300]])  # 257 rounds to 256 in bfloat16
    loss = batch_hard_triplet(features.bfloat16(), torch.tensor([0, 0, 1, 1]), 0.0)
    assert loss.dtype == torch.float32


def test_centre_loss_by_hand() -> None:
    loss = CenterLoss(2, 2)
    with torch.no_grad():
        loss.centers.copy_(torch.tensor([[0.0, 0], [1, 1]]))
    features = torch.tensor([[3.0, 4], [1, 2]])
    assert loss(features, torch.tensor([0, 1])).item() == pytest.approx((25 + 1) / 2)


def test_centres_move_as_if_unweighted() -> None:
    # Rate 0.5 on the unweighted gradient 2 (c - f) / N, whatever the weight of the loss.
    from personsearch.models import ModelConfig
    from personsearch.train.config import OptimizerConfig, ReidLossConfig
    from personsearch.train.tasks import ReidTask

    model = ModelConfig.model_validate({"backbone": "resnet18", "reid": {"roi_size": (8, 4)}})
    task = ReidTask(model, 2, ReidLossConfig(center_weight=5e-4))
    assert task.centers is not None
    centres_optimizer = task.optimizers(OptimizerConfig(name="adam", lr=1e-3))[1]
    with torch.no_grad():
        task.centers.centers.zero_()
    features = torch.ones(2, 512)
    (5e-4 * task.centers(features, torch.tensor([0, 0]))).backward()
    centres_optimizer.step()
    assert torch.allclose(task.centers.centers[0], torch.full((512,), 0.5 * 2.0), atol=1e-5)
    assert (task.centers.centers[1] == 0).all()


def test_class_balanced_weights_by_hand() -> None:
    # beta 0.5: effective numbers 1, 1.5 and 1.75 (times 2 cancels); inverse 1, 2/3, 4/7; sum 47/21; times 3.
    weights = class_balanced_weights(torch.tensor([1, 2, 3]), 0.5)
    assert weights.tolist() == pytest.approx([63 / 47, 42 / 47, 36 / 47])
    assert class_balanced_weights(torch.tensor([1, 20, 400]), 0.0).tolist() == [1, 1, 1]
    nearly = class_balanced_weights(torch.tensor([1, 2, 4]), 1 - 1e-12)
    assert nearly.tolist() == pytest.approx([12 / 7, 6 / 7, 3 / 7], rel=1e-4)


def test_focal_loss_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])  # p = 3/4 and 1/2
    expected = ((1 / 4) ** 2 * -math.log(3 / 4) + (1 / 2) ** 2 * -math.log(1 / 2)) / 2
    assert float(focal_loss(logits, torch.tensor([0, 1]), 2.0)) == pytest.approx(expected)
    plain = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1]))
    assert float(focal_loss(logits, torch.tensor([0, 1]), 0.0)) == pytest.approx(float(plain))

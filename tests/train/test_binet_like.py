import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from personsearch.errors import ConfigError
from personsearch.models import ModelConfig, PersonSearchNetwork, SceneGroup, Target
from personsearch.train import load_finetune
from personsearch.train.binet_like import (
    BinetLikeConfig,
    crops_of_people,
    feature_distance,
    patch_features,
    prediction_divergence,
)
from personsearch.train.config import IdentityLossConfig
from personsearch.train.scenes import SceneBatch
from personsearch.train.tasks import SearchTask

COUNTS = torch.ones(4, dtype=torch.int64)
NAMES = {"binet_like_features", "binet_like_predictions", "binet_like_identity"}
BOXES = torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80], [100, 5, 120, 60]])


def batch(*identities: list[int], heights: tuple[int, ...] = (96, 128)) -> SceneBatch:
    """A scene for each list, on canvases of alternating height; the first box that has the label -2 is ignored."""
    groups = []
    for number, labels in enumerate(identities):
        classes = torch.tensor(labels, dtype=torch.int64)
        target = Target(BOXES[: len(labels)], classes, classes == -2)
        groups.append(SceneGroup(torch.rand(1, 3, heights[number % len(heights)], 160), [target]))
    return SceneBatch(groups, ["a"] * len(groups))


def test_losses_by_hand() -> None:
    f, g = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    assert float(feature_distance(3 * f, 7 * g)) == pytest.approx(0.4, abs=1e-6)
    p, q = torch.tensor([[0.75, 0.25]]).log(), torch.zeros(1, 2)
    assert float(prediction_divergence(p, q)) == pytest.approx(math.log(3) / 4, abs=1e-6)
    assert float(prediction_divergence(q, p)) == pytest.approx(0.2746531, abs=1e-6)
    two = prediction_divergence(torch.cat([p, q]), torch.cat([q, q]))  # a mean over people
    assert float(two) == pytest.approx(math.log(3) / 8, abs=1e-6)


def test_both_sides_learn_from_both_losses() -> None:
    torch.manual_seed(0)
    for loss in (feature_distance, prediction_divergence):
        scene, patch = torch.randn(3, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)
        loss(scene, patch).backward()
        for side in (scene, patch):
            assert side.grad is not None
            assert (side.grad.abs().sum(dim=1) > 0).all()


def test_crops_are_the_boxes_of_all_canvases_in_order_without_the_ignored() -> None:
    ramp = torch.arange(160).float().expand(3, 96, 160)[None] / 200
    higher = torch.arange(160).float().expand(3, 128, 160)[None] / 200 + 0.1
    target = Target(BOXES, torch.tensor([1, -1, 2]), torch.tensor([False, False, True]))
    groups = [SceneGroup(ramp, [target]), SceneGroup(higher, [target])]
    crops = crops_of_people(groups, (64, 30))
    assert crops.shape == (4, 3, 64, 30)
    # Column c of a crop 30 wide shows pixel x1 + c of a box 30 wide: its own shade, whatever the row.
    expected = (torch.arange(10, 40) / 200).expand(3, 64, 30)
    torch.testing.assert_close(crops[0], expected)
    torch.testing.assert_close(crops[1], expected + 0.25)
    torch.testing.assert_close(crops[2], expected + 0.1)
    labelled = crops_of_people(groups, (64, 30), labelled=True)
    assert torch.equal(labelled, crops[[0, 2]])


@pytest.mark.parametrize("pooling", ["mrfp", "roialign"])
def test_a_patch_takes_the_way_of_a_whole_scene_that_is_one_person(pooling: str, tiny_config: ModelConfig) -> None:
    """In evaluation mode a crop's features are those that the network gives to the same pixels as a scene."""
    torch.manual_seed(0)
    reid = tiny_config.reid.model_copy(update={"pooling": pooling})
    network = PersonSearchNetwork(tiny_config.model_copy(update={"reid": reid})).eval()
    height, width = tiny_config.crop_size
    scenes = torch.rand(2, 3, height, width)
    box = torch.tensor([[0.0, 0, width, height]])
    targets = [Target(box, torch.tensor([one]), torch.tensor([False])) for one in (1, 2)]
    patches = patch_features(network, [SceneGroup(scenes, targets)])
    # A crop of a crop of the same size is the crop, and a region that is the whole map is the map, up to RoIAlign's
    # 2 x 2 samples a cell, which average neighbours.
    [own, other] = network.embed(scenes, [box, box])
    alike = F.cosine_similarity(F.normalize(patches, dim=1), torch.cat([own, other]))
    assert (alike > 0.9).all()
    crops = crops_of_people([SceneGroup(scenes, targets)], (height, width))
    low, high = network.base((crops - network.mean) / network.std)
    assert tuple(high.shape[2:]) == tiny_config.reid.roi_size
    fused = high + network.pooling.neck(low) if pooling == "mrfp" else high  # type: ignore[operator, union-attr]
    torch.testing.assert_close(patches, network.identification(fused)[1])


@pytest.mark.parametrize("freeze_bn", [False, True])
def test_patches_leave_running_statistics_as_scenes_make_them(freeze_bn: bool, tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    plain = SearchTask(tiny_config, COUNTS, freeze_bn=freeze_bn).train()
    task = SearchTask(tiny_config, COUNTS, freeze_bn=freeze_bn, binet_like=BinetLikeConfig()).train()
    task.load_state_dict(plain.state_dict())
    scenes = batch([0, 1, -1], [2, 3])
    start = {name: value.clone() for name, value in plain.named_buffers()}
    for one in (plain, task):
        torch.manual_seed(1)
        one(scenes)
    theirs = dict(plain.named_buffers())
    for name, value in task.named_buffers():
        assert torch.equal(value, theirs[name]), name
    moved = [name for name, value in task.named_buffers() if not torch.equal(value, start[name])]
    assert bool(moved)
    assert all("bnneck" in name for name in moved) == freeze_bn
    assert all(norm.track_running_stats for norm in task.modules() if isinstance(norm, torch.nn.BatchNorm2d))


def test_frozen_statistics_are_those_of_patches_too(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = SearchTask(tiny_config, COUNTS, freeze_bn=True, binet_like=BinetLikeConfig()).train()
    scenes = batch([0, 1])
    task.network.identification.bnneck.eval()  # the neck learns on, so its batch would make the difference
    before = patch_features(task.network, scenes.groups)
    assert torch.allclose(before, patch_features(task.network.eval(), scenes.groups), atol=1e-6)


def losses_of(task: SearchTask, scenes: SceneBatch) -> dict[str, Tensor]:
    torch.manual_seed(1)
    losses: dict[str, Tensor] = task(scenes)[0]
    return losses


def test_the_losses_of_a_batch_are_those_of_its_parts(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    weights = BinetLikeConfig(features=2.0, predictions=3.0, identity=0.5)
    task = SearchTask(tiny_config, COUNTS, IdentityLossConfig(weight=0.25), binet_like=weights).eval()
    torch.nn.init.normal_(task.classifier.weight, std=0.03)
    scenes = batch([0, -2, -1], [3, 1])
    losses = losses_of(task, scenes)
    f = task.network.train_step(scenes.groups).features
    g = patch_features(task.network, scenes.groups)
    z, own = f[[0, 2, 3]] @ task.classifier.weight.T, g[[0, 2, 3]] @ task.classifier.weight.T
    p, q = z.softmax(1), own.softmax(1)
    expected = {
        "binet_like_features": 2 * (1 - (F.normalize(f) * F.normalize(g)).sum(1)).mean(),
        "binet_like_predictions": 3 * ((p * (p / q).log()).sum(1) + (q * (q / p).log()).sum(1)).mean(),
        "binet_like_identity": 0.5 * 0.25 * F.cross_entropy(own, torch.tensor([0, 3, 1])),
    }
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, msg=name, rtol=1e-4, atol=1e-5)
        assert float(value.detach()) > 0
    assert set(losses) >= {*NAMES, "identity", "rpn_objectness"}


def test_box_jitter_moves_the_scenes_alone(tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    task = SearchTask(tiny_config, COUNTS, box_jitter=0.4, binet_like=BinetLikeConfig()).eval()
    scenes = batch([0, 1])
    seen: list[Tensor] = []
    identification = task.network.identification.forward
    monkeypatch.setattr(task.network.identification, "forward", lambda x: (seen.append(x), identification(x))[1])
    for seed in (1, 2):
        torch.manual_seed(seed)
        task(scenes)
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


def test_who_counts_where(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = SearchTask(tiny_config, COUNTS, binet_like=BinetLikeConfig()).train()
    assert set(losses_of(task, batch([0, 1]))) >= {*NAMES, "identity"}
    unlabelled = losses_of(task, batch([-1, -1]))
    assert "binet_like_features" in unlabelled
    assert not {*NAMES, "identity"} & set(unlabelled) - {"binet_like_features"}
    for scenes in (batch([0]), batch([]), batch([0, -2])):
        assert not {*NAMES, "identity"} & set(losses_of(task, scenes))
    assert set(losses_of(task, SceneBatch([], []))) == {"none"}


def test_gradients_of_each_loss_reach_what_both_branches_share(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = SearchTask(tiny_config, COUNTS, binet_like=BinetLikeConfig()).train()
    torch.nn.init.normal_(task.classifier.weight, std=0.03)
    losses = losses_of(task, batch([0, 1, -1], [2, 3]))
    shared = [*task.network.base.parameters(), *task.network.pooling.parameters()]
    shared += [one for one in task.network.identification.parameters() if one.requires_grad]
    for name in NAMES:
        gradients = torch.autograd.grad(losses[name], shared, retain_graph=True)
        assert all(bool(one.isfinite().all()) and float(one.abs().max()) > 0 for one in gradients), name


def test_with_a_memory_only_scenes_are_remembered(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    loss = IdentityLossConfig(kind="oim", queue=5)
    task = SearchTask(tiny_config, COUNTS, loss, binet_like=BinetLikeConfig()).train()
    losses = losses_of(task, batch([0, 1, -1]))
    assert set(losses) >= {*NAMES, "identity"}
    # Fresh: everybody resembles everybody, so both branches predict the same and the loss is ln(C + Q).
    assert float(losses["binet_like_predictions"].detach()) == 0
    assert float(losses["binet_like_identity"].detach()) == pytest.approx(math.log(9), rel=1e-5)
    [(features, identities)] = task._seen
    assert identities.tolist() == [0, 1, -1]
    assert features.shape == (3, tiny_config.embedding_size)


@pytest.mark.parametrize("kind", ["cross_entropy", "oim"])
def test_losses_are_float32_under_autocast(kind: Any, tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = SearchTask(tiny_config, COUNTS, IdentityLossConfig(kind=kind), binet_like=BinetLikeConfig()).train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(task, batch([0, 1]))
    for name in NAMES:
        assert losses[name].dtype == torch.float32, name
        assert torch.isfinite(losses[name])


def test_boxes_with_nothing_to_see_give_numbers(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    network = PersonSearchNetwork(tiny_config).train()
    boxes = torch.tensor([[10.0, 10, 40, 80], [5, 5, 5, 5], [150, 90, 400, 300], [200, 10, 230, 80], [0, 0, 0.2, 0.2]])
    target = Target(boxes, torch.arange(5), torch.zeros(5, dtype=torch.bool))
    features = patch_features(network, [SceneGroup(torch.rand(1, 3, 96, 160), [target])])
    feature_distance(features, torch.zeros_like(features).requires_grad_()).backward()
    assert features.isfinite().all()
    for name, one in network.base.named_parameters():
        assert one.grad is not None, name
        assert one.grad.isfinite().all(), name


def test_the_recipe_has_the_table_only_where_it_is_written(tmp_path: Path) -> None:
    assert load_finetune("prw-finetune").binet_like is None
    assert load_finetune("prw-finetune", ["binet_like.features=0.5"]).binet_like == BinetLikeConfig(features=0.5)
    with pytest.raises(ConfigError, match=r"unknown key .binet_like\.feature."):
        load_finetune("prw-finetune", ["binet_like.feature=1"])

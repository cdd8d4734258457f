import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from personsearch import PersonSearcher
from personsearch.durable import sha256_of
from personsearch.errors import TrainingError
from personsearch.models import ModelConfig, ReidNetwork, SceneGroup, Target, preset
from personsearch.train import finetune, pretrain, rehearse_finetune
from personsearch.train.binet_like import BinetLikeConfig
from personsearch.train.checkpoint import load_checkpoint, part_of, save_checkpoint
from personsearch.train.config import IdentityLossConfig
from personsearch.train.dkd_like import (
    DkdLikeConfig,
    ReidTeacher,
    load_reid_teacher,
    pair_loss,
    probability_loss,
    triplet_loss,
)
from personsearch.train.estimate import SetSize, estimate_finetune
from personsearch.train.scenes import SceneBatch
from personsearch.train.stepping import Stepper
from personsearch.train.tasks import SearchTask
from personsearch.weights.files import read_config, read_tensors
from tests.fast.fake_cuda import fake_cuda
from tests.fast.test_fake_cuda_training import SEARCH, require_on_device, scaling, scenes, step_two  # noqa: F401
from tests.support import TINY, toy_set
from tests.train.runs import KilledError, finetune_config, kill_after, metrics, mixed_set, pretrain_config
from tests.train.test_distributed import torchrun

NAMES = {"dkd_like_probability", "dkd_like_pairs", "dkd_like_triplets"}
PATCHES = {"binet_like_features", "binet_like_predictions", "binet_like_identity"}
COUNTS = torch.ones(4, dtype=torch.int64)
BOXES = torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80], [100, 5, 120, 60]])
PEOPLE = dict.fromkeys(["0", "1", "2", "3"], "digest")
#: Larger crops than the student's.
LARGER = ModelConfig.model_validate({**TINY, "backbone": "resnet18", "reid": {"roi_size": (12, 6)}})


@pytest.fixture(scope="module")
def first_step(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A toy set of four people on two canvases, and a run of step 1 on it, both to be left as they are."""
    folder = tmp_path_factory.mktemp("first")
    annotations = mixed_set(folder / "toy", num_scenes=4)
    pretrain(pretrain_config(folder / "run", annotations, schedule={"epochs": 1}, steps={"ema_decay": 0.5}))
    return annotations, folder / "run"


def settings(run: Path | str = "./nowhere", **changes: Any) -> DkdLikeConfig:
    return DkdLikeConfig(teacher=str(run), **changes)


def teacher_of(config: ModelConfig, **changes: Any) -> ReidTeacher:
    torch.manual_seed(7)
    network = ReidNetwork(config.backbone, config.feature_size)
    return ReidTeacher(network, torch.randn(4, config.feature_size) / 20, config, settings(**changes))


def batch(*identities: list[int]) -> SceneBatch:
    """A scene for each list, on canvases of two heights; a box that has the label -2 is ignored."""
    groups = []
    for number, labels in enumerate(identities):
        classes = torch.tensor(labels, dtype=torch.int64)
        target = Target(BOXES[: len(labels)], classes, classes == -2)
        groups.append(SceneGroup(torch.rand(1, 3, 96 + 32 * (number % 2), 160), [target]))
    return SceneBatch(groups, ["a"] * len(groups))


def losses_of(task: SearchTask, scenes: SceneBatch) -> dict[str, Tensor]:
    torch.manual_seed(1)
    losses: dict[str, Tensor] = task(scenes)[0]
    return losses


def test_the_divergence_of_predictions_by_hand() -> None:
    teacher, student = torch.tensor([[math.log(9), 0.0]]), torch.zeros(1, 2)
    # At temperature 2 the teacher says 3/4 and 1/4: 4 KL = 4 x 0.1308120.
    assert float(probability_loss(student, teacher, 2.0)) == pytest.approx(0.5232481, abs=1e-6)
    sure = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    assert float(probability_loss(student, teacher, 1.0)) == pytest.approx(sure, abs=1e-6)
    both = probability_loss(torch.cat([student, teacher]), torch.cat([teacher, teacher]), 1.0)
    assert float(both) == pytest.approx(sure / 2, abs=1e-6)


def test_the_difference_of_similarities_by_hand() -> None:
    student, teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert float(pair_loss(student, teacher)) == pytest.approx(0.18, abs=1e-6)
    assert float(pair_loss(5 * student, 3 * teacher)) == pytest.approx(0.18, abs=1e-6)
    assert float(pair_loss(student, torch.eye(5)[:2])) == 0  # features of another length compare, too


def test_the_contrast_by_hand() -> None:
    student, teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    # The first has 0.6 to its own teacher and 0 to another's; the second the other way round.
    expected = [math.log(1 + math.exp(-6)), math.log(1 + math.exp(6))]
    assert expected[0] == pytest.approx(0.0024757, abs=1e-7)
    two = float(triplet_loss(student, teacher, torch.tensor([0, 1]), 0.1))
    assert two == pytest.approx(sum(expected) / 2, rel=1e-5)
    # The same person twice: the other's teacher is no contrast.
    assert float(triplet_loss(student, teacher, torch.tensor([1, 1]), 0.1)) == 0
    # Three, of whom the third is the first again: it changes nothing for the first.
    three = triplet_loss(student[[0, 1, 0]], teacher[[0, 1, 0]], torch.tensor([0, 1, 0]), 0.1)
    second = math.log(1 + 2 * math.exp(6))
    assert float(three) == pytest.approx((2 * expected[0] + second) / 3, rel=1e-5)


def test_a_student_that_is_its_teacher_has_nothing_to_learn() -> None:
    torch.manual_seed(0)
    features, logits = torch.randn(5, 8), torch.randn(5, 4)
    assert float(probability_loss(logits, logits, 3.0)) == pytest.approx(0, abs=1e-6)
    assert float(pair_loss(features, features)) == 0
    for loss in (lambda f, g: probability_loss(f, g, 1.0), pair_loss):
        assert float(loss(features, torch.randn(5, 8))) > 0.001


def test_gradients_reach_the_student_alone() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    people = torch.tensor([0, 1, 1, 2])
    for loss in (
        probability_loss(student, teacher, 1.0),
        pair_loss(student, teacher),
        triplet_loss(student, teacher, people, 0.1),
    ):
        [gradient] = torch.autograd.grad(loss, student)
        assert gradient.isfinite().all()
        assert (gradient.abs().sum(dim=1) > 0).all()
    losses = probability_loss(student, teacher, 1.0) + pair_loss(student, teacher)
    (losses + triplet_loss(student, teacher, people, 0.1)).backward()
    assert teacher.grad is None


def test_the_teacher_sees_labelled_people_at_its_own_size(tiny_config: ModelConfig) -> None:
    teacher = teacher_of(LARGER)
    scenes = batch([0, -2, -1], [3, 1])
    seen: list[Tensor] = []
    teacher.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features, logits = teacher.of_people(scenes.groups)
    assert [tuple(one.shape) for one in seen] == [(3, 3, 96, 48)]
    assert features.shape == (3, 512)
    torch.testing.assert_close(logits, features @ teacher.classifier.T)
    one = Target(BOXES[1:2], torch.tensor([1]), torch.tensor([False]))
    [alone], _ = teacher.of_people([SceneGroup(scenes.groups[1].images, [one])])
    torch.testing.assert_close(alone, features[2], rtol=1e-3, atol=1e-4)


def test_the_losses_of_a_batch_are_those_of_its_labelled_people(tiny_config: ModelConfig) -> None:
    teacher = teacher_of(LARGER, probability=2.0, pairs=30.0, triplets=0.5, temperature=3.0, tau=0.2)
    task = SearchTask(tiny_config, COUNTS, reid_teacher=teacher).eval()
    scenes = batch([0, -2, -1], [3, 1])
    losses = losses_of(task, scenes)
    with torch.no_grad():
        f = task.network.train_step(scenes.groups).features[[0, 2, 3]]
        z = f @ task.classifier.weight.T  # type: ignore[union-attr]
    g, own = teacher.of_people(scenes.groups)
    expected = {
        "dkd_like_probability": 2 * probability_loss(z, own, 3.0),
        "dkd_like_pairs": 30 * pair_loss(f, g),
        "dkd_like_triplets": 0.5 * triplet_loss(f, g, torch.tensor([0, 3, 1]), 0.2),
    }
    for name, value in expected.items():
        torch.testing.assert_close(losses[name].detach(), value, msg=name, rtol=1e-3, atol=1e-5)
        assert float(value) > 0
    learning = [one for one in task.network.identification.parameters() if one.requires_grad]
    for name in NAMES:
        assert all(one.abs().max() > 0 for one in torch.autograd.grad(losses[name], learning, retain_graph=True)), name
    assert all(one.grad is None for one in teacher.network.parameters())


def test_who_counts_where(tiny_config: ModelConfig) -> None:
    task = SearchTask(tiny_config, COUNTS, reid_teacher=teacher_of(tiny_config)).train()
    assert set(losses_of(task, batch([0, -1]))) >= {*NAMES, "identity"}
    assert float(losses_of(task, batch([0, -1]))["dkd_like_triplets"].detach()) == 0
    for nobody in (batch([-1, -1]), batch([0]), batch([]), batch([0, -2])):
        assert not {*NAMES, "identity"} & set(losses_of(task, nobody))
    assert set(losses_of(task, SceneBatch([], []))) == {"none"}
    shorter = teacher_of(tiny_config, triplets=0.0)
    task = SearchTask(tiny_config, COUNTS, reid_teacher=shorter, binet_like=BinetLikeConfig()).train()
    together = set(losses_of(task, batch([0, 1])))
    assert together >= {"dkd_like_pairs", "binet_like_features", "identity"}
    assert "dkd_like_triplets" not in together


def test_losses_are_float32_under_autocast(tiny_config: ModelConfig) -> None:
    task = SearchTask(tiny_config, COUNTS, reid_teacher=teacher_of(tiny_config)).train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(task, batch([0, 1]))
    for name in NAMES:
        assert losses[name].dtype == torch.float32, name
        assert torch.isfinite(losses[name])


def test_the_teacher_is_the_mean_of_the_run_with_its_classifier(
    first_step: tuple[Path, Path], tiny_config: ModelConfig
) -> None:
    _, run = first_step
    teacher = load_reid_teacher(settings(run), tiny_config, PEOPLE)
    assert teacher is not None
    assert not teacher.network.training
    state = load_checkpoint(run / "last.pt")
    stored = read_tensors(run / "weights" / "backbone.safetensors")
    assert all(torch.equal(value, stored[key]) for key, value in teacher.network.state_dict().items())
    assert torch.equal(teacher.classifier, state["mean"]["module.classifier.weight"])
    assert not torch.equal(teacher.classifier, state["task"]["classifier.weight"])
    assert load_reid_teacher(None, tiny_config, PEOPLE) is None


def test_the_best_epoch_teaches_where_a_run_has_one(
    first_step: tuple[Path, Path], tmp_path: Path, tiny_config: ModelConfig
) -> None:
    run = shutil.copytree(first_step[1], tmp_path / "run")
    tensors = {key: value + 1 for key, value in load_checkpoint(run / "last.pt")["task"].items()}
    save_checkpoint(run / "best.pt", {"task": tensors, "epoch": 1, "validation": {}})
    teacher = load_reid_teacher(settings(run), tiny_config, PEOPLE)
    assert teacher is not None
    assert torch.equal(teacher.classifier, tensors["classifier.weight"])
    assert part_of({"task": tensors}, "network").keys() == teacher.network.state_dict().keys()


def test_a_run_gives_the_baselines_weights_and_needs_its_teacher_to_continue_bit_for_bit(
    first_step: tuple[Path, Path], tmp_path: Path, tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations = first_step[0]
    run = shutil.copytree(first_step[1], tmp_path / "teacher")
    before = sha256_of(run / "last.pt")
    recipe: dict[str, Any] = {"steps": {"ema_decay": 0.5, "accumulate": 2}, "batch_size": 4, "schedule": {"epochs": 3}}
    recipe |= {"box_jitter": 0.3, "dkd_like": {"teacher": str(run), "pairs": 2.0}, "binet_like": {"predictions": 0.5}}
    weights = finetune(finetune_config(tmp_path / "whole", annotations, **recipe))
    baseline = SearchTask(tiny_config, COUNTS)
    assert read_config(weights) == tiny_config
    assert read_tensors(weights / "model.safetensors").keys() == baseline.network.state_dict().keys()
    state = load_checkpoint(tmp_path / "whole" / "last.pt")
    assert state["task"].keys() == baseline.state_dict().keys()
    assert state["mean"].keys() == {"n_averaged", *(f"module.{key}" for key in baseline.state_dict())}
    for row in metrics(tmp_path / "whole"):
        parts = (*NAMES, *PATCHES, "identity", "rpn_objectness", "rpn_box", "head_class", "head_box")
        assert row["loss"] == pytest.approx(sum(row[key] for key in parts), rel=1e-4)
    assert sha256_of(run / "last.pt") == before
    config = finetune_config(tmp_path / "parts", annotations, **recipe)
    with monkeypatch.context() as killed:
        kill_after(killed, 2)
        with pytest.raises(KilledError):
            finetune(config)
    run.rename(tmp_path / "gone")
    with pytest.raises(TrainingError, match=r"dkd_like\.teacher .*: no such folder; .* a run that continues needs its"):
        finetune(config)
    (tmp_path / "gone").rename(run)
    assert sha256_of(finetune(config) / "model.safetensors") == sha256_of(weights / "model.safetensors")


def test_what_is_no_teacher(first_step: tuple[Path, Path], tmp_path: Path, tiny_config: ModelConfig) -> None:
    run = first_step[1]

    def refused(folder: Path | str, message: str, **changes: Any) -> None:
        with pytest.raises(TrainingError, match=message):
            load_reid_teacher(settings(folder, **changes), tiny_config, PEOPLE)

    refused(tmp_path / "nowhere", "no such folder; give that of a run of step 1")
    refused(run / "last.pt", "is a file; give the folder of a run of step 1")
    refused(run / "weights", rf"holds weights, and no classifier; give the run's folder: {run}$")
    copied = shutil.copytree(run / "weights", tmp_path / "alone")
    refused(copied, r"holds weights, and no classifier; give the folder of a run of step 1 \(its run\.out\)")
    refused(tmp_path, "holds no run, and no classifier")
    second = tmp_path / "second"
    second.mkdir()
    (second / "recipe.json").write_text(json.dumps({"step": "finetune", "recipe": {}}))
    refused(second, "is a run of step 2; a teacher sees crops, so give a run of step 1")
    bare = shutil.copytree(run, tmp_path / "bare")
    (bare / "last.pt").unlink()
    refused(bare, r"its checkpoint last\.pt is not there, and the classifier is in no other file")
    (bare / "last.pt").write_bytes(b"")
    refused(bare, "damaged checkpoint")


def test_the_teacher_knows_the_students_people(
    first_step: tuple[Path, Path], tmp_path: Path, tiny_config: ModelConfig, caplog: pytest.LogCaptureFixture
) -> None:
    run = first_step[1]

    def refused(people: list[str], message: str) -> None:
        with pytest.raises(TrainingError, match=message):
            load_reid_teacher(settings(run), tiny_config, dict.fromkeys(people, "digest"))

    refused(["0", "1", "2", "3", "9"], r"the teacher does not know 9; run step 1 on the same annotations")
    refused(["0", "1"], "only the teacher knows 2, 3; run step 1")
    refused(["0", "1", "2", "7"], "the teacher does not know 7; only the teacher knows 3; run step 1")
    refused([f"a{number}" for number in range(8)], "does not know a0, a1, a2, a3, a4 and 3 more; only the teacher")
    refused(["0", "2", "1", "3"], "knows the same people in another order; run step 1")
    assert load_reid_teacher(settings(run), tiny_config, None) is not None
    more = toy_set(tmp_path / "more", num_scenes=6, num_identities=6)
    with pytest.raises(TrainingError, match="the teacher does not know 4, 5; run step 1"):
        finetune(finetune_config(tmp_path / "run", more, dkd_like={"teacher": str(run)}))
    assert not (tmp_path / "run").exists()
    assert "annotated otherwise" not in caplog.text
    state = load_checkpoint(run / "last.pt")
    moved = state["data"]["people"] | {"2": "elsewhere"}
    load_reid_teacher(settings(run), tiny_config, moved)
    assert "1 person was annotated otherwise when it was trained; are they the same people?" in caplog.text
    old = shutil.copytree(run, tmp_path / "old")
    save_checkpoint(old / "last.pt", {**state, "left_out": {"a.jpg": "is damaged"}})
    with pytest.raises(TrainingError, match="does not know 9; step 1 left out 1 picture that could not be used; run"):
        load_reid_teacher(settings(old), tiny_config, {**PEOPLE, "9": "digest"})
    del state["data"]
    save_checkpoint(old / "last.pt", state)
    with pytest.raises(TrainingError, match="did not record whom it was trained on; run step 1"):
        load_reid_teacher(settings(old), tiny_config, PEOPLE)
    (old / "weights" / "config.json").unlink()
    assert "has not finished" not in caplog.text
    load_reid_teacher(settings(old), tiny_config, None)
    assert "the run has not finished; its teaching changes if it continues" in caplog.text


def test_features_of_another_length_cannot_be_contrasted(first_step: tuple[Path, Path]) -> None:
    run = first_step[1]
    shorter = ModelConfig.model_validate({**TINY, "reid": {"roi_size": (8, 4), "embedding": 32}})
    with pytest.raises(TrainingError, match=r"512 numbers and the student's 32, .*leave model\.reid\.embedding unset"):
        load_reid_teacher(settings(run), shorter, PEOPLE)
    wider = ModelConfig.model_validate({**TINY, "backbone": "resnet50"})
    with pytest.raises(TrainingError, match=r"and the student's 2048, .*; use a backbone of the same width, or set"):
        load_reid_teacher(settings(run), wider, PEOPLE)
    assert load_reid_teacher(settings(run, triplets=0.0), wider, PEOPLE) is not None


def test_a_memory_has_no_predictions_to_compare(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"dkd_like": {"teacher": "./run"}, "identity_loss": IdentityLossConfig(kind="oim")}
    with pytest.raises(ValueError, match=r"dkd_like compares identity predictions .*; remove one of them"):
        finetune_config(tmp_path / "run", tmp_path / "x", **changes)


def test_a_rehearsal_and_an_estimate_take_both_branches_along(
    first_step: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations, run = first_step
    tables: dict[str, Any] = {"dkd_like": {"teacher": str(run)}, "binet_like": {}}
    config = finetune_config(tmp_path / "run", annotations, **tables)
    taken: list[set[str]] = []
    step = Stepper.step

    def watched(self: Stepper[Any], *arguments: Any) -> dict[str, Tensor]:
        losses = step(self, *arguments)
        taken.append(set(losses))
        return losses

    monkeypatch.setattr(Stepper, "step", watched)
    rehearsal = rehearse_finetune(config)
    assert rehearsal.parameters == rehearse_finetune(finetune_config(tmp_path / "run", annotations)).parameters
    assert taken[0] >= NAMES | PATCHES
    assert not (NAMES | PATCHES) & taken[-1]
    taken.clear()
    # The set that is planned for has more people than the teacher: only the run itself compares them.
    assert estimate_finetune(config, SetSize((3,) * 9, 8, 2, 4, 96, 160)) > 0
    assert all(losses >= NAMES | PATCHES for losses in taken)
    with pytest.raises(TrainingError, match="no such folder; give that of a run of step 1"):
        rehearse_finetune(finetune_config(tmp_path / "run", annotations, dkd_like={"teacher": "./nowhere"}))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_processes_equal_one_that_takes_both_halves(
    first_step: tuple[Path, Path], tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    annotations, run = first_step
    recipe: dict[str, Any] = {
        "init": str(tiny_searcher.save_pretrained(tmp_path / "weights")),
        "freeze_bn": True,
        "schedule": {"epochs": 2},
        "optimizer": {"name": "sgd", "lr": 1e-3},
        "batch_size": 4,
        "dkd_like": {"teacher": str(run)},
        "binet_like": {},
    }
    done = torchrun(finetune_config(tmp_path / "two", annotations, **recipe), "finetune", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    torch.set_num_threads(1)  # as there
    finetune(finetune_config(tmp_path / "one", annotations, **recipe, steps={"accumulate": 2}))
    for one, two in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        for name in (*NAMES, *PATCHES, "loss"):
            assert two[name] == pytest.approx(one[name], rel=1e-3), name


@pytest.mark.usefixtures("scaling")
def test_a_step_with_both_branches_on_a_gpu_that_computes_nothing() -> None:
    model = preset("stl-mrfp-small")
    with fake_cuda():
        network = ReidNetwork(model.backbone, model.feature_size)
        teacher = ReidTeacher(network, torch.rand(4, model.feature_size), model, settings())
        stepper = step_two(
            model,
            reid_teacher=teacher,
            binet_like=BinetLikeConfig(),
            freeze_bn=True,
            run={"precision": "float16"},
            steps={"clip_norm": 1.0, "ema_decay": 0.9},
        )
        losses = stepper.step([scenes(model, upright=1)], 0, 0.1)
        require_on_device(stepper, losses, SEARCH | NAMES | PATCHES)

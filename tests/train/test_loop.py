"""The loop on real tasks and tiny data: exact resume, selection, early stopping, and refusals."""

import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from personsearch import PersonSearcher
from personsearch.durable import sha256_of
from personsearch.errors import ConfigError, TrainingError
from personsearch.train import finetune, pretrain, read_status
from personsearch.train.checkpoint import BEST, LAST, load_checkpoint, save_checkpoint
from personsearch.train.config import FinetuneConfig
from personsearch.train.continuing import Position
from personsearch.train.loop import _evaluating
from personsearch.train.samplers import NeighbourSampler
from personsearch.train.setup import Mining
from personsearch.train.tasks import ReidTask
from tests.support import toy_set
from tests.train.runs import KilledError, finetune_config, kill_after, metrics, mixed_set, pretrain_config


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted; its set is in ``toy`` beside it."""
    folder = tmp_path_factory.mktemp("step two")
    finetune(finetune_config(folder / "whole", toy_set(folder / "toy")))
    return folder / "whole"


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_step_two_resumes_bit_for_bit(stop: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_annotations = whole.parent / "toy" / "train.json"
    with monkeypatch.context() as killed:
        kill_after(killed, stop)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", toy_annotations))
    torch.manual_seed(99)  # whatever happened in between
    parts = finetune(finetune_config(tmp_path / "parts", toy_annotations))
    assert sha256_of(parts / "model.safetensors") == sha256_of(whole / "weights" / "model.safetensors")
    rows = metrics(tmp_path / "parts")
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert [row["loss"] for row in rows] == [row["loss"] for row in metrics(whole)]


def test_batches_of_mixed_canvases_use_every_scene_and_resume_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations = mixed_set(tmp_path / "toy", num_scenes=10)
    changes = {"batch_size": 4, "steps": {"accumulate": 2, "ema_decay": 0.5}}
    whole = finetune(finetune_config(tmp_path / "whole", annotations, **changes))
    assert len(metrics(tmp_path / "whole")) == 2 * 3  # ten scenes: two batches of four and one of two
    with monkeypatch.context() as killed:
        kill_after(killed, 4)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", annotations, **changes))
    parts = finetune(finetune_config(tmp_path / "parts", annotations, **changes))
    assert sha256_of(parts / "model.safetensors") == sha256_of(whole / "model.safetensors")


@pytest.mark.slow
def test_both_steps_train_and_resume_on_several_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [
        {"annotations": str(toy_set(tmp_path / "one", place_every=4)), "holdout_places": ["b"]},
        {"annotations": str(mixed_set(tmp_path / "two")), "weight": 0.5},
    ]
    data = {"annotations": None, "sets": sets}
    for run, config_of in ((pretrain, pretrain_config), (finetune, finetune_config)):
        name = run.__name__
        with monkeypatch.context() as killed:
            kill_after(killed, 3)
            with pytest.raises(KilledError):
                run(config_of(tmp_path / f"{name}-parts", tmp_path, data=data))
        parts = run(config_of(tmp_path / f"{name}-parts", tmp_path, data=data))
        whole = run(config_of(tmp_path / f"{name}-whole", tmp_path, data=data))
        [one], [other] = parts.glob("*.safetensors"), whole.glob("*.safetensors")
        assert sha256_of(one) == sha256_of(other)
        assert len([row for row in metrics(tmp_path / f"{name}-whole") if "validation" in row]) == 2
    steps = [row["step"] for row in metrics(tmp_path / "finetune-whole") if "loss" in row]
    assert steps[-1] == 2 * 5  # six scenes of one and half of the other's eight, two in a batch


def test_a_run_of_an_older_version_may_continue(toy_annotations: Path, tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", toy_annotations, schedule={"epochs": 1})
    finetune(config)
    state = load_checkpoint(tmp_path / "run" / LAST)
    del state["config"]["data"]["sets"], state["config"]["augment"]["zoom_share"]
    save_checkpoint(tmp_path / "run" / LAST, state)
    finetune(config)
    state["config"]["augment"]["wobble"] = 3  # a key that no longer exists
    save_checkpoint(tmp_path / "run" / LAST, state)
    with pytest.raises(TrainingError, match=r"augment\.wobble"):
        finetune(config)


def test_step_one_resumes_bit_for_bit(toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pretrain(pretrain_config(tmp_path / "whole", toy_annotations))
    with monkeypatch.context() as killed:
        kill_after(killed, 3)
        with pytest.raises(KilledError):
            pretrain(pretrain_config(tmp_path / "parts", toy_annotations))
    parts = pretrain(pretrain_config(tmp_path / "parts", toy_annotations))
    assert sha256_of(parts / "backbone.safetensors") == sha256_of(whole / "backbone.safetensors")


def test_batches_of_neighbours_resume_bit_for_bit(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[int, Any]] = []
    batches = NeighbourSampler.batches

    def watched(self: NeighbourSampler, epoch: int, neighbours: Any) -> list[list[int]]:
        used.append((epoch, None if neighbours is None else neighbours.tolist()))
        return batches(self, epoch, neighbours)

    monkeypatch.setattr(NeighbourSampler, "batches", watched)
    whole = pretrain(pretrain_config(tmp_path / "whole", toy_annotations, sampling="neighbours"))
    first, second = used
    assert first == (1, None)
    assert second[0] == 2
    for stop in (5, 7):  # of four steps an epoch, with a checkpoint after every second
        config = pretrain_config(tmp_path / str(stop), toy_annotations, sampling="neighbours")
        with monkeypatch.context() as killed:
            kill_after(killed, stop)
            with pytest.raises(KilledError):
                pretrain(config)
        state = load_checkpoint(tmp_path / str(stop) / LAST)
        assert (state["position"]["epoch"], state["position"]["offset"]) == (2, stop - 5)
        assert state["mined"].tolist() == second[1]
        torch.manual_seed(99)  # whatever happened in between
        used.clear()
        parts = pretrain(config)
        assert used == [second]  # the checkpoint's, not what the network finds in the middle of an epoch
        assert sha256_of(parts / "backbone.safetensors") == sha256_of(whole / "backbone.safetensors")


def test_mining_changes_nothing_but_the_batches(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pretrain(pretrain_config(tmp_path / "plain", toy_annotations))
    module = sys.modules[pretrain.__module__]
    plan_of = module._plan
    epochs = []

    def find(task: ReidTask, epoch: int) -> torch.Tensor:
        epochs.append(epoch)
        assert not task.training
        return task.embed(torch.rand(4, 3, 64, 32))

    monkeypatch.setattr(module, "_plan", lambda *given: (plan_of(*given)[0], Mining(find)))
    mined = pretrain(pretrain_config(tmp_path / "mined", toy_annotations))
    assert epochs == [2]  # of two: nothing follows the second
    assert sha256_of(mined / "backbone.safetensors") == sha256_of(plain / "backbone.safetensors")
    states = [load_checkpoint(tmp_path / name / LAST) for name in ("plain", "mined")]
    assert states[1].keys() - states[0].keys() == {"mined"}
    assert all(torch.equal(states[0]["task"][key], value) for key, value in states[1]["task"].items())


def test_both_steps_one_after_the_other(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=9, place_every=3)
    backbone = pretrain(pretrain_config(tmp_path / "one", annotations))
    config = finetune_config(tmp_path / "two", annotations, init=str(backbone), data={"holdout_places": ("b",)})
    weights = finetune(config)
    searcher = PersonSearcher.from_pretrained(weights, device="cpu")
    assert searcher.spec.embedding_size == 512
    validations = [row["validation"] for row in metrics(tmp_path / "two") if "validation" in row]
    assert len(validations) == 2
    assert set(validations[0]) >= {"selection", "AP", "recall"}
    assert load_checkpoint(tmp_path / "two" / LAST)["position"]["best"] == max(row["selection"] for row in validations)


def test_a_finished_run_is_not_repeated(toy_annotations: Path, tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", toy_annotations)
    weights = finetune(config)
    before = (tmp_path / "run" / LAST).stat().st_mtime_ns
    assert finetune(config) == weights
    assert (tmp_path / "run" / LAST).stat().st_mtime_ns == before


def test_the_folder_of_another_recipe_is_refused(toy_annotations: Path, tmp_path: Path) -> None:
    finetune(finetune_config(tmp_path / "run", toy_annotations))
    with pytest.raises(TrainingError, match="batch_size differ"):
        finetune(finetune_config(tmp_path / "run", toy_annotations, batch_size=4))


def test_a_loss_that_is_not_finite_names_the_batch(toy_annotations: Path, tmp_path: Path) -> None:
    config = finetune_config(
        tmp_path / "run", toy_annotations, optimizer={"name": "sgd", "lr": 1e12}, steps={"clip_norm": None}
    )
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+, on the batch \d{3}\.png, \d{3}\.png"):
        finetune(config)


def test_a_moving_average_of_the_weights_is_kept_and_resumed(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    average = {"steps": {"ema_decay": 0.5}}
    whole = finetune(finetune_config(tmp_path / "whole", toy_annotations, **average))
    with monkeypatch.context() as killed:
        kill_after(killed, 3)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", toy_annotations, **average))
    parts = finetune(finetune_config(tmp_path / "parts", toy_annotations, **average))
    assert sha256_of(parts / "model.safetensors") == sha256_of(whole / "model.safetensors")
    state = load_checkpoint(tmp_path / "whole" / LAST)
    key = "network.identification.layer4.0.conv1.weight"
    exported = load_file(whole / "model.safetensors")[key.removeprefix("network.")]
    assert torch.equal(exported, state["mean"][f"module.{key}"])
    assert not torch.equal(exported, state["task"][key])


def test_a_batch_may_go_through_the_network_in_parts(toy_annotations: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"batch_size=2 .* does not divide into 1 processes x steps\.accumulate=3"):
        finetune(finetune_config(tmp_path / "odd", toy_annotations, steps={"accumulate": 3}))
    with pytest.raises(ConfigError, match="leaves one identity to each of 2 parts"):
        pretrain(pretrain_config(tmp_path / "odd", toy_annotations, steps={"accumulate": 2}))
    assert not (tmp_path / "odd").exists()
    finetune(finetune_config(tmp_path / "run", toy_annotations, steps={"accumulate": 2}, schedule={"epochs": 1}))
    assert len(read_status(tmp_path / "run").losses) == 4


def test_frozen_statistics_stay(toy_annotations: Path, tmp_path: Path, tiny_searcher: PersonSearcher) -> None:
    init = tiny_searcher.save_pretrained(tmp_path / "weights")
    config = finetune_config(tmp_path / "run", toy_annotations, freeze_bn=True, init=str(init), schedule={"epochs": 1})
    before = load_file(init / "model.safetensors")
    after = load_file(finetune(config) / "model.safetensors")
    norms = [key for key in before if key.endswith("running_mean") and "bnneck" not in key]
    assert len(norms) > 20
    assert all(torch.equal(before[key], after[key]) for key in norms)
    assert not torch.equal(before["base.conv1.weight"], after["base.conv1.weight"])


def validate_as(monkeypatch: pytest.MonkeyPatch, *selections: float) -> None:
    """Let the validations of step 2 have these figures, one after the other."""
    values = iter(selections)
    module = sys.modules[finetune.__module__]  # the package's attribute of that name is the function
    monkeypatch.setattr(module, "search_figures", lambda *_, **__: {"AP": next(values), "extra": math.nan})


def validated_config(tmp_path: Path, epochs: int, **steps: Any) -> FinetuneConfig:
    """Return a recipe with one step per epoch, and a scene to validate on."""
    annotations = toy_set(tmp_path / "toy", num_scenes=3, place_every=3)
    held_out = {"holdout_places": ("b",)}
    return finetune_config(tmp_path / "run", annotations, data=held_out, schedule={"epochs": epochs}, steps=steps)


def test_a_run_that_no_longer_improves_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate_as(monkeypatch, 0.1, 0.3, 0.2, 0.3, 0.9)
    config = validated_config(tmp_path, epochs=5, patience=2)
    finetune(config)
    status = read_status(tmp_path / "run")
    assert [epoch for epoch, _ in status.validations] == [1, 2, 3, 4]
    assert status.best is not None
    assert (status.best[0], status.best[1]["AP"]) == (2, 0.3)
    assert status.finished
    assert load_checkpoint(tmp_path / "run" / BEST)["epoch"] == 2
    before = sorted(tmp_path.rglob("*.pt"))
    finetune(config)  # a finished run stays finished
    assert sorted(tmp_path.rglob("*.pt")) == before
    assert len(read_status(tmp_path / "run").validations) == 4


def test_a_validation_that_counted_nothing_is_never_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    validate_as(monkeypatch, math.nan, 0.3, math.nan, math.nan, 0.2)
    with caplog.at_level("WARNING", "personsearch"):
        weights = finetune(validated_config(tmp_path, epochs=5, patience=2))
    status = read_status(tmp_path / "run")
    assert [epoch for epoch, _ in status.validations] == [1, 2, 3, 4, 5]
    assert status.best is not None
    assert status.best[0] == 2
    best = load_checkpoint(tmp_path / "run" / BEST)
    assert best["epoch"] == 2
    exported = load_file(weights / "model.safetensors")
    assert all(torch.equal(tensor, best["task"][f"network.{key}"]) for key, tensor in exported.items())
    assert re.findall(r"epoch (\d) cannot be the best", caplog.text) == ["1", "3", "4"]
    assert "epoch 3 cannot be the best: nothing counted; needed: people in the held-out scenes" in caplog.text
    assert "no validation counted anything" not in caplog.text
    assert [row["validation"]["AP"] for row in metrics(tmp_path / "run") if "validation" in row] == [
        None, 0.3, None, None, 0.2
    ]  # fmt: skip


def test_a_run_resumes_after_validations_that_counted_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate_as(monkeypatch, math.nan, math.nan, 0.1)
    config = validated_config(tmp_path, epochs=3)
    with monkeypatch.context() as killed:
        kill_after(killed, 2)
        with pytest.raises(KilledError):
            finetune(config)
    assert load_checkpoint(tmp_path / "run" / LAST)["position"]["best"] is None
    finetune(config)
    assert load_checkpoint(tmp_path / "run" / BEST)["epoch"] == 3


def test_an_evaluation_draws_for_itself_and_touches_no_gpu_that_the_task_is_not_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)  # torch would copy the state of both, and warn
    task = torch.nn.Linear(2, 2)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with _evaluating(task):
        assert not task.training
        torch.rand(7)
    assert task.training
    assert torch.equal(torch.rand(4), expected)


def test_nan_neither_improves_nor_uses_up_patience(tmp_path: Path) -> None:
    config = finetune_config(tmp_path, tmp_path, steps={"patience": 2})
    at = Position()
    assert [at.improves(value) for value in (math.nan, 0.0, math.nan, 0.0, math.nan, 0.1)] == [
        False, True, False, False, False, True
    ]  # fmt: skip
    assert (at.best, at.since_best) == (0.1, 0)
    assert not at.improves(0.1)
    assert not at.improves(math.nan)
    assert not at.out_of_patience(config)
    assert not at.improves(0.05)
    assert at.out_of_patience(config)


def test_patience_without_validation_is_warned_of(
    toy_annotations: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = finetune_config(tmp_path / "run", toy_annotations, steps={"patience": 1}, schedule={"epochs": 1})
    with caplog.at_level("WARNING", "personsearch"):
        finetune(config)
    assert "steps.patience needs validations: no place is held out" in caplog.text


def test_tensorboard_gets_figures_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    annotations = toy_set(tmp_path / "toy", num_scenes=9, place_every=3)
    finetune(
        finetune_config(
            tmp_path / "run",
            annotations,
            run={"tensorboard": True},
            data={"holdout_places": ("b",)},
            schedule={"epochs": 1},
        )
    )
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"training/loss", "training/lr", "training/identity", "validation/AP"} <= set(tags["scalars"])
    assert any(tag.startswith("detections/") for tag in tags["images"])


@pytest.mark.slow
def test_eight_scenes_can_be_learnt_by_heart(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy")
    config = finetune_config(
        tmp_path / "run", annotations, optimizer={"name": "adam", "lr": 1e-3}, schedule={"epochs": 25}
    )
    finetune(config)
    rows = metrics(tmp_path / "run")
    first, last = (sum(row["loss"] for row in part) for part in (rows[:8], rows[-8:]))
    assert last < first / 3


def test_only_the_epoch_at_hand_is_planned(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from personsearch.train.samplers import ClassAwareSampler

    planned: list[int] = []
    batches = ClassAwareSampler.batches

    def watched(self: ClassAwareSampler, epoch: int) -> list[list[int]]:
        planned.append(epoch)
        return batches(self, epoch)

    monkeypatch.setattr(ClassAwareSampler, "batches", watched)
    with monkeypatch.context() as killed, caplog.at_level("INFO", "personsearch"):
        kill_after(killed, 1)
        with pytest.raises(KilledError):
            pretrain(pretrain_config(tmp_path / "run", toy_annotations, schedule={"epochs": 50}))
    assert planned == [1]
    assert "the progress shown takes all 50 epochs to be as long" in caplog.text

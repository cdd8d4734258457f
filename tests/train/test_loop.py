"""The loop on real tasks and tiny data: exact resume, metrics, and refusals."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from personsearch import PersonSearcher
from personsearch.durable import sha256_of
from personsearch.errors import ConfigError, TrainingError
from personsearch.train import (
    describe_recipes,
    finetune,
    load_finetune,
    load_pretrain,
    pretrain,
    read_status,
    rehearse_finetune,
    rehearse_pretrain,
    resume,
)
from personsearch.train.checkpoint import LAST, load_checkpoint
from personsearch.train.config import FinetuneConfig, PretrainConfig, ReidLossConfig
from personsearch.train.distributed import World
from personsearch.train.schedule import learning_rate_factor
from tests.conftest import TINY, toy_set


class KilledError(Exception):
    """Stands for a crash in the middle of a run."""


def pretrain_config(out: Path, annotations: Path, **run: Any) -> PretrainConfig:
    return PretrainConfig.model_validate(
        {
            "run": {"out": str(out), "num_workers": 0, "log_every": 1, "checkpoint_every": 2, **run},
            "model": TINY,
            "data": {"annotations": str(annotations)},
            "optimizer": {"name": "adam", "lr": 1e-3},
            "schedule": {"epochs": 2},
            "num_identities": 2,
            "num_instances": 2,
        }
    )


def finetune_config(out: Path, annotations: Path, **changes: Any) -> FinetuneConfig:
    return FinetuneConfig.model_validate(
        {
            "run": {"out": str(out), "num_workers": 0, "log_every": 1, "checkpoint_every": 2, **changes.pop("run", {})},
            "model": TINY,
            "data": {"annotations": str(annotations), **changes.pop("data", {})},
            "optimizer": {"name": "sgd", "lr": 0.01},
            "schedule": {"epochs": 2},
            "batch_size": 2,
            "steps": {"clip_norm": 10.0, **changes.pop("steps", {})},
            **changes,
        }
    )


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Break off right after so many optimiser steps, before anything more is written."""
    taken = 0
    for optimizer in (torch.optim.SGD, torch.optim.Adam):
        original: Callable[..., Any] = optimizer.step

        def step(self: Any, *args: Any, _original: Callable[..., Any] = original, **kwargs: Any) -> Any:
            nonlocal taken
            if self.param_groups[0]["lr"] != 1000:  # the centres' optimiser takes the second step of a batch
                taken += 1
                if taken > steps:
                    raise KilledError
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(optimizer, "step", step)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_step_two_resumes_bit_for_bit(
    stop: int, toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finetune(finetune_config(tmp_path / "whole", toy_annotations))
    with monkeypatch.context() as broken:
        stop_after(broken, stop)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", toy_annotations))
    torch.manual_seed(99)  # whatever happened in between
    parts = finetune(finetune_config(tmp_path / "parts", toy_annotations))
    assert sha256_of(parts / "model.safetensors") == sha256_of(whole / "model.safetensors")
    rows = [json.loads(line) for line in (tmp_path / "parts/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 9))
    undisturbed = [json.loads(line) for line in (tmp_path / "whole/metrics.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in rows] == [row["loss"] for row in undisturbed]


def test_step_one_resumes_bit_for_bit(toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pretrain(pretrain_config(tmp_path / "whole", toy_annotations))
    with monkeypatch.context() as broken:
        stop_after(broken, 3)
        with pytest.raises(KilledError):
            pretrain(pretrain_config(tmp_path / "parts", toy_annotations))
    parts = pretrain(pretrain_config(tmp_path / "parts", toy_annotations))
    assert sha256_of(parts / "backbone.safetensors") == sha256_of(whole / "backbone.safetensors")


def test_both_steps_one_after_the_other(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=9, place_every=3)
    backbone = pretrain(pretrain_config(tmp_path / "one", annotations))
    config = finetune_config(tmp_path / "two", annotations, init=str(backbone), data={"holdout_places": ("b",)})
    weights = finetune(config)
    searcher = PersonSearcher.from_pretrained(weights, device="cpu")
    assert searcher.spec.embedding_size == 512
    rows = [json.loads(line) for line in (tmp_path / "two/metrics.jsonl").read_text().splitlines()]
    validations = [row["validation"] for row in rows if "validation" in row]
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


def test_a_damaged_checkpoint_is_named(toy_annotations: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LAST).write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="damaged checkpoint"):
        finetune(finetune_config(tmp_path / "run", toy_annotations))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_learn_and_resume(precision: str, toy_annotations: Path, tmp_path: Path) -> None:
    short = {"run": {"precision": precision}, "schedule": {"epochs": 1}}
    finetune(finetune_config(tmp_path / "run", toy_annotations, **short))
    state = load_checkpoint(tmp_path / "run" / LAST)
    assert bool(state["scaler"]) == (precision == "float16")
    for tensor in state["task"].values():
        assert tensor.dtype in (torch.float32, torch.int64)
        assert torch.isfinite(tensor).all()
    rows = read_status(tmp_path / "run").losses
    exact = finetune_config(tmp_path / "exact", toy_annotations, schedule={"epochs": 1})
    finetune(exact)
    [(_, first), *_] = read_status(tmp_path / "exact").losses
    assert rows[0][1] == pytest.approx(first, rel=0.05)


def test_a_running_mean_of_the_weights_is_kept_and_resumed(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = {"steps": {"ema_decay": 0.5}}
    whole = finetune(finetune_config(tmp_path / "whole", toy_annotations, **mean, data={}))
    with monkeypatch.context() as broken:
        stop_after(broken, 3)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", toy_annotations, **mean))
    parts = finetune(finetune_config(tmp_path / "parts", toy_annotations, **mean))
    assert sha256_of(parts / "model.safetensors") == sha256_of(whole / "model.safetensors")
    state = load_checkpoint(tmp_path / "whole" / LAST)
    key = "network.identification.layer4.0.conv1.weight"
    exported = load_file(whole / "model.safetensors")[key.removeprefix("network.")]
    assert torch.equal(exported, state["mean"][f"module.{key}"])
    assert not torch.equal(exported, state["task"][key])


def test_parts_of_a_batch_add_up_to_it_where_nothing_depends_on_the_others(
    toy_annotations: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"batch_size=2 .* does not divide into 1 processes x steps\.accumulate=3"):
        finetune(finetune_config(tmp_path / "odd", toy_annotations, steps={"accumulate": 3}))
    alone = pretrain_config(tmp_path / "odd", toy_annotations)
    alone = alone.model_copy(update={"steps": alone.steps.model_copy(update={"accumulate": 2})})
    with pytest.raises(ConfigError, match="leaves one identity to each of 2 parts"):
        pretrain(alone)
    finetune(finetune_config(tmp_path / "run", toy_annotations, steps={"accumulate": 2}, schedule={"epochs": 1}))
    assert len(read_status(tmp_path / "run").losses) == 4


def test_frozen_statistics_stay(toy_annotations: Path, tmp_path: Path, tiny_searcher: PersonSearcher) -> None:
    init = tiny_searcher.save_pretrained(tmp_path / "weights")
    with pytest.raises(ValidationError, match="name the weights: init"):
        finetune_config(tmp_path / "run", toy_annotations, freeze_bn=True)
    config = finetune_config(tmp_path / "run", toy_annotations, freeze_bn=True, init=str(init), schedule={"epochs": 1})
    before = load_file(init / "model.safetensors")
    after = load_file(finetune(config) / "model.safetensors")
    norms = [key for key in before if key.endswith("running_mean") and "bnneck" not in key]
    assert len(norms) > 20
    assert all(torch.equal(before[key], after[key]) for key in norms)
    assert not torch.equal(before["base.conv1.weight"], after["base.conv1.weight"])


def test_a_run_that_no_longer_improves_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from personsearch.train import finetune as module

    annotations = toy_set(tmp_path / "toy", num_scenes=9, place_every=3)
    values = iter([0.1, 0.3, 0.2, 0.3, 0.9])
    monkeypatch.setattr(sys.modules[module.__module__], "search_figures", lambda *_, **__: {"AP": next(values)})
    config = finetune_config(
        tmp_path / "run",
        annotations,
        data={"holdout_places": ("b",)},
        schedule={"epochs": 5},
        steps={"patience": 2},
    )
    finetune(config)
    found = read_status(tmp_path / "run")
    assert [epoch for epoch, _ in found.validations] == [1, 2, 3, 4]
    assert found.best == (2, {"AP": 0.3})
    assert found.finished
    assert load_checkpoint(tmp_path / "run" / "best.pt")["epoch"] == 2
    before = sorted(tmp_path.rglob("*.pt"))
    finetune(config)  # a finished run stays finished
    assert sorted(tmp_path.rglob("*.pt")) == before
    assert len(read_status(tmp_path / "run").validations) == 4


@pytest.mark.parametrize("kind", ["class_balanced", "focal"])
def test_the_re_weighting_losses_learn(kind: str, toy_annotations: Path, tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", toy_annotations, identity_loss={"kind": kind}, schedule={"epochs": 1})
    finetune(config)
    assert all(loss < 100 for _, loss in read_status(tmp_path / "run").losses)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ({"triplet": False, "center_weight": 0.0}, {"identity"}),
        ({"center_weight": 0.0}, {"identity", "triplet"}),
        ({}, {"identity", "triplet", "center"}),
    ],
)
def test_the_variants_of_table_6(
    losses: dict[str, Any], expected: set[str], toy_annotations: Path, tmp_path: Path
) -> None:
    config = pretrain_config(tmp_path / "run", toy_annotations).model_copy(
        update={"losses": ReidLossConfig.model_validate(losses)}
    )
    pretrain(config)
    row = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[0])
    assert set(row) & {"identity", "triplet", "center"} == expected


def test_patience_without_validation_is_told(
    toy_annotations: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = finetune_config(tmp_path / "run", toy_annotations, steps={"patience": 1}, schedule={"epochs": 1})
    with caplog.at_level("WARNING", "personsearch"):
        finetune(config)
    assert "steps.patience has nothing to go by" in caplog.text


def test_a_moved_run_is_resumed_by_its_own_recipe(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finetune(finetune_config(tmp_path / "whole", toy_annotations))
    with monkeypatch.context() as broken:
        stop_after(broken, 3)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", toy_annotations))
    (tmp_path / "parts").rename(tmp_path / "moved")
    weights = resume(tmp_path / "moved")
    assert weights == tmp_path / "moved" / "weights"
    assert sha256_of(weights / "model.safetensors") == sha256_of(whole / "model.safetensors")
    with pytest.raises(TrainingError, match="no run here"):
        resume(tmp_path / "nowhere")


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


def test_a_rehearsal_takes_steps_and_writes_nothing(toy_annotations: Path, tmp_path: Path) -> None:
    told = rehearse_finetune(finetune_config(tmp_path / "run", toy_annotations))
    assert (told.epochs, told.steps) == (2, 8)
    assert told.seconds_per_step > 0
    assert told.parameters > 1_000_000
    assert told.memory_mb > 100
    told = rehearse_pretrain(pretrain_config(tmp_path / "run", toy_annotations))
    assert told.steps > 0
    assert not (tmp_path / "run").exists()


def test_every_recipe_of_the_package_loads_and_says_what_it_is_for() -> None:
    told = describe_recipes()
    assert set(told) >= {"prw-pretrain", "prw-finetune", "cuhk-sysu-pretrain", "cuhk-sysu-finetune", "own-finetune"}
    for name, (step, text) in told.items():
        config = load_pretrain(name) if step == "pretrain" else load_finetune(name)
        assert config.schedule.epochs > 1
        assert len(text) > 20


def test_the_papers_recipes_say_what_section_4_3_says() -> None:
    for name, people in (("prw", 16), ("cuhk-sysu", 64)):
        one, two = load_pretrain(f"{name}-pretrain"), load_finetune(f"{name}-finetune")
        assert (one.num_identities, one.num_instances, one.schedule.epochs) == (people, 4, 120)
        assert (one.optimizer.name, one.optimizer.lr, one.optimizer.weight_decay) == ("adam", 3.5e-4, 5e-4)
        rates = [3.5e-4 * learning_rate_factor(one.schedule, done) for done in (0, 10, 39.9, 40, 69.9, 70)]
        assert rates == pytest.approx([3.5e-5, 3.5e-4, 3.5e-4, 3.5e-5, 3.5e-5, 3.5e-6])
        assert one.losses.center_weight == 5e-4
        assert one.model.crop_size == (256, 128)
        assert (two.batch_size, two.schedule.epochs, two.optimizer.name) == (16, 20, "sgd")
        rates = [0.005 * learning_rate_factor(two.schedule, done) for done in (0, 11.99, 12)]
        assert rates == pytest.approx([0.005, 0.005, 0.0005])
        assert two.model.anchors.sizes == (4, 8, 16, 32)
        assert two.model.anchors.ratios == (1, 2, 3)
        assert (two.model.input.min_size, two.model.input.max_size) == (640, 960)
        assert two.steps.clip_norm is None
        assert two.init == f"runs/{name}-pretrain/weights"


def test_the_shipped_recipes_load_and_say_what_the_model_is() -> None:
    assert load_pretrain("small-pretrain").model.name == "stl-mrfp-small"
    changed = load_finetune("small-finetune", ["optimizer.lr=0.002", "model.reid.pooling=roialign"])
    assert changed.optimizer.lr == 0.002
    assert changed.model.reid.pooling == "roialign"


@pytest.mark.slow
def test_eight_scenes_can_be_learnt_by_heart(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy")
    config = finetune_config(
        tmp_path / "run", annotations, optimizer={"name": "adam", "lr": 1e-3}, schedule={"epochs": 25}
    )
    finetune(config)
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    first, last = (sum(row["loss"] for row in part) for part in (rows[:8], rows[-8:]))
    assert last < first / 3


def test_validation_queries_are_people_that_training_never_saw(tmp_path: Path) -> None:
    from personsearch.datasets import load_dataset
    from personsearch.train.finetune import search_figures, validation_queries
    from personsearch.train.tasks import SearchTask

    scenes = load_dataset(toy_set(tmp_path / "toy"), "train").scenes
    queries = validation_queries(scenes, known={0, 1})
    assert {query.identity for query in queries} == {2, 3}
    assert all(len({q.image_id for q in queries if q.identity == i}) == 2 for i in (2, 3))  # of both cameras
    config = finetune_config(tmp_path / "run", tmp_path)
    figures = search_figures(
        SearchTask(config.model, torch.ones(2, dtype=torch.int64)).eval(),
        scenes=scenes,
        queries=queries,
        everyone=World(0, 1, torch.device("cpu")),
    )
    assert figures["selection"] == pytest.approx((figures["AP"] + figures["mAP"]) / 2)

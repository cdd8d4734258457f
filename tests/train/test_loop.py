"""The loop on real tasks and tiny data: exact resume, metrics, and refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from personsearch.errors import TrainingError
from personsearch.train.checkpoint import LAST, load_checkpoint
from personsearch.train.config import FinetuneConfig, PretrainConfig, load_finetune, load_pretrain
from personsearch.train.finetune import finetune
from personsearch.train.pretrain import pretrain
from personsearch.weights.files import sha256_of
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
            "clip_norm": 10.0,
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
    from personsearch import PersonSearcher

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
    assert load_checkpoint(tmp_path / "two" / LAST)["best"] == max(row["selection"] for row in validations)


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
    config = finetune_config(tmp_path / "run", toy_annotations, optimizer={"name": "sgd", "lr": 1e12}, clip_norm=None)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+, on the batch \d{3}\.png, \d{3}\.png"):
        finetune(config)


def test_a_damaged_checkpoint_is_named(toy_annotations: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LAST).write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="damaged checkpoint"):
        finetune(finetune_config(tmp_path / "run", toy_annotations))


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
    from personsearch.datasets import load_coco
    from personsearch.train.finetune import search_figures, validation_queries
    from personsearch.train.tasks import SearchTask

    scenes = load_coco(toy_set(tmp_path / "toy"))
    queries = validation_queries(scenes, known={0, 1})
    assert {query.identity for query in queries} == {2, 3}
    assert all(len({q.image_id for q in queries if q.identity == i}) == 2 for i in (2, 3))  # of both cameras
    config = finetune_config(tmp_path / "run", tmp_path)
    figures = search_figures(SearchTask(config.model, 2).eval(), scenes=scenes, queries=queries)
    assert figures["selection"] == pytest.approx((figures["AP"] + figures["mAP"]) / 2)

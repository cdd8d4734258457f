import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personsearch import PersonSearcher
from personsearch.datasets import Query, Scene
from personsearch.errors import DatasetError
from personsearch.evaluation import evaluate_detection, evaluate_search
from personsearch.evaluation.rules import PRESETS
from personsearch.models import ModelConfig
from personsearch.train import finetune, read_status
from personsearch.train.distributed import World
from personsearch.train.finetune import (
    _held_out,
    _observe_together,
    draw_detections,
    search_figures,
    validation_queries,
)
from personsearch.train.tasks import SearchTask
from tests.support import toy_set
from tests.train.runs import finetune_config, scenes_of

ALONE = World(0, 1, torch.device("cpu"))


@pytest.fixture
def scenes(toy_annotations: Path) -> list[Scene]:
    return scenes_of(toy_annotations)


@pytest.fixture
def task(tiny_config: ModelConfig) -> SearchTask:
    torch.manual_seed(0)
    return SearchTask(tiny_config, torch.ones(2, dtype=torch.int64)).eval()


def test_validation_queries_are_people_that_training_never_saw(scenes: list[Scene]) -> None:
    queries = validation_queries(scenes, known={0, 1})
    assert [query.identity for query in queries] == [2, 2, 3, 3]
    cameras = {scene.image_id: scene.camera for scene in scenes}
    for identity in (2, 3):
        assert {cameras[query.image_id] for query in queries if query.identity == identity} == {"c0", "c1"}
    assert validation_queries(scenes, known={0, 1, 2, 3}) == []
    assert validation_queries(scenes[:1], known=set()) == []  # a person seen once cannot be searched for


def test_figures_are_those_of_detecting_and_embedding_one_after_the_other(
    task: SearchTask, scenes: list[Scene]
) -> None:
    queries = validation_queries(scenes, known={0, 1})
    figures = search_figures(task, scenes=scenes, queries=queries, world=ALONE)
    searcher = PersonSearcher(task.network, device="cpu", dtype="float32")
    detections = {scene.image_id: searcher.detect(scene.path) for scene in scenes}
    paths = {scene.image_id: scene.path for scene in scenes}
    embeddings = np.concatenate([searcher.embed_boxes(paths[query.image_id], query.box[None]) for query in queries])
    detected = evaluate_detection(detections, scenes)
    ranked = evaluate_search(detections, _held_out(scenes, queries), embeddings)
    assert figures["AP"] == detected.ap
    assert figures["recall"] == detected.recall
    assert figures["mAP"] == ranked.mean_average_precision
    assert figures["top1"] == ranked.top[1]
    assert figures["selection"] == (figures["AP"] + figures["mAP"]) / 2
    assert next(iter(figures)) == "selection"


def test_detections_below_the_weights_own_threshold_do_not_count(tiny_config: ModelConfig, scenes: list[Scene]) -> None:
    detector = tiny_config.detector.model_copy(update={"score_threshold": 0.45, "max_people": 50})
    torch.manual_seed(0)
    task = SearchTask(tiny_config.model_copy(update={"detector": detector}), torch.ones(2, dtype=torch.int64)).eval()
    searcher = PersonSearcher(task.network, device="cpu", dtype="float32")
    observed = _observe_together(searcher, _held_out(scenes, []), ALONE)
    for scene in scenes:
        own = searcher.detect(scene.path)
        assert np.array_equal(observed.detections[scene.image_id].scores, own.scores)
        assert np.array_equal(observed.detections[scene.image_id].boxes, own.boxes)
    assert PRESETS["standard"].detection_score_threshold == 0.5  # which is why figures alone would not show it


def test_without_queries_detection_selects(task: SearchTask, scenes: list[Scene]) -> None:
    figures = search_figures(task, scenes=scenes, queries=[], world=ALONE)
    assert list(figures) == ["selection", "AP", "recall"]
    assert figures["selection"] == figures["AP"]


def test_figures_of_scenes_without_people_are_nan(task: SearchTask, scenes: list[Scene]) -> None:
    for scene in scenes:
        scene.ignore[:] = True
    figures = search_figures(task, scenes=scenes, queries=[], world=ALONE)
    assert all(math.isnan(value) for value in figures.values())


@pytest.mark.parametrize("size", [2, 3, 9])
def test_each_process_observes_its_share_and_all_get_the_whole(
    size: int, task: SearchTask, scenes: list[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[Query] = validation_queries(scenes, known={0, 1})
    alone = search_figures(task, scenes=scenes, queries=queries, world=ALONE)
    shares: list[Any] = []
    worlds = [World(rank, size, torch.device("cpu")) for rank in range(size)]

    def stop(_: World, share: Any) -> Any:
        shares.append(share)
        raise StopIteration

    for world in worlds:
        with monkeypatch.context() as gathering:
            gathering.setattr(World, "all_gather", stop)
            with pytest.raises(StopIteration):
                search_figures(task, scenes=scenes, queries=queries, world=world)
    observed = [[] if share is None else list(share.detections) for share in shares]
    assert sorted(name for names in observed for name in names) == [scene.image_id for scene in scenes]
    assert max(map(len, observed)) - min(map(len, observed)) <= 1  # nine processes: one of them has nothing to do
    monkeypatch.setattr(World, "all_gather", lambda *_: shares)
    assert search_figures(task, scenes=scenes, queries=queries, world=worlds[0]) == pytest.approx(alone, abs=1e-6)


def test_detections_are_drawn_by_scene(task: SearchTask, scenes: list[Scene]) -> None:
    pictures = draw_detections(task, scenes=scenes[:2])
    assert list(pictures) == ["detections/000.png", "detections/001.png"]
    for picture in pictures.values():
        assert picture.dtype == np.uint8
        assert picture.shape == (96, 160, 3)


def test_a_set_without_labels_is_refused(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy")
    annotations.write_text(annotations.read_text().replace('"person_id": ', '"person_id": -1, "was": '))
    with pytest.raises(DatasetError, match="nobody has a person_id"):
        finetune(finetune_config(tmp_path / "run", annotations))


@pytest.mark.parametrize("kind", ["class_balanced", "focal"])
def test_the_re_weighting_losses_learn(kind: str, toy_annotations: Path, tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", toy_annotations, identity_loss={"kind": kind}, schedule={"epochs": 1})
    finetune(config)
    assert all(loss < 100 for _, loss in read_status(tmp_path / "run").losses)


def test_a_validation_without_a_proposal_says_that_training_diverged(
    task: SearchTask, scenes: list[Scene], caplog: pytest.LogCaptureFixture
) -> None:
    search_figures(task, scenes=scenes[:2], queries=[], world=ALONE)
    assert "diverged" not in caplog.text
    with torch.no_grad():
        task.network.detector.rpn.head.bbox_pred.weight.fill_(math.nan)
    figures = search_figures(task, scenes=scenes[:2], queries=[], world=ALONE)
    assert (figures["AP"], figures["recall"]) == (0, 0)  # four people, none of them found
    assert "training has probably diverged; stop it, and begin again with a lower optimizer.lr" in caplog.text


def test_one_identity_is_worth_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=2, num_identities=1)
    finetune(finetune_config(tmp_path / "run", annotations, schedule={"epochs": 1}))
    assert "is the same person, so there is nobody to tell apart" in caplog.text

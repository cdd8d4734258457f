import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personsearch.errors import DatasetError
from personsearch.train import pretrain, read_status
from personsearch.train.config import ReidLossConfig
from personsearch.train.crops import Crops, cut_crops
from personsearch.train.distributed import World
from personsearch.train.pretrain import find_neighbours, reid_figures
from personsearch.train.samplers import NeighbourSampler
from personsearch.train.tasks import ReidTask
from tests.support import toy_set
from tests.train.runs import metrics, pretrain_config, scenes_of

ALONE = World(0, 1, torch.device("cpu"))


def held_out_set(folder: Path, **image: Any) -> Path:
    """A set whose place b shows two people twice whom place a never shows; images are changed as asked."""
    path = toy_set(folder, num_scenes=8, num_identities=8)
    data = json.loads(path.read_text())
    for number, row in enumerate(data["images"]):
        row["scene"] = "b" if number >= 4 else "a"
        row.update(image)
    for row in data["annotations"]:
        if row["person_id"] >= 0:
            # Images 1 to 4 show people 0 to 3, two each; images 5 to 8 people 4 and 5 alternately.
            row["person_id"] = row["person_id"] % 4 if row["image_id"] <= 4 else 4 + row["id"] % 2
    path.write_text(json.dumps(data))
    return path


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
    pretrain(pretrain_config(tmp_path / "run", toy_annotations, losses=losses))
    assert set(metrics(tmp_path / "run")[0]) & {"identity", "triplet", "center"} == expected


def test_too_few_identities_are_refused_by_name(toy_annotations: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="4 identities are too few for batches of num_identities=5"):
        pretrain(pretrain_config(tmp_path / "run", toy_annotations, num_identities=5))


def crops_in_colour(cameras: list[str | None]) -> Crops:
    """Two people, two crops each; a person's crops look alike."""
    pixels = np.zeros((4, 64, 32, 3), np.uint8)
    pixels[2:, 32:] = 250
    return Crops(pixels, np.array([0, 0, 1, 1]), cameras, ["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("cameras", "known", "queries"),
    [
        (["c1", "c2", "c1", "c2"], set(), 4),
        (["c1", "c2", "c1", "c2"], {0}, 2),
        (["c1", "c2", "c1", "c1"], set(), 2),  # the second person has one camera only
        ([None, None, None, None], set(), 4),  # unknown cameras are not one camera
        (["c1", None, "c1", "c1"], set(), 2),
    ],
)
def test_figures_are_of_people_from_two_cameras_whom_training_never_saw(
    cameras: list[str | None], known: set[int], queries: int
) -> None:
    torch.manual_seed(0)
    task = ReidTask(pretrain_config(Path(), Path("x")).model, 2, ReidLossConfig()).eval()
    figures = reid_figures(task, crops=crops_in_colour(cameras), known=known, world=ALONE)
    assert figures == {"reid_map": 1.0, "reid_top1": 1.0, "reid_queries": queries}


@pytest.mark.parametrize(("cameras", "known"), [(["c1"] * 4, set()), (["c1", "c2"] * 2, {0, 1})])
def test_figures_of_nobody_are_nan(cameras: list[str | None], known: set[int]) -> None:
    task = ReidTask(pretrain_config(Path(), Path("x")).model, 2, ReidLossConfig()).eval()
    figures = reid_figures(task, crops=crops_in_colour(cameras), known=known, world=ALONE)
    assert math.isnan(figures["reid_map"])
    assert math.isnan(figures["reid_top1"])
    assert figures["reid_queries"] == 0


def test_shares_of_several_processes_make_the_figures_of_one(
    toy_annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[reid_figures.__module__], "VALIDATION_BATCH", 3)
    torch.manual_seed(0)
    config = pretrain_config(Path(), toy_annotations)
    task = ReidTask(config.model, 2, ReidLossConfig()).eval()
    crops = cut_crops(scenes_of(toy_annotations), *config.model.crop_size)
    alone = reid_figures(task, crops=crops, known=set(), world=ALONE)
    shares: list[Any] = []

    def stop(_: World, share: Any) -> Any:
        shares.append(share)
        raise StopIteration

    for rank in (0, 1):
        with monkeypatch.context() as gathering:
            gathering.setattr(World, "join_shares", stop)
            with pytest.raises(StopIteration):
                reid_figures(task, crops=crops, known=set(), world=World(rank, 2, torch.device("cpu")))
    assert [len(share) for share in shares] == [3, 3]
    monkeypatch.setattr(World, "all_gather", lambda *_: shares)
    assert reid_figures(task, crops=crops, known=set(), world=World(0, 2, torch.device("cpu"))) == alone


def test_neighbours_are_those_who_look_alike(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys.modules[find_neighbours.__module__], "VALIDATION_BATCH", 3)
    torch.manual_seed(0)
    task = ReidTask(pretrain_config(Path(), Path("x")).model, 4, ReidLossConfig()).eval()
    pixels = np.zeros((8, 64, 32, 3), np.uint8)  # four people, two crops each: 4 resembles 15, and 8 resembles 16
    pixels[2:4, 32:] = 250
    pixels[4:6] = 3
    pixels[6:8, 32:] = 247
    crops = Crops(pixels, np.repeat([4, 8, 15, 16], 2), [None] * 8, [""] * 8)
    sampler = NeighbourSampler(crops.identities, 2, 2, seed=0)
    with caplog.at_level("INFO", "personsearch"):
        found = find_neighbours(task, 2, crops=crops, sampler=sampler, world=ALONE)
    assert found.tolist() == [[2], [3], [0], [1]]
    assert re.search(r"epoch 2: an identity and its nearest neighbour have a similarity of [01]\.\d+", caplog.text)


def test_a_set_without_camera_names_validates(tmp_path: Path) -> None:
    annotations = held_out_set(tmp_path / "toy", camera=None)
    pretrain(pretrain_config(tmp_path / "run", annotations, data={"holdout_places": ("b",)}))
    validations = read_status(tmp_path / "run").validations
    assert [figures["reid_queries"] for _, figures in validations] == [8, 8]
    assert (tmp_path / "run" / "best.pt").exists()


def test_where_no_validation_counts_the_last_weights_are_the_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    annotations = held_out_set(tmp_path / "toy", camera="the only one")
    config = pretrain_config(
        tmp_path / "run", annotations, data={"holdout_places": ("b",)}, steps={"patience": 1}, schedule={"epochs": 3}
    )
    with caplog.at_level("WARNING", "personsearch"):
        weights = pretrain(config)
    assert caplog.text.count("nothing counted; needed: a person whom training never saw, in two") == 3
    assert "no validation counted anything: the weights are those of the last epoch" in caplog.text
    status = read_status(tmp_path / "run")
    assert [epoch for epoch, _ in status.validations] == [1, 2, 3]  # and patience did not stop it
    assert status.best is None
    assert not (tmp_path / "run" / "best.pt").exists()
    rows = metrics(tmp_path / "run")  # valid JSON
    assert [row["validation"]["reid_map"] for row in rows if "validation" in row] == [None] * 3
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    from safetensors.torch import load_file

    exported = load_file(weights / "backbone.safetensors")
    assert all(torch.equal(tensor, state["task"][f"network.{key}"]) for key, tensor in exported.items())


def test_context_is_for_training_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotations = held_out_set(tmp_path / "toy")
    config = pretrain_config(
        tmp_path / "run",
        annotations,
        data={"holdout_places": ("b",)},
        augment={"context": 0.25, "pad": 0},
        sampling="neighbours",
        schedule={"epochs": 2},
    )
    seen: set[tuple[str, tuple[int, ...]]] = set()
    forward = ReidTask.forward
    embed = ReidTask.embed

    def watched_forward(self: ReidTask, batch: Any) -> Any:
        seen.add(("training", tuple(batch.images.shape[2:])))
        return forward(self, batch)

    def watched_embed(self: ReidTask, images: torch.Tensor) -> torch.Tensor:
        seen.add(("validation and mining", tuple(images.shape[2:])))
        return embed(self, images)

    monkeypatch.setattr(ReidTask, "forward", watched_forward)
    monkeypatch.setattr(ReidTask, "embed", watched_embed)
    pretrain(config)
    assert seen == {("training", (64, 32)), ("validation and mining", (64, 32))}
    assert [figures["reid_queries"] for _, figures in read_status(tmp_path / "run").validations] == [8, 8]

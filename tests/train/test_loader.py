from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset
from torch.utils.data._utils.pin_memory import pin_memory

from personsearch.models import ModelConfig
from personsearch.train.config import SceneAugmentConfig
from personsearch.train.crops import CropBatch
from personsearch.train.data import number_identities
from personsearch.train.distributed import World
from personsearch.train.loader import EpochLoader
from personsearch.train.samplers import Batches
from personsearch.train.scenes import SceneBatch, SceneDataset, collate_scenes
from tests.train.runs import scenes_of

CPU = torch.device("cpu")


def test_workers_and_skipping_change_nothing(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(toy_annotations)
    dataset = SceneDataset(scenes, number_identities(scenes), tiny_config, SceneAugmentConfig(zoom=1.5), seed=1)
    rows = [[0, 1, 2], [3, 4, 5], [6, 7]]

    def batches(workers: int, skip: int = 0) -> list[SceneBatch]:
        loader = EpochLoader(dataset, lambda _: rows, collate_scenes, workers, World(0, 1, CPU), 1)
        return [part for [part] in loader.batches(2, skip)]

    here, there, late = batches(0), batches(2), batches(0, skip=2)
    assert [b.names for b in here] == [b.names for b in there]
    groups = [[group for batch in batches for group in batch.groups] for batches in (here, there)]
    assert all((a.images == b.images).all() for a, b in zip(*groups, strict=True))
    assert len(late) == 1
    [one], [other] = late[0].groups, here[2].groups
    assert (one.images == other.images).all()
    assert (one.targets[0].boxes == other.targets[0].boxes).all()


class Keys(Dataset[tuple[int, int, int]]):
    """Its samples are the keys that it is asked for."""

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[int, int, int]:
        return key


Parts = list[list[tuple[int, int, int]]]


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (2, 1), (1, 4), (2, 2)])
def test_processes_and_parts_cut_a_batch_into_consecutive_rows(size: int, parts: int) -> None:
    batches = [[10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]]
    by_rank: list[list[Parts]] = []
    for rank in range(size):
        loader = EpochLoader(Keys(), lambda _: batches, list, 0, World(rank, size, CPU), parts)
        by_rank.append(list(loader.batches(3)))
    for number, rows in enumerate(batches):
        together = [part for steps in by_rank for part in steps[number]]
        assert len(together) == size * parts
        assert len({len(part) for part in together}) == 1
        keys = [key for part in together for key in part]
        assert [row for _, _, row in keys] == rows
        assert [position for _, position, _ in keys] == list(range(4 * number, 4 * number + len(rows)))
        assert {epoch for epoch, _, _ in keys} == {3}


def test_an_epoch_is_planned_once_and_when_it_is_asked_for() -> None:
    planned: list[int] = []

    def plan(epoch: int) -> Batches:
        planned.append(epoch)
        return [[0]] * epoch

    loader = EpochLoader(Keys(), plan, list, 0, World(0, 1, CPU), 1)
    assert planned == []
    assert loader.steps(2) == 2
    assert len(list(loader.batches(2))) == 2
    assert planned == [2]
    assert loader.steps(3) == 3
    assert planned == [2, 3]


def test_batches_are_pinned_whole_and_copied_without_waiting(
    toy_annotations: Path, tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's loader pins what it knows, and leaves anything else as it is unless that can pin itself."""
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)  # needs a GPU
    scenes = scenes_of(toy_annotations)
    dataset = SceneDataset(scenes, number_identities(scenes), tiny_config, SceneAugmentConfig(), seed=1)
    of_scenes = collate_scenes([dataset[(1, 0, 0)], dataset[(1, 1, 1)]])
    of_crops = CropBatch(torch.rand(2, 3, 4, 2), torch.tensor([0, 1]), ["a", "b"])
    for batch, tensors in ((of_scenes, 1 + 2 * 3), (of_crops, 2)):
        pinned.clear()
        assert pin_memory(batch).names == batch.names
        assert len(pinned) == tensors

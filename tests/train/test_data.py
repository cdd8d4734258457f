from pathlib import Path

import numpy as np
import pytest
import torch

from personsearch.datasets import load_dataset
from personsearch.errors import DatasetError
from personsearch.models import ModelConfig
from personsearch.train.config import CropAugmentConfig, DataConfig, SceneAugmentConfig
from personsearch.train.data import (
    CropDataset,
    EpochLoader,
    SceneBatch,
    SceneDataset,
    collate_crops,
    collate_scenes,
    cut_crops,
    erasing_box,
    jitter_colour,
    number_identities,
    split_scenes,
    zoom_in,
)
from personsearch.train.distributed import World
from tests.conftest import toy_set
from tests.datasets.layouts import blank, small_prw, write_mot


def test_crops_are_of_labelled_people_only(toy_annotations: Path) -> None:
    crops = cut_crops(load_dataset(toy_annotations, "train").scenes, 32, 16)
    assert crops.pixels.shape == (16, 32, 16, 3)
    assert set(crops.identities.tolist()) == {0, 1, 2, 3}
    assert crops.names[0] == "000.png#0"


def test_a_set_without_labels_cannot_be_cut(toy_annotations: Path) -> None:
    scenes = load_dataset(toy_annotations, "train").scenes
    for scene in scenes:
        scene.identities[:] = -1
    with pytest.raises(DatasetError, match="person_id"):
        cut_crops(scenes, 32, 16)


def test_a_sample_depends_on_epoch_and_position_alone(toy_annotations: Path) -> None:
    crops = cut_crops(load_dataset(toy_annotations, "train").scenes, 32, 16)
    dataset = CropDataset(crops, {i: i for i in range(4)}, CropAugmentConfig(jitter=0.2), seed=1)
    assert np.array_equal(dataset[1, 5, 3][0], dataset[1, 5, 3][0])
    assert not np.array_equal(dataset[1, 5, 3][0], dataset[2, 5, 3][0])


def test_workers_and_skipping_change_nothing(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = load_dataset(toy_annotations, "train").scenes
    dataset = SceneDataset(scenes, number_identities(scenes), tiny_config, SceneAugmentConfig(zoom=1.5), seed=1)
    rows = [[0, 1, 2], [3, 4, 5], [6, 7]]

    def batches(workers: int, skip: int = 0) -> list[SceneBatch]:
        alone = World(0, 1, torch.device("cpu"))
        loader = EpochLoader(dataset, lambda _: rows, collate_scenes, workers, alone, 1)
        return [part for [part] in loader.batches(2, skip)]

    here, there, late = batches(0), batches(2), batches(0, skip=2)
    assert [b.names for b in here] == [b.names for b in there]
    assert all((a.images == b.images).all() for a, b in zip(here, there, strict=True))
    assert len(late) == 1
    assert (late[0].images == here[2].images).all()
    assert (late[0].targets[0].boxes == here[2].targets[0].boxes).all()


def test_flipping_mirrors_boxes(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = load_dataset(toy_annotations, "train").scenes
    never = SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(flip=0), seed=1)[1, 0, 0]
    always = SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(flip=1), seed=1)[1, 0, 0]
    assert np.array_equal(always[0].numpy()[:, :, ::-1], never[0].numpy())
    assert np.allclose(always[1].boxes[:, 0].numpy(), 160 - never[1].boxes[:, 2].numpy())


def test_labels_outside_the_classes_count_as_unlabelled(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = load_dataset(toy_annotations, "train").scenes
    target = SceneDataset(scenes, {1: 0}, tiny_config, SceneAugmentConfig(), seed=1)[1, 0, 0][1]
    assert target.identities.tolist() == [-1, 0, -1]


def test_a_picture_of_another_size_is_named(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    from PIL import Image

    Image.new("RGB", (80, 48)).save(toy_annotations.parent / "000.png")
    scenes = load_dataset(toy_annotations, "train").scenes
    with pytest.raises(DatasetError, match=r"000\.png: is 80x48, annotated as 160x96"):
        SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(), seed=1)[1, 0, 0]


def test_zooming_keeps_people_where_they_are() -> None:
    image = np.zeros((96, 160, 3), np.uint8)
    image[40:60, 70:90] = 255
    boxes = np.array([[70, 40, 90, 60]], np.float32)
    for seed in range(20):
        picture, moved, lost = zoom_in(image, boxes, 2.0, np.random.default_rng(seed))
        assert picture.shape == image.shape
        x1, y1, x2, y2 = moved[0].round().astype(int)
        if x2 - x1 > 4 and y2 - y1 > 4 and not lost[0]:
            assert picture[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
            outside = picture.astype(int).sum() - picture[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1].sum()
            assert outside < 3000


def test_what_zooming_cuts_off_is_ignored() -> None:
    boxes = np.array([[0, 0, 20, 96]], np.float32)
    lost = [zoom_in(np.zeros((96, 160, 3), np.uint8), boxes, 3.0, np.random.default_rng(s))[2][0] for s in range(30)]
    assert any(lost)


def test_erasing_boxes_are_inside_and_of_the_right_area() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, top, right, bottom = erasing_box(128, 64, rng)
        assert 0 <= left < right <= 64
        assert 0 <= top < bottom <= 128
        assert 0.015 < (right - left) * (bottom - top) / (128 * 64) < 0.42


def test_no_jitter_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert jitter_colour(image, 0.0, np.random.default_rng(0)) is image


def test_crop_batches(toy_annotations: Path) -> None:
    crops = cut_crops(load_dataset(toy_annotations, "train").scenes, 32, 16)
    dataset = CropDataset(crops, {i: i for i in range(4)}, CropAugmentConfig(), seed=1)
    batch = collate_crops([dataset[1, i, i] for i in range(6)])
    assert batch.images.shape == (6, 3, 32, 16)
    assert 0 <= float(batch.images.min()) <= float(batch.images.max()) <= 1
    assert batch.erase.shape == (6, 4)


def test_any_format_can_be_trained_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blank(tmp_path / "Market" / "bounding_box_train" / "0002_c1s1_000451_03.jpg", 64, 128)
    walk = write_mot(tmp_path / "walk", ["1,5,-10,20,30,40,1,1,1", "2,5,12,20,-30,40,1,1,1"])
    for folder in (tmp_path / "Market", walk, small_prw(tmp_path / "PRW")):
        data = DataConfig(annotations=str(folder), images=None, format=None, holdout_places=(), skip_bad=True)
        with caplog.at_level("INFO"):
            training, held_out = split_scenes(data)
        assert len(cut_crops(training, 32, 16)) == sum(int((scene.identities >= 0).sum()) for scene in training) > 0
        assert held_out == []
    assert "mot/walk: 1 of 2 boxes: clipped to the image" in caplog.text
    assert "passed over" in caplog.text
    with pytest.raises(DatasetError, match=r"gt\.txt: line 2: bbox .* has no area"):
        split_scenes(data.model_copy(update={"annotations": str(walk), "skip_bad": None}))


def test_places_can_be_held_out(tmp_path: Path) -> None:
    data = DataConfig(annotations=str(toy_set(tmp_path / "toy", place_every=4)), holdout_places=("b",))
    assert [len(scenes) for scenes in split_scenes(data)] == [6, 2]
    with pytest.raises(DatasetError, match=r"no place 'c' to hold out; places are: a, b"):
        split_scenes(data.model_copy(update={"holdout_places": ("c",)}))
    with pytest.raises(DatasetError, match="holding out a, b leaves nothing"):
        split_scenes(data.model_copy(update={"holdout_places": ("a", "b")}))

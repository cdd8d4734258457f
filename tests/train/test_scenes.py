from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.errors import DatasetError
from personsearch.models import ModelConfig
from personsearch.train.config import SceneAugmentConfig
from personsearch.train.scenes import SceneDataset, collate_scenes, zoom_in
from tests.train.runs import mixed_set, scenes_of


def test_flipping_mirrors_boxes(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(toy_annotations)
    never = SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(flip=0), seed=1)[1, 0, 0]
    always = SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(flip=1), seed=1)[1, 0, 0]
    assert np.array_equal(always[0].numpy()[:, :, ::-1], never[0].numpy())
    assert np.allclose(always[1].boxes[:, 0].numpy(), 160 - never[1].boxes[:, 2].numpy())


def test_labels_outside_the_classes_count_as_unlabelled(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(toy_annotations)
    target = SceneDataset(scenes, {1: 0}, tiny_config, SceneAugmentConfig(), seed=1)[1, 0, 0][1]
    assert target.identities.tolist() == [-1, 0, -1]


def test_a_picture_of_another_size_is_named(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    Image.new("RGB", (80, 48)).save(toy_annotations.parent / "000.png")
    scenes = scenes_of(toy_annotations)
    with pytest.raises(DatasetError, match=r"000\.png: the picture is 80x48, the annotations say 160x96"):
        SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(), seed=1)[1, 0, 0]


def test_batches_are_scaled_to_one(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    dataset = SceneDataset(scenes_of(toy_annotations), {}, tiny_config, SceneAugmentConfig(), seed=1)
    samples = [dataset[1, row, row] for row in range(3)]
    batch = collate_scenes(samples)
    [group] = batch.groups
    assert group.images.shape == (3, 3, 96, 160)
    assert np.array_equal(group.images[1].numpy() * 255, samples[1][0].numpy())
    assert batch.names == ["000.png", "001.png", "002.png"]


def test_a_batch_is_grouped_by_canvas(tmp_path: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(mixed_set(tmp_path / "toy"))
    dataset = SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(), seed=1)
    samples = [dataset[1, row, row] for row in range(4)]
    batch = collate_scenes(samples)
    assert [tuple(group.images.shape) for group in batch.groups] == [(2, 3, 96, 160), (2, 3, 96, 128)]
    assert batch.names == ["000.png", "002.png", "001.png", "003.png"]
    targets = [target for group in batch.groups for target in group.targets]
    for target, row in zip(targets, (0, 2, 1, 3), strict=True):
        assert np.array_equal(target.boxes.numpy(), samples[row][1].boxes.numpy())


def test_zooming_keeps_people_where_they_are() -> None:
    image = np.zeros((96, 160, 3), np.uint8)
    image[40:60, 70:90] = 255
    boxes = np.array([[70, 40, 90, 60]], np.float32)
    seen = 0
    for seed in range(20):
        picture, moved, mostly_cut_off = zoom_in(image, boxes, 2.0, np.random.default_rng(seed))
        assert picture.shape == image.shape
        x1, y1, x2, y2 = moved[0].round().astype(int)
        if x2 - x1 > 4 and y2 - y1 > 4 and not mostly_cut_off[0]:
            seen += 1
            assert picture[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
            outside = picture.astype(int).sum() - picture[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1].sum()
            assert outside < 3000
    assert seen > 10


def test_who_is_mostly_cut_off_by_zooming_is_ignored() -> None:
    boxes = np.array([[0, 0, 20, 96]], np.float32)
    image = np.zeros((96, 160, 3), np.uint8)
    ignored = [bool(zoom_in(image, boxes, 3.0, np.random.default_rng(seed))[2][0]) for seed in range(30)]
    assert set(ignored) == {True, False}

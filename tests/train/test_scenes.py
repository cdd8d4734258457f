from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.errors import DatasetError
from personsearch.models import ModelConfig
from personsearch.pictures.decode import load_image
from personsearch.train.augment import jitter_colour, zoom_in
from personsearch.train.config import SceneAugmentConfig
from personsearch.train.scenes import SceneDataset, collate_scenes
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
        SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(), seed=1).sample(1, 0, 0)


def test_a_batch_says_which_pictures_it_lacks(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(toy_annotations)
    whole = (toy_annotations.parent / "001.png").read_bytes()
    (toy_annotations.parent / "001.png").write_bytes(whole[: len(whole) // 2])
    (toy_annotations.parent / "002.png").unlink()
    dataset = SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(), seed=1)
    batch = collate_scenes([dataset[1, row, row] for row in range(3)])
    assert batch.names == ["000.png"]
    assert [one.image_id for one in batch.left_out] == ["001.png", "002.png"]
    assert batch.left_out[1].why == f"{toy_annotations.parent / '002.png'}: no such file"
    assert collate_scenes([dataset[1, 1, 1]]).groups == []


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


def test_who_is_cut_off_too_much_is_ignored(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(toy_annotations)

    def ignored(**changes: float) -> int:
        augment = SceneAugmentConfig(**changes)
        dataset = SceneDataset(scenes, {}, tiny_config, augment, seed=1)
        return sum(int(dataset[1, position, position % 8][1].ignore.sum()) for position in range(24))

    zoomed = {"zoom": 3.0, "zoom_share": 1.0}
    counts = [ignored(**zoomed, min_visible=share) for share in (0.0, 0.35, 0.9)]
    assert counts[0] == 0
    assert 0 < counts[1] < counts[2]
    assert ignored(**zoomed) == counts[1]
    assert ignored(crop=2.0, crop_share=1.0) > 0
    assert ignored(zoom_out=3.0, zoom_out_share=1.0) == 0


def test_changes_of_appearance_leave_padding_and_labels_alone(tmp_path: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(mixed_set(tmp_path / "toy"))
    changed = SceneAugmentConfig(flip=0, colour=1.0, pasta=1.0, downscale=1.0, blur=1.0, noise=1.0, jpeg=1.0)
    for row in (0, 1):
        before = SceneDataset(scenes, {}, tiny_config, SceneAugmentConfig(flip=0), seed=1)[1, row, row]
        dataset = SceneDataset(scenes, {}, tiny_config, changed, seed=1)
        after = dataset[1, row, row]
        assert np.array_equal(after[0], dataset[1, row, row][0])
        assert np.array_equal(before[1].boxes, after[1].boxes)
        assert not np.array_equal(before[0][:, :, :120], after[0][:, :, :120])
    assert np.array_equal(before[0][:, :, 120:], after[0][:, :, 120:])  # the higher scene is 120 wide on its canvas


def test_defaults_draw_nothing_new(toy_annotations: Path, tiny_config: ModelConfig) -> None:
    scenes = scenes_of(toy_annotations)
    augment = SceneAugmentConfig(zoom=2.0, jitter=0.2)
    pixels, target, _ = SceneDataset(scenes, {}, tiny_config, augment, seed=3)[2, 5, 1]
    rng = np.random.default_rng([3, 2, 5])
    image, boxes = load_image(scenes[1].path), scenes[1].boxes
    if rng.random() < 0.5:
        image, boxes, _ = zoom_in(image, boxes, 2.0, rng)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    image = np.ascontiguousarray(jitter_colour(image, 0.2, rng))
    assert np.array_equal(pixels.permute(1, 2, 0), image)  # 160x96 is the canvas itself
    assert len(target.boxes) <= len(boxes)

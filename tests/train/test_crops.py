from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from personsearch.errors import DatasetError
from personsearch.train.config import CropAugmentConfig
from personsearch.train.crops import CropDataset, _cut_with_margin, collate_crops, cut_crops
from tests.train.runs import scenes_of

MEAN = (0.25, 0.5, 0.75)
PLAIN = CropAugmentConfig(flip=0, pad=0, erasing=0)


@pytest.fixture
def dataset(toy_annotations: Path) -> CropDataset:
    return crops_of(toy_annotations, CropAugmentConfig(jitter=0.2))


def crops_of(annotations: Path, augment: CropAugmentConfig) -> CropDataset:
    crops = cut_crops(scenes_of(annotations), 32, 16, context=augment.context)
    return CropDataset(crops, {i: i for i in range(4)}, augment, MEAN, seed=1)


def test_crops_are_of_labelled_people_only(toy_annotations: Path) -> None:
    crops = cut_crops(scenes_of(toy_annotations), 32, 16)
    assert crops.pixels.shape == (16, 32, 16, 3)
    assert set(crops.identities.tolist()) == {0, 1, 2, 3}
    assert crops.names[0] == "000.png#0"


def test_a_set_without_labels_cannot_be_cut(toy_annotations: Path) -> None:
    scenes = scenes_of(toy_annotations)
    for scene in scenes:
        scene.identities[:] = -1
    with pytest.raises(DatasetError, match="person_id"):
        cut_crops(scenes, 32, 16)


def test_a_sample_depends_on_epoch_and_position_alone(dataset: CropDataset) -> None:
    assert np.array_equal(dataset[1, 5, 3][0], dataset[1, 5, 3][0])
    assert not np.array_equal(dataset[1, 5, 3][0], dataset[2, 5, 3][0])
    assert not np.array_equal(dataset[1, 5, 3][0], dataset[1, 6, 3][0])


def test_without_augmentation_a_sample_is_the_crop(toy_annotations: Path) -> None:
    dataset = crops_of(toy_annotations, PLAIN)
    image, class_, name = dataset[1, 0, 2]
    assert image.dtype == np.float32
    assert np.array_equal(image * 255, dataset.crops.pixels[2])
    assert class_ == dataset.crops.identities[2]
    assert name == dataset.crops.names[2]


def test_every_change_of_a_crop_follows_from_its_place(toy_annotations: Path) -> None:
    augment = PLAIN.model_copy(update={"colour": 1.0, "hue": 0.1, "pasta": 1.0, "blur": 1.0, "noise": 1.0, "jpeg": 1.0})
    plain, dataset = crops_of(toy_annotations, PLAIN), crops_of(toy_annotations, augment)
    assert np.array_equal(dataset[1, 5, 3][0], dataset[1, 5, 3][0])
    assert not np.array_equal(dataset[1, 5, 3][0], dataset[1, 6, 3][0])
    assert not np.array_equal(dataset[1, 5, 3][0], plain[1, 5, 3][0])


def test_erasing_gives_a_rectangle_the_mean_colour_and_leaves_the_rest(toy_annotations: Path) -> None:
    plain = crops_of(toy_annotations, PLAIN)
    erased = crops_of(toy_annotations, PLAIN.model_copy(update={"erasing": 1.0}))
    for position in range(20):
        before, after = plain[1, position, 3][0], erased[1, position, 3][0]
        changed = (before != after).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert (after[changed] == np.array(MEAN, np.float32)).all()


def test_the_network_sees_zeros_where_a_crop_is_erased(toy_annotations: Path) -> None:
    # A mean that float32 cannot hold exactly.
    mean = (0.485, 0.456, 0.406)
    augment = PLAIN.model_copy(update={"erasing": 1.0})
    crops = cut_crops(scenes_of(toy_annotations), 32, 16)
    batch = collate_crops([CropDataset(crops, {i: i for i in range(4)}, augment, mean, seed=1)[1, 0, 0]])
    normalised = (batch.images - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(0.229)
    assert int((normalised == 0).all(dim=1).sum()) >= 0.015 * 32 * 16


def test_batches_are_channels_first_and_contiguous(dataset: CropDataset) -> None:
    samples = [dataset[1, i, i] for i in range(6)]
    batch = collate_crops(samples)
    assert batch.images.shape == (6, 3, 32, 16)
    assert batch.images.is_contiguous()
    assert 0 <= float(batch.images.min()) <= float(batch.images.max()) <= 1
    assert np.array_equal(batch.images[2, 1].numpy(), samples[2][0][..., 1])
    assert batch.identities.tolist() == [sample[1] for sample in samples]
    assert batch.names == [sample[2] for sample in samples]


def test_a_set_of_crops_with_context_shows_the_same_boxes_and_what_is_around_them() -> None:
    # Shades that rise to the right and downward, so that a pixel says where it is from.
    across, down = np.meshgrid(np.arange(160), np.arange(96))
    picture = np.stack([across, 2 * down, np.full_like(across, 7)], axis=2).astype(np.uint8)
    box, margin = [40.0, 24.0, 72.0, 64.0], (10, 8)
    plain = _cut_with_margin(Image.fromarray(picture), box, 40, 32, (0, 0))
    assert np.array_equal(plain, picture[24:64, 40:72])
    wide = _cut_with_margin(Image.fromarray(picture), box, 40, 32, margin)
    assert np.array_equal(wide, picture[14:74, 32:80])
    # Reduced by two: the same scale around the box as in it, and fractions of pixels where margins have some.
    half = _cut_with_margin(Image.fromarray(picture), box, 20, 16, (5, 3))
    assert half.shape == (30, 22, 3)
    inner = _cut_with_margin(Image.fromarray(picture), box, 20, 16, (0, 0))
    assert np.abs(half[5:25, 3:19].astype(int) - inner).max() <= 1


def test_beyond_the_picture_its_edge_goes_on() -> None:
    across, down = np.meshgrid(np.arange(64), np.arange(48))
    picture = np.stack([across, down, across], axis=2).astype(np.uint8)
    # In a corner, and larger than the picture altogether.
    wide = _cut_with_margin(Image.fromarray(picture), [0.0, 28.0, 20.0, 48.0], 20, 20, (10, 15))
    assert np.array_equal(wide[0, :, 0], [0] * 15 + [*range(35)])
    assert np.array_equal(wide[:, 0, 1], [*range(18, 48)] + [47] * 10)
    whole = _cut_with_margin(Image.fromarray(picture), [0.0, 0.0, 64.0, 48.0], 48, 64, (48, 64))
    assert np.array_equal(whole, np.pad(picture, ((48, 48), (64, 64), (0, 0)), mode="edge"))


def test_context_zero_is_what_crops_were(toy_annotations: Path) -> None:
    scenes = scenes_of(toy_annotations)
    crops, row = cut_crops(scenes, 32, 16, context=0.0), 0
    assert crops.margin == (0, 0)
    for scene in scenes:
        image = Image.open(scene.path).convert("RGB")
        for box in scene.boxes[scene.identities >= 0].tolist():
            own = image.resize((16, 32), Image.Resampling.BILINEAR, box=tuple(box))
            assert np.array_equal(crops.pixels[row], np.asarray(own))
            row += 1
    assert np.array_equal(crops.boxes(np.array([3, 1])), crops.pixels[[3, 1]])
    # The margin is drawn for only where there is one: everything after it is as ever.
    before = crops_of(toy_annotations, CropAugmentConfig(jitter=0.2))
    again = crops_of(toy_annotations, CropAugmentConfig(jitter=0.2, context=0.0))
    assert all(np.array_equal(before[1, place, 3][0], again[1, place, 3][0]) for place in range(10))


def test_training_shows_a_window_as_large_as_the_box_anywhere_in_the_context(toy_annotations: Path) -> None:
    augment = PLAIN.model_copy(update={"context": 0.25})
    dataset = crops_of(toy_annotations, augment)
    assert dataset.crops.margin == (8, 4)
    assert dataset.crops.pixels.shape == (16, 48, 24, 3)
    wide = dataset.crops.pixels[5].astype(np.float32) / 255
    seen = set()
    for place in range(400):
        image = dataset[1, place, 5][0]
        assert image.shape == (32, 16, 3)
        places = np.argwhere((wide[:17, :9] == image[0, 0]).all(axis=2)).tolist()
        found = [(y, x) for y, x in places if np.array_equal(wide[y : y + 32, x : x + 16], image)]
        assert len(found) == 1
        seen.update(found)
    assert {top for top, _ in seen} == set(range(17))
    assert {left for _, left in seen} == set(range(9))
    assert np.array_equal(dataset[1, 7, 5][0], dataset[1, 7, 5][0])
    # What validation and mining embed is the box.
    centre = dataset.crops.boxes(np.array([5, 2]))
    assert np.array_equal(centre[0], dataset.crops.pixels[5, 8:40, 4:20])
    exact = cut_crops(scenes_of(toy_annotations), 32, 16)
    assert np.abs(centre[0].astype(int) - exact.pixels[5]).max() <= 40  # the picture is noise, and resizing mixes it
    assert np.abs(centre.astype(int) - exact.pixels[[5, 2]]).mean() < 3


def test_the_window_is_taken_before_the_border_and_flips_too(toy_annotations: Path) -> None:
    augment = PLAIN.model_copy(update={"context": 0.25, "flip": 1.0, "pad": 3})
    dataset = crops_of(toy_annotations, augment)
    image = dataset[1, 0, 0][0]
    assert image.shape == (32, 16, 3)
    batch = collate_crops([dataset[1, place, place] for place in range(4)])
    assert batch.images.shape == (4, 3, 32, 16)

from pathlib import Path

import numpy as np
import pytest
import torch

from personsearch.errors import DatasetError
from personsearch.train.config import CropAugmentConfig
from personsearch.train.crops import CropDataset, collate_crops, cut_crops
from tests.train.runs import scenes_of

MEAN = (0.25, 0.5, 0.75)
PLAIN = CropAugmentConfig(flip=0, pad=0, erasing=0)


@pytest.fixture
def dataset(toy_annotations: Path) -> CropDataset:
    return crops_of(toy_annotations, CropAugmentConfig(jitter=0.2))


def crops_of(annotations: Path, augment: CropAugmentConfig) -> CropDataset:
    return CropDataset(cut_crops(scenes_of(annotations), 32, 16), {i: i for i in range(4)}, augment, MEAN, seed=1)


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

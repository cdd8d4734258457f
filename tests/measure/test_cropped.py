import doctest
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from personsearch import PersonSearcher
from personsearch.datasets import Dataset
from personsearch.demo import demo_folder
from personsearch.errors import ImageError, WeightsMismatchError, WeightsNotFoundError
from personsearch.measure import cropped
from personsearch.measure.cropped import CropEmbedder, reid_config
from personsearch.models import ModelConfig, ReidNetwork
from personsearch.pictures.cutting import cut_person
from personsearch.pictures.decode import load_image
from personsearch.train.crops import cut_crops
from personsearch.weights.files import BACKBONE_FILE, fill, read_tensors


@pytest.fixture(scope="module")
def embedder(reid: Path) -> CropEmbedder:
    return CropEmbedder.from_folder(reid, device="cpu")


def test_crops_are_training_s_bit_for_bit(data: Dataset) -> None:
    """Boxes moved by fractions of a pixel, so that it matters where a box begins."""
    trained = cut_crops(data.scenes, 64, 32)
    cut = [
        cut_person(Image.fromarray(load_image(scene.path)), scene.boxes[row], 64, 32)
        for scene in data.scenes
        for row in np.flatnonzero(scene.identities >= 0)
    ]
    np.testing.assert_array_equal(np.stack(cut), trained.pixels)


def test_an_embedding_is_the_bnneck_s_output_of_the_crop(
    embedder: CropEmbedder, reid: Path, tiny_config: ModelConfig, data: Dataset
) -> None:
    """By hand, with the network as it is trained: cut, to 0..1, mean and std, BNNeck, unit length."""
    scene = data.scenes[0]
    network = ReidNetwork(tiny_config.backbone, tiny_config.feature_size)
    fill(network, read_tensors(reid / BACKBONE_FILE), "here")
    picture = Image.open(scene.path)
    crops = [cut_person(picture, box, 64, 32) for box in scene.boxes]
    images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (tiny_config.input.mean, tiny_config.input.std))
    with torch.no_grad():
        pooled, necked = network.eval()((images - mean) / std)
    expected = torch.nn.functional.normalize(necked, dim=1).numpy()
    assert not np.allclose(expected, torch.nn.functional.normalize(pooled, dim=1).numpy(), atol=0.01)
    for one in (embedder, CropEmbedder.from_folder(reid, device="cpu", fast=False)):
        assert one.crop_size == (64, 32)
        embeddings = one.embed_boxes(scene.path, scene.boxes)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(embeddings, expected, atol=2e-6)
        assert one.fingerprint == embedder.fingerprint


def test_many_boxes_go_through_in_parts_and_none_gives_none(
    embedder: CropEmbedder, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = np.tile(data.scenes[0].boxes, (3, 1)) + np.arange(9, dtype=np.float32)[:, None]
    whole = embedder.embed_boxes(data.scenes[0].path, boxes)
    monkeypatch.setattr(cropped, "BATCH", 4)
    np.testing.assert_allclose(embedder.embed_boxes(data.scenes[0].path, boxes), whole, atol=2e-6)
    assert embedder.embed_boxes(data.scenes[0].path, np.zeros((0, 4), np.float32)).shape == (0, 512)
    beyond = embedder.embed_boxes(data.scenes[0].path, [(-20, 10, 40, 400)])
    np.testing.assert_allclose(beyond, embedder.embed_boxes(data.scenes[0].path, [(0, 10, 40, 96)]), atol=2e-6)
    with pytest.raises(ImageError, match="has no area inside the 160x96 image"):
        embedder.embed_boxes(data.scenes[0].path, [(200, 10, 240, 40)])


def test_what_is_not_step_1_s_weights_is_refused_with_the_right_path(
    reid: Path, tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    with pytest.raises(
        WeightsNotFoundError, match=r"nowhere: no such folder; give the weights folder of 'personsearch"
    ):
        reid_config(tmp_path / "nowhere")
    with pytest.raises(WeightsNotFoundError, match=r"backbone\.safetensors: a file; give the weights folder"):
        reid_config(reid / BACKBONE_FILE)
    with pytest.raises(WeightsNotFoundError, match=rf"a run of step 1; its weights are in {reid}$"):
        reid_config(reid.parent)
    with pytest.raises(WeightsNotFoundError, match=rf"{tmp_path}: has no backbone\.safetensors"):
        reid_config(tmp_path)
    second = tiny_searcher.save_pretrained(tmp_path / "run" / "weights")
    for given in (second, second.parent):
        with pytest.raises(WeightsNotFoundError, match="holds the weights of step 2, a whole person-search network"):
            reid_config(given)
    (second.parent / "recipe.json").write_text(json.dumps({"step": "finetune", "recipe": {"init": str(reid)}}))
    for given in (second, second.parent):
        with pytest.raises(WeightsNotFoundError, match=rf"this one began with {reid}; give that"):
            reid_config(given)


def test_weights_are_filled_strictly(reid: Path, tiny_config: ModelConfig, tmp_path: Path) -> None:
    other = tiny_config.model_copy(update={"backbone": "resnet18"})
    (tmp_path / "config.json").write_text(other.model_dump_json())
    (tmp_path / BACKBONE_FILE).write_bytes((reid / BACKBONE_FILE).read_bytes())
    with pytest.raises(WeightsMismatchError, match=r"does not fit config\.json beside it"):
        CropEmbedder.from_folder(tmp_path, device="cpu")


def test_the_example_runs(reid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "step1").symlink_to(reid.parent)
    [test] = [one for one in doctest.DocTestFinder().find(CropEmbedder) if one.name == "CropEmbedder"]
    test.globs.update(query=demo_folder() / "s23c4_0005.jpg", box=(389, 303, 459, 595))
    assert doctest.DocTestRunner().run(test) == (0, 4)

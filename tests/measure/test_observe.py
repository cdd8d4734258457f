from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from personsearch import PersonSearcher
from personsearch.datasets import Dataset, Query, load_dataset
from personsearch.errors import ConfigError, DatasetError
from personsearch.measure.baselines import colour_histogram
from personsearch.measure.observe import observe, observe_baselines
from personsearch.pictures.decode import load_image
from tests.support import toy_scene, toy_set


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_set(tmp_path_factory.mktemp("toy"), num_scenes=3).parent


@pytest.fixture
def toy_data(toy_folder: Path) -> Dataset:
    """Three scenes; the first query is an annotated box, the second is not."""
    loaded = load_dataset(toy_folder / "train.json", split="train")
    first, second = loaded.scenes[0], loaded.scenes[1]
    queries = (
        Query(image_id=first.image_id, box=first.boxes[1], identity=1),
        Query(image_id=second.image_id, box=second.boxes[0] + np.float32(2), identity=1),
    )
    return replace(loaded, queries=queries)


class NetworkRanError(Exception):
    pass


@pytest.fixture
def no_network(tiny_searcher: PersonSearcher, monkeypatch: pytest.MonkeyPatch) -> PersonSearcher:
    def ran(*_: Any, **__: Any) -> Iterator[Any]:
        raise NetworkRanError

    monkeypatch.setattr(tiny_searcher, "observe", ran)
    return tiny_searcher


def test_one_look_gives_what_separate_calls_give(tiny_searcher: PersonSearcher, toy_data: Dataset) -> None:
    observed = observe(tiny_searcher, toy_data, progress=False)
    assert observed.weights == tiny_searcher.spec.fingerprint
    assert observed.computed_on == "cpu float32"
    assert observed.seconds is not None
    people = observed.people(toy_data)
    for scene in toy_data.scenes:
        alone = tiny_searcher.detect(scene.path, threshold=0.3)
        detections = observed.detections[scene.image_id].filter(min_score=0.3)
        assert observed.detections[scene.image_id].image_id == scene.image_id
        np.testing.assert_allclose(detections.boxes, alone.boxes, atol=0.01)
        np.testing.assert_allclose(detections.embeddings, alone.embeddings, atol=1e-4)
        expected = tiny_searcher.embed_boxes(scene.path, scene.boxes)
        np.testing.assert_allclose(people[scene.image_id], expected, atol=1e-4)
    for query, embedding in zip(toy_data.queries, observed.queries(toy_data), strict=True):
        path = next(scene.path for scene in toy_data.scenes if scene.image_id == query.image_id)
        np.testing.assert_allclose(embedding, tiny_searcher.embed_query(path, query.box), atol=1e-4)


def test_training_s_look_at_a_share_of_the_set(tiny_searcher: PersonSearcher, toy_data: Dataset) -> None:
    """Some scenes, the queries in them alone, and a threshold of its own; the rest as in the whole look."""
    whole = observe(tiny_searcher, toy_data, progress=False)
    share = replace(toy_data, scenes=toy_data.scenes[1:], queries=toy_data.queries[1:])
    observed = observe(tiny_searcher, share, lowest_score=0.4, annotated=False, progress=False)
    assert list(observed.detections) == [scene.image_id for scene in share.scenes]
    assert [len(boxes) for boxes in observed.boxes.values()] == [1, 0]
    np.testing.assert_allclose(observed.queries(share), whole.queries(share), atol=1e-4)
    for name, people in observed.detections.items():
        expected = whole.detections[name].filter(min_score=0.4)
        np.testing.assert_allclose(people.boxes, expected.boxes, atol=0.01)
        np.testing.assert_allclose(people.embeddings, expected.embeddings, atol=1e-4)
    with pytest.raises(ConfigError, match=r"not of .* as it is now: a box in '001\.png' was not embedded"):
        observed.people(share)


def test_a_second_look_needs_no_network(
    tiny_searcher: PersonSearcher, toy_data: Dataset, tmp_path: Path, no_network: PersonSearcher
) -> None:
    with pytest.raises(NetworkRanError):
        observe(no_network, toy_data, cache_dir=tmp_path, progress=False)
    first = observe(PersonSearcher(tiny_searcher.network), toy_data, cache_dir=tmp_path, progress=False)
    again = observe(no_network, toy_data, cache_dir=tmp_path, progress=False)
    assert again.seconds == first.seconds
    np.testing.assert_array_equal(again.queries(toy_data), first.queries(toy_data))
    fewer = replace(toy_data, queries=toy_data.queries[:1])  # another protocol: other queries in the same scenes
    assert len(observe(no_network, fewer, cache_dir=tmp_path, progress=False).queries(fewer)) == 1


def test_new_queries_are_embedded_and_kept(tiny_searcher: PersonSearcher, toy_data: Dataset, tmp_path: Path) -> None:
    observe(tiny_searcher, replace(toy_data, queries=()), cache_dir=tmp_path, progress=False)
    later = observe(tiny_searcher, toy_data, cache_dir=tmp_path, progress=False)
    whole = observe(tiny_searcher, toy_data, progress=False)
    np.testing.assert_allclose(later.queries(toy_data), whole.queries(toy_data), atol=1e-4)
    tiny_searcher.embed_boxes = None  # type: ignore[assignment,method-assign]  # a third look must not need it
    kept = observe(tiny_searcher, toy_data, cache_dir=tmp_path, progress=False)
    np.testing.assert_array_equal(kept.queries(toy_data), later.queries(toy_data))


def test_a_changed_picture_is_looked_at_again(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    data = load_dataset(toy_set(tmp_path / "toy", num_scenes=2), split="train")
    kept = tmp_path / "kept"
    before = observe(tiny_searcher, data, cache_dir=kept, progress=False)
    name = data.scenes[0].image_id
    Image.new("RGB", (160, 96), (200, 30, 30)).save(data.scenes[0].path)
    after = observe(tiny_searcher, data, cache_dir=kept, progress=False)
    assert not np.allclose(before.people(data)[name], after.people(data)[name])


def test_a_damaged_file_is_replaced(
    tiny_searcher: PersonSearcher, toy_data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = observe(tiny_searcher, toy_data, cache_dir=tmp_path, progress=False)
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    again = observe(tiny_searcher, toy_data, cache_dir=tmp_path, progress=False)
    assert "damaged" in caplog.text
    np.testing.assert_allclose(again.queries(toy_data), first.queries(toy_data), atol=1e-5)


def test_what_cannot_be_observed_is_named(tiny_searcher: PersonSearcher, toy_data: Dataset, tmp_path: Path) -> None:
    elsewhere = replace(toy_data, queries=(replace(toy_data.queries[0], image_id="other.png"),))
    with pytest.raises(DatasetError, match=r"query 0 is in other\.png, which is not a scene"):
        observe(tiny_searcher, elsewhere, progress=False)
    larger = replace(toy_data, scenes=(replace(toy_data.scenes[0], width=320), *toy_data.scenes[1:]))
    with pytest.raises(DatasetError, match=r"000\.png: the picture is 160x96, the annotations say 320x96"):
        observe(tiny_searcher, larger, progress=False)
    gone = replace(toy_data, scenes=(replace(toy_data.scenes[0], path=tmp_path / "no.png"), *toy_data.scenes[1:]))
    with pytest.raises(DatasetError, match=r"no\.png: no such image"):
        observe(tiny_searcher, gone, progress=False)
    with pytest.raises(DatasetError, match="has no scenes"):
        observe(tiny_searcher, replace(toy_data, scenes=(), queries=()), progress=False)


@pytest.mark.parametrize("factor", [0.5, 2])
def test_pictures_of_another_size_are_refused_before_a_box_is_used(
    tiny_searcher: PersonSearcher, tmp_path: Path, factor: float
) -> None:
    """Exported at half the size, most boxes lie outside the pictures: the size is what is wrong, not the boxes."""
    data = load_dataset(toy_set(tmp_path / "toy", num_scenes=2), split="train")
    kept = tmp_path / "kept"
    observe(tiny_searcher, data, cache_dir=kept, progress=False)
    for scene in data.scenes:
        picture = Image.open(scene.path)
        picture.resize((int(picture.width * factor), int(picture.height * factor))).save(scene.path)
    size = f"{int(160 * factor)}x{int(96 * factor)}"
    with pytest.raises(DatasetError, match=rf"000\.png: the picture is {size}, the annotations say 160x96"):
        observe(tiny_searcher, data, cache_dir=kept, progress=False)


def test_another_annotated_size_is_refused_though_the_network_has_looked(
    tiny_searcher: PersonSearcher, toy_data: Dataset, tmp_path: Path
) -> None:
    observe(tiny_searcher, toy_data, cache_dir=tmp_path, progress=False)
    larger = replace(toy_data, scenes=(replace(toy_data.scenes[0], height=192), *toy_data.scenes[1:]))
    with pytest.raises(DatasetError, match=r"000\.png: the picture is 160x96, the annotations say 160x192"):
        observe(tiny_searcher, larger, cache_dir=tmp_path, progress=False)


def crops(folder: Path) -> Dataset:
    """Three pictures of one person each, of different sizes."""
    for name, size in (("query/0001_c1_0.png", (20, 50)), ("bounding_box_test/0001_c2_0.png", (30, 61))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        toy_scene([(1, 0, 0)], *size).save(folder / name)
    toy_scene([(2, 0, 0)], 20, 60).save(folder / "bounding_box_test/0002_c1_0.png")
    return load_dataset(folder, "test")


def test_crops_are_embedded_as_crops(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    data, kept = crops(tmp_path / "set"), tmp_path / "kept"
    assert data.crops
    observed = observe(tiny_searcher, data, cache_dir=kept, progress=False)
    assert all(len(people) == 0 for people in observed.detections.values())
    expected = tiny_searcher.embed_crops([scene.path for scene in data.scenes], progress=False)
    people = observed.people(data)
    rows = np.concatenate([people[scene.image_id] for scene in data.scenes])
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    again = observe(tiny_searcher, data, cache_dir=kept, progress=False)
    np.testing.assert_array_equal(again.queries(data), observed.queries(data))
    as_scenes = observe(tiny_searcher, replace(data, crops=False), cache_dir=kept, progress=False)
    assert not np.allclose(as_scenes.queries(data), observed.queries(data), atol=1e-3)
    box = data.queries[0].box * np.float32(0.5)
    other = replace(data, queries=(replace(data.queries[0], box=box),))
    later = observe(tiny_searcher, other, cache_dir=kept, progress=False)
    np.testing.assert_allclose(later.queries(other), observed.queries(data), atol=1e-5)
    wrong = replace(data, scenes=(replace(data.scenes[0], width=99), *data.scenes[1:]))
    with pytest.raises(DatasetError, match=r"0001_c2_0\.png: the picture is 30x61, the annotations say 99x61"):
        observe(tiny_searcher, wrong, progress=False)


def test_baselines_embed_the_very_same_boxes(tiny_searcher: PersonSearcher, toy_data: Dataset, tmp_path: Path) -> None:
    own = observe(tiny_searcher, toy_data, progress=False)
    rows = observe_baselines(tiny_searcher, toy_data, own, cache_dir=tmp_path, progress=False)
    assert list(rows) == ["same network, untrained", "colour histogram"]
    for row in rows.values():
        for name, people in own.detections.items():
            np.testing.assert_array_equal(row.detections[name].boxes, people.boxes)
            np.testing.assert_array_equal(row.detections[name].scores, people.scores)
    scene = toy_data.scenes[0]
    colours = rows["colour histogram"]
    expected = colour_histogram(load_image(scene.path), scene.boxes)
    np.testing.assert_array_equal(colours.people(toy_data)[scene.image_id], expected)
    np.testing.assert_array_equal(colours.queries(toy_data)[0], expected[1])
    again = observe_baselines(tiny_searcher, toy_data, own, cache_dir=tmp_path, progress=False)
    np.testing.assert_array_equal(again["colour histogram"].queries(toy_data), colours.queries(toy_data))

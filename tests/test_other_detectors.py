"""detect and stream with boxes from elsewhere: embedded as embed_boxes does it, whatever the batches."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch import PersonSearcher
from personsearch.demo import demo_folder
from personsearch.errors import ConfigError, ImageError
from personsearch.models import ModelConfig, build
from personsearch.runner import Runner
from tests.picture_server import Page, PictureServer
from tests.support import toy_scene

PEOPLE = [(0, 10, 10), (1, 60, 20)]
BOXES = [[60.0, 20.0, 80.0, 80.0], [-4.0, 8.0, 31.0, 72.0], [100.0, 30.0, 120.0, 60.0]]
FOUND = {"boxes": BOXES, "scores": [0.5, 0.75, 0.25]}
SORTED = [[0, 8, 31, 72], [60, 20, 80, 80], [100, 30, 120, 60]]


@pytest.fixture
def no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "detect_tagged", lambda *_, **__: pytest.fail("our own detector ran"))


@pytest.mark.usefixtures("no_detector")
def test_given_boxes_take_the_place_of_detections(tiny_searcher: PersonSearcher) -> None:
    scene = toy_scene(PEOPLE)
    detections = tiny_searcher.detect(scene, boxes=FOUND)
    assert detections.boxes.tolist() == SORTED
    assert detections.scores.tolist() == [0.75, 0.5, 0.25]
    assert detections.image_size == (96, 160)
    assert np.array_equal(detections.embeddings, tiny_searcher.embed_boxes(scene, SORTED))
    assert tiny_searcher.detect(scene, boxes=BOXES).scores.tolist() == [1, 1, 1]
    assert len(tiny_searcher.detect(scene, boxes=[])) == 0
    assert tiny_searcher.detect(scene, boxes=[]).embeddings.shape == (0, tiny_searcher.spec.embedding_size)
    assert tiny_searcher.detect(scene, boxes=FOUND, threshold=0.5).scores.tolist() == [0.75, 0.5]
    assert tiny_searcher.detect(scene, boxes=FOUND, max_people=1).boxes.tolist() == SORTED[:1]


COUNTS = st.lists(st.tuples(st.sampled_from([(96, 160), (160, 96), (50, 300)]), st.integers(0, 4)), max_size=7)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(COUNTS, st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_embeddings_are_those_of_embed_boxes(
    tiny_searcher: PersonSearcher, pictures: list[tuple[tuple[int, int], int]], batch_size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scenes = [toy_scene(PEOPLE, width, height, seed=n) for n, ((height, width), _) in enumerate(pictures)]
    found: list[Any] = []
    for (height, width), count in pictures:
        corner = rng.uniform(0, 0.5, (count, 2)) * [width, height]
        boxes = np.concatenate([corner, corner + rng.uniform(0.1, 0.7, (count, 2)) * [width, height]], axis=1)
        found.append({"boxes": boxes, "scores": rng.uniform(size=count)})
    together = tiny_searcher.detect(scenes, boxes=found, batch_size=batch_size)
    alone = tiny_searcher.detect(scenes, boxes=found, batch_size=1)
    for scene, given_, one, exact in zip(scenes, found, together, alone, strict=True):
        order = np.argsort(-given_["scores"])
        assert np.array_equal(one.scores, given_["scores"][order].astype(np.float32))
        assert np.array_equal(one.boxes, exact.boxes)
        expected = tiny_searcher.embed_boxes(scene, given_["boxes"][order])
        assert np.array_equal(exact.embeddings, expected)
        assert np.allclose(one.embeddings, expected, atol=1e-5)


@pytest.mark.usefixtures("no_detector")
def test_the_shipped_weights_agree_bit_for_bit_alone_and_up_to_rounding_in_batches(searcher: PersonSearcher) -> None:
    paths = sorted(demo_folder().glob("*.jpg"))[:2]
    boxes = [[389.0, 303.0, 459.0, 595.0], [20.0, 300.0, 200.0, 640.0]]
    alone = [searcher.detect(path, boxes=found) for path, found in zip(paths, (boxes, boxes[:1]), strict=True)]
    together = searcher.detect(paths, boxes=[boxes, boxes[:1]], batch_size=2)
    for path, one, batched in zip(paths, alone, together, strict=True):
        assert one.image_id == batched.image_id == str(path)
        assert np.array_equal(one.embeddings, searcher.embed_boxes(path, one.boxes))
        assert np.allclose(one.embeddings, batched.embeddings, atol=1e-6)


@pytest.mark.usefixtures("no_detector")
def test_a_detector_gets_whole_upright_rgb_pictures_in_order_in_this_thread(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    turned = tmp_path / "turned.jpg"
    toy_scene(PEOPLE).save(turned, exif=exif)
    rgb = np.asarray(toy_scene(PEOPLE, seed=1))
    rgb.flags.writeable = False
    bgr = np.asarray(toy_scene(PEOPLE, seed=2))[:, :, ::-1]
    seen: list[np.ndarray[Any, Any]] = []

    def detector(pixels: np.ndarray[Any, Any]) -> Any:
        assert threading.current_thread() is threading.main_thread()
        assert pixels.flags.writeable
        assert pixels.flags.c_contiguous
        seen.append(pixels.copy())
        pixels[:] = 0  # what a detector does to its picture changes nothing for us
        return BOXES[:2]

    detections = tiny_searcher.detect([turned, rgb], boxes=detector, batch_size=2)
    [other] = tiny_searcher.detect([bgr], boxes=detector, channel_order="BGR")
    assert [pixels.shape for pixels in seen] == [(160, 96, 3), (96, 160, 3), (96, 160, 3)]
    assert np.array_equal(seen[1], rgb)
    assert np.array_equal(seen[2], np.asarray(toy_scene(PEOPLE, seed=2)))
    assert detections[0].image_size == (160, 96)
    assert np.allclose(other.embeddings, tiny_searcher.embed_boxes(seen[2], BOXES[:2]), atol=1e-5)
    assert np.allclose(detections[1].embeddings, tiny_searcher.embed_boxes(rgb, BOXES[:2]), atol=1e-5)


@pytest.mark.usefixtures("no_detector")
def test_a_stream_asks_as_it_goes(tiny_searcher: PersonSearcher) -> None:
    asked = 0

    def detector(_: object) -> Any:
        nonlocal asked
        asked += 1
        return BOXES[:asked]

    scenes = (toy_scene(PEOPLE, seed=n) for n in range(1000))
    found = tiny_searcher.stream(scenes, boxes=detector, batch_size=1)
    assert [len(next(found)) for _ in range(3)] == [1, 2, 3]
    assert asked < 10
    with pytest.raises(ConfigError, match="boxes of a stream must be a function of a picture, got a list"):
        tiny_searcher.stream([toy_scene(PEOPLE)], boxes=[BOXES])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([BOXES], "boxes of a list of 2 images must be a list of 2, one for each, or a function of a picture; got 1"),
        (FOUND, "must be a list of 2, one for each, or a function of a picture; got a dict"),
        ([BOXES, [[200, 10, 220, 60]]], r"^image 1: .*, row 0: box \(200, 10, 220, 60\) has no area inside the 160x96"),
        ([BOXES, None], "^image 1: .*: the boxes are None"),
        (
            [{"boxes": BOXES[:1], "labels": [1]}, {"boxes": BOXES[:1], "labels": [0]}],
            "^image 1: .* has class 0, what came",
        ),
        (lambda _: None, "^image 0: .*: the boxes are None; where nobody is found, give an empty list"),
    ],
)
def test_boxes_of_a_list_that_do_not_fit(boxes: Any, message: str, tiny_searcher: PersonSearcher) -> None:
    with pytest.raises(ImageError, match=message):
        tiny_searcher.detect([toy_scene(PEOPLE)] * 2, boxes=boxes)


def test_a_single_picture_is_named_by_its_path(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    path = tmp_path / "door.png"
    toy_scene(PEOPLE).save(path)
    with pytest.raises(ImageError, match=r"^/.*door\.png, row 0: box .* looks like fractions of the image"):
        tiny_searcher.detect(path, boxes=[[0.1, 0.1, 0.5, 0.9]])

    def fails(_: object) -> Any:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory") as raised:
        tiny_searcher.detect(path, boxes=fails)
    assert raised.value.__notes__ == [f"raised by the detector that was given as boxes, for {path}"]


def test_a_detector_sees_the_whole_picture_where_we_decode_a_part_of_its_size(
    tiny_config: ModelConfig, tmp_path: Path
) -> None:
    searcher = PersonSearcher(build(tiny_config), device="cpu", fast_decode=True)
    scene = toy_scene(PEOPLE).resize((1280, 768))
    path = tmp_path / "large.jpg"
    scene.save(path)
    boxes = (np.array(SORTED, np.float32) * 8).tolist()
    shown: list[np.ndarray[Any, Any]] = []

    def detector(pixels: np.ndarray[Any, Any]) -> Any:
        shown.append(pixels)
        return boxes

    with PictureServer() as server:
        server.pages["/large.jpg"] = Page(path.read_bytes())
        for source in (path, f"{server.url}/large.jpg", path.read_bytes()):
            one = searcher.detect(source, boxes=detector)
            assert np.array_equal(shown[-1], np.asarray(Image.open(path)))
            assert np.array_equal(one.embeddings, searcher.embed_boxes(path, boxes))
        assert len(server.requests) == 1  # fetched once, decoded twice

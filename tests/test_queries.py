"""Whom a search is for: a box, a picture that is one person, or the best detection."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch import Detections, PersonSearcher, QueryPerson, runner
from personsearch.canvas import crop_to_canvas
from personsearch.demo import demo_folder
from personsearch.errors import ImageError
from personsearch.models import ModelConfig, build
from personsearch.queries import _fill
from tests.support import toy_scene


def detections(boxes: list[tuple[float, ...]], size: tuple[int, int]) -> Detections:
    found = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    empty = np.zeros((len(found), 2), dtype=np.float32)
    return Detections(boxes=found, scores=np.ones(len(found), np.float32), embeddings=empty, image_size=size)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(0, 0, 50, 100)], True),
        ([(0, 0, 50, 60)], True),  # 0.6 of the picture
        ([(0, 0, 50, 59)], False),
        ([(0, 0, 20, 40), (5, 10, 50, 95)], True),
        ([(0, 0, 25, 100), (25, 0, 50, 100)], False),  # two people side by side
        ([], False),
    ],
)
def test_a_detection_fills_its_picture(boxes: list[tuple[float, ...]], expected: bool) -> None:
    assert _fill(detections(boxes, (100, 50))) == expected


def test_a_crop_without_a_box_is_the_person(searcher: PersonSearcher) -> None:
    crop = Image.open(demo_folder() / "s23c4_0005.jpg").crop((389, 303, 459, 595))
    person = searcher.find_query(crop)
    assert person.whole_picture
    assert person.score is None
    assert person.box == (0, 0, *crop.size)
    assert np.array_equal(person.embedding, searcher.embed_crops([crop])[0])
    assert np.array_equal(searcher.embed_query(crop), person.embedding)


def test_a_box_of_the_whole_picture_says_the_same(tiny_searcher: PersonSearcher) -> None:
    picture = toy_scene([(0, 10, 10)])  # of any shape
    for box in ((0, 0, 160, 96), (-9, -9, 500, 500)):
        person = tiny_searcher.find_query(picture, box)
        assert person.whole_picture
        assert person.box == (0, 0, 160, 96)
        assert np.array_equal(person.embedding, tiny_searcher.embed_crops([picture])[0])
    assert not tiny_searcher.find_query(picture, (0, 0, 160, 95)).whole_picture


def windows() -> list[tuple[str, tuple[int, int, int, int]]]:
    """Tall parts of bundled scenes, as a phone would have taken them: several people, or one small one."""
    return [
        ("s23c4_0005.jpg", (300, 0, 660, 640)),  # 9:16
        ("s23c4_0005.jpg", (0, 0, 320, 640)),  # 1:2
    ]


@pytest.mark.parametrize(("name", "window"), windows())
def test_a_tall_scene_is_a_scene(searcher: PersonSearcher, name: str, window: tuple[int, int, int, int]) -> None:
    scene = Image.open(demo_folder() / name).crop(window)
    found = searcher.detect(scene)
    assert len(found)
    person = searcher.find_query(scene)
    assert not person.whole_picture
    assert person.box == tuple(found.boxes[0].tolist())
    assert person.score == float(found.scores[0])


@pytest.fixture
def strict(tiny_config: ModelConfig) -> PersonSearcher:
    """A network that finds nobody, ever."""
    detector = tiny_config.detector.model_copy(update={"score_threshold": 0.999})
    return PersonSearcher(build(tiny_config.model_copy(update={"detector": detector})), device="cpu")


@pytest.mark.parametrize(
    ("size", "whole"),  # width, height; the network's scenes are 96 to 160 pixels
    [
        ((30, 60), True),
        ((20, 90), True),
        ((19, 90), False),  # 4.7 times as tall as wide
        ((60, 95), False),  # 1.58 times
        ((60, 96), True),
        ((60, 97), False),  # as large as a scene
        ((540, 960), False),
        ((90, 60), False),
        ((60, 60), False),
    ],
)
def test_a_small_tall_picture_in_which_nobody_is_found_is_the_person(
    strict: PersonSearcher, size: tuple[int, int], whole: bool
) -> None:
    picture = Image.new("RGB", size, (120, 90, 80))
    if whole:
        assert strict.find_query(picture).whole_picture
        return
    width, height = size
    message = (
        f"nobody is detected here to search for; give the person's box, 0,0,{width},{height} for the whole picture"
    )
    with pytest.raises(ImageError, match=message):
        strict.find_query(picture)


def test_a_picture_that_is_wider_than_tall_is_looked_at_as_a_scene_only(
    tiny_searcher: PersonSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    detect = tiny_searcher._runner.detect

    def watched(prepared: list, settings: object) -> object:  # type: ignore[type-arg]
        looked.append([ready.canvas.offset for ready in prepared])
        return detect(prepared, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(tiny_searcher._runner, "detect", watched)
    tiny_searcher.find_query(toy_scene([(0, 10, 10)]))
    assert looked == [[0]]
    tiny_searcher.find_query(toy_scene([(0, 10, 10)], 90, 96))
    assert looked[1] == [48]


SIDES = st.sampled_from([1, 2, 9, 40, 97, 300, 1500])
BOXES = st.none() | st.lists(st.one_of(st.floats(width=32), st.integers(-50, 400)), max_size=5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIDES, SIDES, BOXES)
def test_any_query_is_a_person_or_refused(
    tiny_searcher: PersonSearcher, width: int, height: int, box: list[float] | None
) -> None:
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    try:
        person = tiny_searcher.find_query(picture, box)
    except ImageError:
        return
    assert isinstance(person, QueryPerson)
    x1, y1, x2, y2 = person.box
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    assert np.linalg.norm(person.embedding) == pytest.approx(1, abs=1e-4)
    assert person.whole_picture <= (person.box == (0, 0, width, height))
    assert (person.score is None) == (person.whole_picture or box is not None)


@pytest.mark.parametrize(
    "shade", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (0, 0, 255)], ids=["black", "white", "grey", "blue"]
)
def test_blank_pictures_are_no_crash(tiny_searcher: PersonSearcher, shade: tuple[int, int, int]) -> None:
    for size in ((160, 96), (1, 1), (50, 120)):
        blank = Image.new("RGB", size, shade)
        assert np.isfinite(tiny_searcher.detect(blank).boxes).all()
        assert np.isfinite(tiny_searcher.embed_crops([blank])).all()


def test_a_small_picture_with_somebody_in_it_is_looked_at_as_small_as_it_is(searcher: PersonSearcher) -> None:
    scene = Image.open(demo_folder() / "s23c4_0005.jpg")
    x1, y1, x2, y2 = 389, 303, 459, 595  # the person; half of the width and a quarter of the height more on each side
    loose = scene.crop((x1 - 35, y1 - 73, x2 + 35, min(640, y2 + 73))).resize((105, 307))
    person = searcher.find_query(loose)
    assert person.embedding @ searcher.embed_query(scene, (x1, y1, x2, y2)) > 0.7
    assert person.whole_picture or person.score > 0.5


def test_what_is_detected_beside_a_picture_on_its_canvas_is_nobody(tiny_searcher: PersonSearcher) -> None:
    for size in ((97, 1), (1, 97), (160, 40)):  # canvases are padded to multiples of 32
        boxes = tiny_searcher.detect(Image.effect_noise(size, 90).convert("RGB")).boxes
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_a_canvas_of_the_crop_is_made_only_for_pictures_that_may_be_one(
    tiny_searcher: PersonSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(runner, "crop_to_canvas", lambda *_, **__: made.append(1) or crop_to_canvas(*_, **__))
    wide, tall = toy_scene([(0, 10, 10)]), toy_scene([(0, 10, 10)], width=96, height=160)
    tiny_searcher.find_query(wide, (10, 10, 30, 70))
    tiny_searcher.find_query(tall, (10, 10, 30, 70))
    assert made == []
    tiny_searcher.find_query(tall, (0, 0, 96, 160))
    assert made == [1]
    tiny_searcher.find_query(tall)  # looked at twice, and made once
    assert made == [1, 1]

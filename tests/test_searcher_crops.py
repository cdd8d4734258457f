"""Pictures of one person: embedded as they are, and taken as queries."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch import PersonSearcher
from personsearch.canvas import crop_to_canvas
from personsearch.errors import ConfigError, ImageError
from personsearch.runner import Settings
from tests.support import toy_scene

SCENE = toy_scene([(0, 10, 10), (1, 60, 20), (2, 115, 8)])
SPOTS = [(10, 10), (60, 20), (115, 8)]


def crops() -> list[Image.Image]:
    return [SCENE.crop((x, y, x + 20, y + 60)) for x, y in SPOTS]


def test_a_crop_is_embedded_as_the_box_on_its_own_canvas(tiny_searcher: PersonSearcher) -> None:
    canvas = crop_to_canvas(np.array(crops()[0]), tiny_searcher.config.input.person_height)
    with torch.inference_mode():
        box = torch.tensor([[48.0, 48, 48 + 43, 48 + 128]])  # 128 pixels tall, and 20 / 60 of it wide
        [expected] = tiny_searcher.network.embed(canvas.pixels[None].float() / 255, [box])
    got = tiny_searcher.embed_crops(crops()[:1])
    assert got.dtype == np.float32
    assert np.allclose(got, expected.numpy(), atol=1e-5)


def test_the_weights_say_how_tall_people_are(tiny_searcher: PersonSearcher) -> None:
    usual = tiny_searcher.embed_crops(crops())
    tall = tiny_searcher.config.input.model_copy(update={"person_height": 160})
    tiny_searcher.network.config = tiny_searcher.config.model_copy(update={"input": tall})
    assert not np.allclose(tiny_searcher.embed_crops(crops()), usual, atol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_batches_of_crops_equal_one_by_one(tiny_searcher: PersonSearcher, batch_size: int) -> None:
    pictures = [*crops(), Image.new("L", (90, 40), 200), *crops()[:1], toy_scene([], 160, 96)]
    together = tiny_searcher.embed_crops(pictures, batch_size=batch_size)
    alone = np.concatenate([tiny_searcher.embed_crops([picture]) for picture in pictures])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(together[0], together[4], atol=1e-6)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_no_crops_no_embeddings(tiny_searcher: PersonSearcher) -> None:
    assert tiny_searcher.embed_crops([]).shape == (0, tiny_searcher.spec.embedding_size)


def test_colour_order_of_crops(tiny_searcher: PersonSearcher) -> None:
    rgb = np.array(crops()[0])
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    right = tiny_searcher.embed_crops([rgb])
    assert np.allclose(tiny_searcher.embed_crops([bgr], channel_order="BGR"), right, atol=1e-6)
    assert not np.allclose(tiny_searcher.embed_crops([bgr]), right, atol=1e-3)


def test_mistakes_with_crops_are_named(tiny_searcher: PersonSearcher) -> None:
    with pytest.raises(ImageError, match=r"image 1: no/such\.jpg: no such file"):
        tiny_searcher.embed_crops([crops()[0], "no/such.jpg"])
    for one in ("person.jpg", crops()[0], np.array(crops()[0])):
        with pytest.raises(ImageError, match=r"takes a list of pictures; for one, write \[picture\]"):
            tiny_searcher.embed_crops(one)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="batch_size must be at least 1"):
        tiny_searcher.embed_crops(crops(), batch_size=0)


def test_crops_come_back_tagged_as_one_given_person_each(tiny_searcher: PersonSearcher) -> None:
    runner = tiny_searcher._runner
    pictures = {"a": crops()[0], "b": Image.new("RGB", (50, 30)), "c": crops()[1]}
    prepared = ((name, runner.ready_crop(picture, "RGB")) for name, picture in pictures.items())
    found = dict(runner.embed_crops_tagged(prepared, Settings(batch_size=2)))
    assert list(found) == ["a", "b", "c"]
    for name, picture in pictures.items():
        assert found[name].boxes.tolist() == [[0, 0, *picture.size]]
        assert found[name].scores.tolist() == [1.0]
        assert found[name].image_size == picture.size[::-1]
    expected = tiny_searcher.embed_crops(list(pictures.values()))
    assert np.allclose(np.concatenate([one.embeddings for one in found.values()]), expected, atol=1e-5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([1, 2, 7, 40, 300, 3000]), st.sampled_from([1, 3, 8, 60, 500])), max_size=4))
def test_any_crop_becomes_a_unit_vector(tiny_searcher: PersonSearcher, sizes: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(len(sizes))
    pictures = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for width, height in sizes]
    embedded = tiny_searcher.embed_crops(pictures)
    assert embedded.shape == (len(sizes), tiny_searcher.spec.embedding_size)
    assert np.allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-4)

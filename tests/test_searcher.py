import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from personsearch import Detections, Gallery, PersonSearcher
from personsearch.errors import ConfigError, GalleryMismatchError, ImageError, WeightsError, WeightsMismatchError
from personsearch.models import ModelConfig, build
from tests.support import toy_scene

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


def same(a: Detections, b: Detections) -> None:
    assert len(a) == len(b) > 0
    assert np.allclose(a.boxes, b.boxes, atol=0.05)
    assert np.allclose(a.scores, b.scores, atol=1e-4)
    assert (a.embeddings * b.embeddings).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_one_in_one_out_list_in_list_out(tiny_searcher: PersonSearcher) -> None:
    scene = toy_scene(PEOPLE)
    assert isinstance(tiny_searcher.detect(scene), Detections)
    listed = tiny_searcher.detect([scene])
    assert isinstance(listed, list)
    assert len(listed) == 1
    assert tiny_searcher.detect([]) == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([(96, 160), (120, 160), (160, 96), (50, 300), (97, 161)]), min_size=2, max_size=7))
def test_batches_of_mixed_sizes_equal_one_by_one(tiny_searcher: PersonSearcher, sizes: list[tuple[int, int]]) -> None:
    scenes = [toy_scene(PEOPLE, w, h, seed=n) for n, (h, w) in enumerate(sizes)]
    together = tiny_searcher.detect(scenes, batch_size=3)
    assert [found.image_size for found in together] == sizes
    for found, scene in zip(together, scenes, strict=True):
        same(found, tiny_searcher.detect(scene))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_mode_size_and_batch_gives_what_each_image_gives_alone(
    tiny_searcher: PersonSearcher, data: st.DataObject
) -> None:
    modes = st.sampled_from(["RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16", "YCbCr"])
    sides = st.sampled_from([1, 2, 31, 64, 97, 160, 333])
    pictures = []
    for mode, width, height in data.draw(st.lists(st.tuples(modes, sides, sides), min_size=1, max_size=6)):
        noise = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
        rgb = Image.fromarray(noise)
        pictures.append(Image.fromarray(noise[..., 0].astype(np.uint16) * 256) if mode == "I;16" else rgb.convert(mode))
    together = tiny_searcher.detect(pictures, batch_size=data.draw(st.integers(1, 4)))
    for picture, found in zip(pictures, together, strict=True):
        alone = tiny_searcher.detect(picture)
        width, height = picture.size
        assert found.image_size == (height, width)
        assert np.isfinite(found.boxes).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes <= [width, height, width, height]).all()
        assert np.allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-4)
        assert np.allclose(found.scores, alone.scores, atol=1e-4)


BOX = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=4, max_size=4)
INSIDE = st.lists(st.floats(-50, 250, width=32), min_size=4, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(BOX, INSIDE))
def test_any_box_is_embedded_or_named(tiny_searcher: PersonSearcher, box: list[float]) -> None:
    picture = toy_scene(PEOPLE)
    usable = np.isfinite(box).all() and min(box[2], 160) > max(box[0], 0) and min(box[3], 96) > max(box[1], 0)
    usable = usable and not (min(box) >= 0 and max(box) <= 1)  # fractions of the picture
    try:
        embedding = tiny_searcher.embed_query(picture, box)
    except ImageError as error:
        assert not usable
        reasons = ("has no area inside the 160x96 image: ", "looks like fractions of the image")
        assert any(reason in str(error) for reason in reasons)  # noqa: PT017  # either may be right
    else:
        assert usable
        assert embedding.shape == (tiny_searcher.spec.embedding_size,)
        assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-4)


STREAM = """
import resource, sys
import numpy as np, torch
from personsearch import PersonSearcher
from personsearch.models import ModelConfig, build
from tests.support import TINY
searcher = PersonSearcher(build(ModelConfig.model_validate(TINY)), device="cpu")
rng = np.random.default_rng(0)
taken = 0
def scenes():
    global taken
    for number in range(int(sys.argv[1])):
        taken += 1
        yield rng.integers(0, 256, (480, 640 + 32 * (number % 3), 3), dtype=np.uint8)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
for number, found in enumerate(searcher.stream(scenes(), batch_size=4)):
    assert found.image_size[1] == 640 + 32 * (number % 3), "out of order"
    assert taken - number < 40, "takes more than it needs"
    if number % 500 == 499:
        print(resident(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ten_thousand_scenes_take_no_more_memory_than_a_thousand() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STREAM, "10000"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    megabytes = [float(line) for line in done.stdout.split()]
    assert len(megabytes) == 20
    assert max(megabytes[2:]) - megabytes[1] < 30, megabytes  # all scenes together are 9 GB


def test_stream_keeps_the_order(tiny_searcher: PersonSearcher) -> None:
    sizes = [(160, 96), (96, 160)] * 5 + [(50, 300)]
    scenes = [toy_scene(PEOPLE, w, h, seed=n) for n, (w, h) in enumerate(sizes)]
    streamed = list(tiny_searcher.stream(iter(scenes), batch_size=2))
    assert [found.image_size for found in streamed] == [(h, w) for w, h in sizes]
    same(streamed[7], tiny_searcher.detect(scenes[7]))


def test_boxes_are_in_the_original_image(tiny_searcher: PersonSearcher) -> None:
    large = toy_scene(PEOPLE).resize((640, 384))
    found = tiny_searcher.detect(large)
    assert found.image_size == (384, 640)
    assert found.boxes.max() > 160
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, [0, 2]] <= 640).all()
    assert (found.boxes[:, [1, 3]] <= 384).all()


def test_threshold_and_limit(tiny_searcher: PersonSearcher) -> None:
    scene = toy_scene(PEOPLE)
    assert len(tiny_searcher.detect(scene, threshold=1.0)) == 0
    assert len(tiny_searcher.detect(scene, max_people=2)) == 2
    for wrong, message in (
        ({"threshold": 2}, "threshold must be between 0 and 1, got 2"),
        ({"max_people": -1}, "max_people must be at least 1, got -1"),
        ({"max_people": 0}, "max_people must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            tiny_searcher.detect(scene, **wrong)  # type: ignore[call-overload]
        with pytest.raises(ConfigError, match=message):
            tiny_searcher.observe([(scene, np.zeros((0, 4)))], **wrong)


def test_observe_takes_the_same_limits_as_detect(tiny_searcher: PersonSearcher) -> None:
    scene = toy_scene(PEOPLE)
    [(detections, _)] = tiny_searcher.observe([(scene, np.zeros((0, 4)))], max_people=2)
    same(detections, tiny_searcher.detect(scene, max_people=2))


def test_the_person_searched_for_is_known(tiny_searcher: PersonSearcher) -> None:
    scene = toy_scene(PEOPLE)
    best = tiny_searcher.detect(scene)[0]
    detected = tiny_searcher.find_query(scene)
    assert detected.box == pytest.approx(best.boxes[0].tolist())
    assert detected.score == pytest.approx(float(best.scores[0]))
    assert detected.embedding == pytest.approx(best.embeddings[0])
    given = tiny_searcher.find_query(scene, (-5, 10, 30, 70))
    assert given.box == (0, 10, 30, 70)  # clipped to the scene
    assert given.score is None
    assert np.array_equal(given.embedding, tiny_searcher.embed_query(scene, (0, 10, 30, 70)))


def test_arrays_in_opencvs_order_are_what_they_show(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    rgb = np.asarray(toy_scene(PEOPLE))
    bgr, box = rgb[:, :, ::-1], (10, 10, 30, 70)
    expected = tiny_searcher.embed_query(rgb, box)
    assert np.array_equal(tiny_searcher.find_query(bgr, box, channel_order="BGR").embedding, expected)
    assert not np.allclose(tiny_searcher.find_query(bgr, box).embedding, expected, atol=1e-3)
    [(_, embedded)] = tiny_searcher.observe([(bgr, np.array([box]))], channel_order="BGR")
    assert np.allclose(embedded[0], expected, atol=1e-5)
    tiny_searcher.index({"a": rgb}, tmp_path / "g")
    matches = tiny_searcher.search(tmp_path / "g", rgb, box)
    assert tiny_searcher.search(tmp_path / "g", bgr, box, channel_order="BGR") == matches
    assert tiny_searcher.search(tmp_path / "g", bgr, box) != matches


def test_a_misspelt_filter_is_a_type_error_before_the_network_runs(
    tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_searcher.index({"a": toy_scene(PEOPLE)}, tmp_path / "g")
    monkeypatch.setattr(tiny_searcher.network, "embed", lambda *_: pytest.fail("the network ran"))
    with pytest.raises(TypeError, match="one_per_scene"):
        tiny_searcher.search(tmp_path / "g", toy_scene(PEOPLE), (1, 2, 30, 40), one_per_scene=True)  # type: ignore[call-arg]


def test_observe_gives_what_detect_and_embed_boxes_give(tiny_searcher: PersonSearcher) -> None:
    images = [toy_scene([(0, 10, 10), (1, 60, 20)]), toy_scene([(2, 30, 10)], width=120), toy_scene([], seed=3)]
    boxes = [np.array([[10, 10, 30, 70], [60, 20, 80, 80]], np.float32), np.array([[30, 10, 50, 70]], np.float32)]
    asked = [*boxes, np.zeros((0, 4), np.float32)]
    seen = list(tiny_searcher.observe(zip(images, asked, strict=True), threshold=0.1, batch_size=2))
    for image, box, (found, embedded) in zip(images, asked, seen, strict=True):
        alone = tiny_searcher.detect(image, threshold=0.1)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(found.embeddings, alone.embeddings, atol=1e-4)
        np.testing.assert_allclose(embedded, tiny_searcher.embed_boxes(image, box), atol=1e-4)


def test_embedding_a_detected_box_gives_its_embedding(tiny_searcher: PersonSearcher) -> None:
    scene = toy_scene(PEOPLE)
    found = tiny_searcher.detect(scene)
    again = tiny_searcher.embed_boxes(scene, found.boxes)
    assert (found.embeddings * again).sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert tiny_searcher.embed_query(scene) == pytest.approx(found.embeddings[0])
    assert tiny_searcher.embed_boxes(scene, np.zeros((0, 4))).shape == (0, 512)


@pytest.mark.parametrize(
    "box", [(200, 10, 220, 30), (10, 10, 10, 30), (30, 10, 10, 30), (0, 0, float("nan"), 5), (1, 2, 3), "box"]
)
def test_boxes_that_make_no_sense_are_named(tiny_searcher: PersonSearcher, box: tuple[float, ...]) -> None:
    with pytest.raises(ImageError, match=r"has no area inside the 160x96 image|four numbers"):
        tiny_searcher.embed_query(toy_scene(PEOPLE), box)


def test_a_query_without_a_person(tiny_config: ModelConfig) -> None:
    strict = tiny_config.model_copy(
        update={"detector": tiny_config.detector.model_copy(update={"score_threshold": 0.999})}
    )
    with pytest.raises(ImageError, match="nobody is detected here to search for"):
        PersonSearcher(build(strict), device="cpu").embed_query(toy_scene(PEOPLE))


def test_a_bad_image_in_a_list_is_named_with_its_position(tiny_searcher: PersonSearcher) -> None:
    with pytest.raises(ImageError, match=r"image 1: /nowhere\.jpg: no such file"):
        tiny_searcher.detect([toy_scene(PEOPLE), "/nowhere.jpg"])


def test_save_and_load_give_the_same_embeddings(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path / "weights")
    again = PersonSearcher.from_pretrained(folder, device="cpu")
    assert again.spec.fingerprint == tiny_searcher.spec.fingerprint
    assert again.config == tiny_searcher.config
    same(again.detect(toy_scene(PEOPLE)), tiny_searcher.detect(toy_scene(PEOPLE)))


def test_what_the_fast_path_took_over_is_read_again_to_be_saved(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path / "weights")
    copy = PersonSearcher.from_pretrained(folder, device="cpu").save_pretrained(tmp_path / "copy")
    assert (copy / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    half = PersonSearcher.from_pretrained(folder, device="cpu", dtype="bfloat16")
    stored = load_file(half.save_pretrained(tmp_path / "half") / "model.safetensors")
    name = "base.conv1.weight"
    assert torch.equal(stored[name], tiny_searcher.network.state_dict()[name].bfloat16())
    assert half.spec.fingerprint == tiny_searcher.spec.fingerprint
    PersonSearcher(build(tiny_searcher.config), device="cpu").save_pretrained(folder)
    with pytest.raises(WeightsMismatchError, match="holds other weights now"):
        half.save_pretrained(tmp_path / "third")


def test_a_network_from_nowhere_that_was_taken_over_cannot_be_saved(tiny_config: ModelConfig, tmp_path: Path) -> None:
    searcher = PersonSearcher(build(tiny_config), device="cpu", fast=True)
    with pytest.raises(WeightsError, match="leave fast=True out"):
        searcher.save_pretrained(tmp_path / "weights")


def test_unknown_dtype(tiny_config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="float16, bfloat16, float32"):
        PersonSearcher(build(tiny_config), dtype="int8")


def test_index_skips_what_is_there_and_reports_what_is_broken(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(3):
        toy_scene(PEOPLE, seed=n).save(photos / f"{n}.png")
    (photos / "broken.jpg").write_bytes(b"no image")
    report = tiny_searcher.index(photos, tmp_path / "g", cameras={"1.png": "c7"}, times={"1.png": 4.5})
    assert (report.added, report.skipped, report.people) == (3, 0, 15)
    [(name, reason)] = report.failed
    assert name == "broken.jpg"
    assert "cannot be read as an image" in reason
    toy_scene(PEOPLE, seed=9).save(photos / "9.png")
    again = tiny_searcher.index(photos, tmp_path / "g")
    assert (again.added, again.skipped) == (1, 3)
    matches = tiny_searcher.search(tmp_path / "g", photos / "1.png", k=3, cameras=["c7"])
    assert {(m.image_id, m.camera, m.time) for m in matches} == {("1.png", "c7", 4.5)}
    assert matches[0].similarity == pytest.approx(1, abs=1e-3)


def test_a_gallery_of_other_weights_is_refused(
    tiny_searcher: PersonSearcher, tiny_config: ModelConfig, tmp_path: Path
) -> None:
    tiny_searcher.index({"a": toy_scene(PEOPLE)}, tmp_path / "g")
    torch.manual_seed(1)
    other = PersonSearcher(build(tiny_config), device="cpu")
    with pytest.raises(GalleryMismatchError):
        other.search(tmp_path / "g", toy_scene(PEOPLE))
    with Gallery.open(tmp_path / "g") as gallery, pytest.raises(GalleryMismatchError):
        other.index({"b": toy_scene(PEOPLE)}, gallery)


@pytest.mark.gpu
def test_float16_is_the_default_on_cuda(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    network = build(tiny_config)
    scene = toy_scene(PEOPLE)
    boxes = [(10, 10, 30, 70), (60, 20, 80, 80)]
    full = PersonSearcher(network, device="cpu").embed_boxes(scene, boxes)
    half = PersonSearcher(network, device="cuda")
    assert half.dtype == torch.float16
    assert ((full * half.embed_boxes(scene, boxes)).sum(axis=1) > 0.98).all()


@pytest.mark.parametrize(
    "verb",
    ["detect", "stream", "find_query", "embed_query", "embed_boxes", "embed_crops", "observe", "index", "search"],
)
def test_every_verb_that_takes_images_takes_their_colour_order(verb: str) -> None:
    parameter = inspect.signature(getattr(PersonSearcher, verb)).parameters["channel_order"]
    assert parameter.default == "RGB"
    assert parameter.kind is inspect.Parameter.KEYWORD_ONLY

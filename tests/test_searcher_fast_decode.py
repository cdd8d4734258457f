"""JPEGs decoded at a part of their size: the same frame, nearly the same people, and never mixed with others."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.boxes import box_iou
from personsearch.datasets import load_dataset
from personsearch.demo import demo_folder
from personsearch.errors import GalleryMismatchError, ImageError
from personsearch.measure.observe import observe
from personsearch.models import ModelConfig, build
from tests.support import Run, toy_scene, toy_set

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph four times as large as the tiny network sees it."""
    path = tmp_path / "photos/large.jpg"
    path.parent.mkdir()
    toy_scene(PEOPLE).resize((640, 384), Image.Resampling.BICUBIC).save(path, quality=95)
    return path


@pytest.fixture
def quick(tiny_config: ModelConfig, tiny_searcher: PersonSearcher) -> PersonSearcher:
    """The tiny searcher's weights, with fast_decode."""
    network = build(tiny_config)
    network.load_state_dict(tiny_searcher.network.state_dict())
    return PersonSearcher(network, device="cpu", spec=tiny_searcher.spec, fast_decode=True)


def test_boxes_are_those_of_the_whole_image(searcher: PersonSearcher, tmp_path: Path) -> None:
    scene = Image.open(demo_folder() / "s23c4_0005.jpg")
    path = tmp_path / "large.jpg"
    scene.resize((1921, 1281), Image.Resampling.BICUBIC).save(path, quality=95)  # seen at 672x448: so half of it
    quick = PersonSearcher.from_pretrained(device="cpu", fast_decode=True)
    whole, reduced = searcher.detect(path), quick.detect(path)
    assert whole.image_size == reduced.image_size == (1281, 1921)
    sure = whole.scores > 0.9
    assert sure.sum() >= 2
    overlap = box_iou(whole.boxes[sure], reduced.boxes)
    assert (overlap.max(axis=1) > 0.9).all()
    same = (whole.embeddings[sure] * reduced.embeddings[overlap.argmax(axis=1)]).sum(axis=1)
    assert (same > 0.95).all()
    box = whole.boxes[0]
    assert searcher.embed_query(path, box) @ quick.embed_query(path, box) > 0.95
    assert not np.array_equal(searcher.embed_query(path, box), quick.embed_query(path, box))


def test_a_query_is_decoded_as_a_scene_is_and_a_crop_as_a_crop(quick: PersonSearcher, photo: Path) -> None:
    box = (40, 40, 120, 280)
    assert np.array_equal(quick.embed_query(photo, box), quick.embed_boxes(photo, [box])[0])
    [observed] = quick.observe([(photo, np.array([box], np.float32))])
    assert np.allclose(observed[1][0], quick.embed_query(photo, box), atol=1e-6)
    crop = photo.with_name("crop.jpg")
    Image.open(photo).resize((640, 1600)).save(crop)
    assert np.array_equal(quick.embed_query(crop, (0, 0, 640, 1600)), quick.embed_crops([crop])[0])


def test_what_cannot_be_reduced_stays_as_it_is(
    quick: PersonSearcher, tiny_searcher: PersonSearcher, photo: Path
) -> None:
    small = photo.with_name("small.jpg")
    toy_scene(PEOPLE).resize((250, 150)).save(small)
    for image in (small, Image.open(photo), np.array(Image.open(photo))):
        one, other = quick.detect(image), tiny_searcher.detect(image)
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.embeddings, other.embeddings)


def test_a_gallery_refuses_a_searcher_that_decodes_otherwise(
    quick: PersonSearcher, tiny_searcher: PersonSearcher, photo: Path, tmp_path: Path
) -> None:
    assert quick.spec == replace(tiny_searcher.spec, fast_decode=True)
    quick.index(photo.parent, tmp_path / "quick")
    tiny_searcher.index(photo.parent, tmp_path / "whole")
    for searcher, other in ((tiny_searcher, "quick"), (quick, "whole")):
        with pytest.raises(GalleryMismatchError, match="fast_decode"):
            searcher.search(tmp_path / other, photo, (40, 40, 120, 280))
    digests = set()
    for name in ("quick", "whole"):
        with Gallery.open(tmp_path / name, mode="r") as gallery:
            digests.add(gallery.scene("large.jpg").extra["sha256"])
    assert len(digests) == 1  # content is what the file holds, however it is decoded


def test_the_command_line_takes_over_what_the_gallery_recorded(
    run: Run, tiny_searcher: PersonSearcher, photo: Path, tmp_path: Path
) -> None:
    weights, gallery = tiny_searcher.save_pretrained(tmp_path / "weights"), tmp_path / "g"
    index = ("index", photo.parent, gallery, "--weights", weights)
    assert run(*index, "--fast-decode").code == 0
    assert json.loads(run("gallery", "info", gallery, "--json").out)["fast_decode"] is True
    assert re.search(r"fast decode +yes", run("gallery", "info", gallery).out)
    refused = run(*index)
    assert refused.code == 2
    assert "add it (--fast-decode)" in " ".join(refused.err.split())
    box = ("--box", "40,40,120,280")
    found = json.loads(run("search", gallery, photo, *box, "--weights", weights, "--json").out)["matches"]
    quick = PersonSearcher.from_pretrained(weights, device="cpu", fast_decode=True)
    [first, *_] = quick.search(gallery, photo, (40, 40, 120, 280))
    assert found[0]["similarity"] == pytest.approx(first.similarity, abs=1e-5)
    shown = json.loads(run("detect", photo, "--weights", weights, "--fast-decode", "--json").out)
    assert shown[0]["boxes"] == quick.detect(photo).boxes.round(2).tolist()


def test_observations_are_kept_apart(quick: PersonSearcher, tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    data = load_dataset(toy_set(tmp_path / "toy", num_scenes=2), split="train")
    for searcher, kept in ((tiny_searcher, 1), (quick, 2), (tiny_searcher, 2)):
        observe(searcher, data, cache_dir=tmp_path / "cache", progress=False)
        assert len(list((tmp_path / "cache").iterdir())) == kept


def test_a_picture_from_an_address_is_fetched_once_and_named_by_it(
    quick: PersonSearcher, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crop = photo.with_name("crop.jpg")
    Image.open(photo).resize((640, 1600)).save(crop)
    address, fetched = "http://127.0.0.1:9/crop.jpg", [crop.read_bytes(), b"no picture"]
    monkeypatch.setattr("personsearch.runner.download", lambda url: fetched.pop(0))
    person = quick.find_query(address, (0, 0, 640, 1600))
    assert np.array_equal(person.embedding, quick.embed_crops([crop])[0])
    with pytest.raises(ImageError, match=f"^{address}: cannot be read as an image"):
        quick.find_query(address)

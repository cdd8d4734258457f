"""The benchmark of crops as queries shows what it says it shows."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.crop_queries import crop_of, embedded, line, taken, ways, windows
from personsearch import PersonSearcher
from personsearch.datasets import load_dataset
from personsearch.evaluation import PRESETS
from personsearch.measure.observe import observe


def test_crops_are_cut_to_whole_pixels_within_the_image() -> None:
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    assert np.array_equal(crop_of(pixels, np.array([1.6, 2.2, 5.4, 9.9])), pixels[2:10, 2:5])
    assert np.array_equal(crop_of(pixels, np.array([-3.0, 0.0, 20.0, 4.0])), pixels[0:4])
    assert crop_of(pixels, np.array([3.1, 3.1, 3.4, 3.4])).shape == (1, 1, 3)


def test_windows_are_as_tall_as_the_scene_and_show_people(toy_annotations: Path) -> None:
    dataset = load_dataset(toy_annotations, "train")  # people of 60 pixels in scenes of 160 x 96
    shown = list(windows(dataset, 2.0, 3))
    assert [window.shape for window in shown] == [(96, 48, 3)] * 3
    assert list(windows(dataset, 0.5, 3)) == []  # wider than the scenes


def test_each_way_gives_unit_vectors_and_the_shipped_one_is_among_them(
    tiny_searcher: PersonSearcher, toy_annotations: Path
) -> None:
    rows = [{"annotation_id": number} for number in (1, 2, 4)]
    (toy_annotations.parent / "queries.json").write_text(json.dumps({"queries": rows}))
    dataset = load_dataset(toy_annotations, "test")
    observed = observe(tiny_searcher, dataset, annotated=False, progress=False)
    crops = [np.array(Image.new("RGB", (20, 60), (n, 90, 90))) for n in (10, 90, 200)]
    found = ways(tiny_searcher, [128], [48])
    assert len(found) == 4
    for name, embed in found.items():
        vectors, nobody = embedded(crops, embed, 512)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
        assert nobody <= 3
        told = line(name, vectors, nobody, observed, dataset, PRESETS["standard"])
        assert told.startswith(f"| {name} | ")
    shipped, _ = embedded(crops, found["crop 128 px tall, margin 48 px"], 512)
    assert np.allclose(shipped, tiny_searcher.embed_crops(crops), atol=1e-5)
    vectors, nobody = embedded(crops, lambda _: None, 512)
    assert nobody == 3
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert sum(taken(tiny_searcher, crops).values()) == 3

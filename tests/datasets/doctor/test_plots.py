"""Plots: the numbers in them by hand, and pictures that show something."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from personsearch.datasets.doctor.plots import (
    Series,
    box_size_plot,
    cameras_per_identity_plot,
    dataset_plots,
    long_tail_plot,
    people_per_frame_plot,
)
from personsearch.errors import DatasetError, MissingExtraError
from personsearch.pictures.charts import SERIES
from tests.datasets.doctor.faults import clean_sets, dataset

COLOURS = [line.colour for line in SERIES]
COUNTS = np.array([9, 3, 3, 2, 1, 1, 1])
PLOTS: dict[str, tuple[Callable[..., Path], NDArray[np.generic]]] = {
    "long-tail": (long_tail_plot, COUNTS),
    "people": (people_per_frame_plot, COUNTS),
    "cameras": (cameras_per_identity_plot, COUNTS),
    "sizes": (box_size_plot, np.array([[0, 0, 10, 30], [5, 5, 25, 45], [1, 2, 31, 92]], np.float32)),
}


def ink(path: Path, colour: str) -> int:
    """Count pixels of exactly a colour."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    return int((pixels == ImageColor.getrgb(colour)).all(axis=2).sum())


@pytest.mark.parametrize("name", PLOTS)
def test_every_series_is_drawn_in_its_colour(name: str, tmp_path: Path) -> None:
    draw, numbers = PLOTS[name]
    one: Series = {"train": numbers}
    path = draw(one, tmp_path / "new" / "one.png", "A title")
    with Image.open(path) as image:
        assert image.size == (1200, 675)
    assert ink(path, COLOURS[0]) > 500
    assert ink(path, COLOURS[1]) == 0
    both = draw({"target": numbers, "result": numbers[:2]}, tmp_path / "both.png")
    assert ink(both, COLOURS[1]) > 500


@pytest.mark.parametrize("name", PLOTS)
def test_odd_numbers_and_names_can_be_drawn(name: str, tmp_path: Path) -> None:
    draw, numbers = PLOTS[name]
    for odd in (numbers[:1], np.repeat(numbers[:1], 5, axis=0)):
        assert ink(draw({"_a$b_c$": odd}, tmp_path / "odd.png", "50% $ of_all"), COLOURS[0]) > 50


def test_many_counts_become_an_outline(tmp_path: Path) -> None:
    crowd = np.random.default_rng(0).poisson(80, 500)
    assert ink(people_per_frame_plot({"crowd": crowd}, tmp_path / "crowd.png"), COLOURS[0]) > 500


def test_series_without_identities_are_left_out_of_the_long_tail(tmp_path: Path) -> None:
    nobody = np.zeros(0, np.int64)
    path = long_tail_plot({"a": COUNTS, "b": nobody}, tmp_path / "a.png")
    assert ink(path, COLOURS[0]) > 500
    assert ink(path, COLOURS[1]) == 0
    assert ink(long_tail_plot({"b": nobody}, tmp_path / "b.png"), COLOURS[0]) == 0


def test_a_set_gets_the_plots_it_can_have(tmp_path: Path) -> None:
    sets = clean_sets(tmp_path)
    four = ["people-per-frame.png", "box-sizes.png", "identity-long-tail.png", "cameras-per-identity.png"]
    assert [path.name for path in dataset_plots(sets, tmp_path / "plots")] == four
    no_cameras = dataset("a", [replace(scene, camera=None) for scene in sets[0].scenes])
    assert [path.name for path in dataset_plots([no_cameras], tmp_path / "plots")] == four[:3]
    strangers = [replace(scene, identities=np.full(3, -1)) for scene in sets[0].scenes]
    assert [path.name for path in dataset_plots([dataset("a", strangers)], tmp_path / "plots")] == four[:2]
    with pytest.raises(DatasetError, match="empty: no scenes"):
        dataset_plots([dataset("empty", [])], tmp_path)


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"personsearch\[data\]"):
        long_tail_plot({"a": COUNTS}, tmp_path / "a.png")

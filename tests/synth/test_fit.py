"""Charts of a fit: target and result are both there, and only what there is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from personsearch.errors import MissingExtraError
from personsearch.synth.fit import RESULT, TARGET, draw_fit
from personsearch.synth.recipe import load_recipe
from personsearch.synth.statistics import Statistics

SMALL = Statistics(
    heights=np.array([0.1, 0.2, 0.2, 0.4]), per_frame=np.array([0.0, 1.0, 3.0]), per_identity=np.array([1.0, 1.0, 2.0])
)


def ink(path: Path, colour: str) -> int:
    """Count pixels of exactly a colour."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    return int((pixels == ImageColor.getrgb(colour)).all(axis=2).sum())


def test_target_and_result_are_drawn(tmp_path: Path) -> None:
    paths = draw_fit(load_recipe("prw-like"), SMALL, "train", tmp_path / "fit")
    assert [path.name for path in paths] == ["fit.png", "long-tail.png"]
    for path in paths:
        assert path.stat().st_size < 300_000
        assert ink(path, TARGET.colour) > 500
        assert ink(path, RESULT.colour) > 100


def test_without_a_target_the_result_is_drawn_alone(tmp_path: Path) -> None:
    for path in draw_fit(load_recipe("street-small"), SMALL, "test", tmp_path):
        assert ink(path, TARGET.colour) == 0
        assert ink(path, RESULT.colour) > 100


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"personsearch\[data\]"):
        draw_fit(load_recipe("prw-like"), SMALL, "train", tmp_path)

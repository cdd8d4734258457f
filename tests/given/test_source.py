"""Boxes of one picture after another: the account of classes, and detectors that are asked."""

import logging
from pathlib import Path

import numpy as np
import pytest

from personsearch.errors import ImageError
from personsearch.given import BoxSource, DetectionsFile
from personsearch.given.classes import is_people

BOX = [10, 10, 30, 70]
PIXELS = np.zeros((96, 160, 3), np.uint8)


def test_names_of_people() -> None:
    assert all(map(is_people, ["person", " Pedestrian", "people", "HUMAN", "person 7", "person_12"]))
    assert not any(map(is_people, ["car", "personal computer", "rider", "person seven", ""]))


def test_a_mapping_gives_what_it_holds_and_refuses_other_pictures() -> None:
    source = BoxSource({"a": [BOX], "b": []})
    assert not source.wants_pixels
    assert source.pictures == ("a", "b")
    assert len(source.people("a", "a.jpg")) == 1
    assert len(source.people("b", "b.jpg")) == 0
    with pytest.raises(ImageError, match=r"c\.jpg: no boxes are given for this picture; where nobody is, give an"):
        source.people("c", "c.jpg")
    assert source.digest("a") == source.people("a", "again").digest
    assert source.digest("c") is None


def test_a_detector_is_asked_with_the_picture_and_its_error_comes_through_with_a_note() -> None:
    seen = []

    def detector(pixels: np.ndarray) -> list[list[int]]:
        seen.append(pixels)
        if len(seen) == 2:
            raise KeyError("out of memory")
        return [BOX]

    source = BoxSource(detector)
    assert source.wants_pixels
    assert source.pictures is None
    assert source.people("a", "a.jpg", PIXELS).boxes.tolist() == [BOX]
    assert seen[0] is PIXELS
    with pytest.raises(KeyError, match="out of memory") as raised:
        source.people("b", "b.jpg", PIXELS)
    assert raised.value.__notes__ == ["raised by the detector that was given as boxes, for b.jpg"]
    assert source.digest("a") is None


def test_a_file_of_results_has_nobody_where_it_has_no_row() -> None:
    source = BoxSource(DetectionsFile(Path("r.json"), {"a": BoxSource({0: [BOX]}).people(0, "")}, lists_pictures=False))
    assert [len(source.people(name, name)) for name in ("a", "b", "c")] == [1, 0, 0]
    assert source.absent == 2
    whole = BoxSource(DetectionsFile(Path("set.json"), {}, lists_pictures=True))
    with pytest.raises(ImageError, match=r"b: is not among the 0 pictures of set\.json"):
        whole.people("b", "b")
    assert whole.absent == 0


def test_classes_without_names_must_be_one_over_all_pictures_of_a_call() -> None:
    # A picture that shows a dog alone looks like one of a person alone; the next one tells.
    source = BoxSource(
        {0: {"boxes": [BOX], "labels": [1]}, 1: {"boxes": [], "labels": []}, 2: {"boxes": [BOX], "labels": [0]}}
    )
    assert len(source.people(0, "a.jpg")) == 1
    assert len(source.people(1, "b.jpg")) == 0
    with pytest.raises(ImageError, match=r"c\.jpg: has class 0, what came before has class 1, and nothing says which"):
        source.people(2, "c.jpg")


def test_what_names_leave_out_is_counted_and_a_warning_where_nobody_is_left(caplog: pytest.LogCaptureFixture) -> None:
    source = BoxSource({})
    source.classes.by_name(["car", "dog", "car"])
    with caplog.at_level(logging.INFO, "personsearch"):
        source.classes.log()
        source.classes.by_name(["person"])
        source.classes.log()
    warning, info = caplog.records
    assert (warning.levelname, info.levelname) == ("WARNING", "INFO")
    assert "no box is called person; left out: car (2), dog (1); if those are people, leave" in warning.message
    assert info.message == "boxes of other things than people left out: car (2), dog (1)"


def test_neither_a_mapping_nor_a_function() -> None:
    with pytest.raises(ImageError, match="a mapping image_id -> boxes or a function of a picture, got a list"):
        BoxSource([[BOX]])  # type: ignore[arg-type]

"""docs/other-detectors.md says what the code does."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from personsearch import Gallery, PersonSearcher
from personsearch.given.classes import PEOPLE
from tests.support import Run, toy_scene

PAGE = (Path(__file__).parents[1] / "docs" / "other-detectors.md").read_text()


def python(number: int) -> str:
    """Return one of the page's blocks of Python."""
    return str(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[number])


@pytest.fixture
def names(tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number in range(2):
        toy_scene([(0, 10, 10)], 640, 640, seed=number).save(f"photos/{number}.jpg")
    toy_scene([(0, 10, 10)], 640, 640).save("door.jpg")
    found = {"boxes": [[10, 10, 30, 70]], "scores": [0.5]}
    return {
        "searcher": tiny_searcher,
        "paths": ["photos/0.jpg", "photos/1.jpg"],
        "found": found,
        "found_a": found,
        "found_b": [],
        "detector": lambda _: found,
    }


def test_the_ways_to_give_boxes(names: dict[str, Any]) -> None:
    *first, last = python(0).splitlines()
    exec("\n".join(first), names)  # noqa: S102  # our own page
    assert [len(one) for one in names["detections"]] == [1, 0]
    assert names["report"].people == 2
    exec(last.replace("my-gallery", "other"), names)  # noqa: S102
    assert names["report"].people == 1


def test_the_recipe_for_torchvision(names: dict[str, Any]) -> None:
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.manual_seed(0)
    network = ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=2, score_thresh=0.4, detections_per_img=6
    )  # knows nothing, so every score is about a half
    names |= {"network": network.eval(), "torch": torch}
    first, *others = python(1).splitlines()
    assert first.startswith("network = ")
    exec("\n".join(others), names)  # noqa: S102
    with Gallery.open("my-gallery", mode="r") as gallery:
        assert len(gallery) > 0
        assert all(one.score >= 0.5 for one in gallery.sightings(range(1, len(gallery) + 1)))


def test_the_names_of_people_on_the_page_are_those_of_the_code() -> None:
    [listed] = re.findall(r"of a file\): (.*?) are kept", PAGE, flags=re.DOTALL)
    assert set(re.split(r",\s+", listed)) == PEOPLE


def test_the_options_on_the_page_are_those_of_the_command(run: Run) -> None:
    shown = run("index", "--help").out
    for option in ("--boxes", "--boxes-images", "--replace", "--tracks", "--crops", "--prefix"):
        assert option in PAGE
        assert option in shown

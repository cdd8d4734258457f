"""``personsearch search`` with several pictures, tracks, people and feedback."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.models import ModelConfig, build
from personsearch.people import NewScene, NewTrack, NewView
from tests.support import Run, toy_scene

BOX = "10,10,30,70"


@pytest.fixture(scope="module")
def folder(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs and weights, and a gallery of two cameras: two stills, and tracks of one view each.

    Everybody has been grouped, and one has a name.
    """
    root = tmp_path_factory.mktemp("queries")
    torch.manual_seed(0)
    weights = PersonSearcher(build(tiny_config), device="cpu").save_pretrained(root / "weights")
    photos = [root / f"{number}.png" for number in range(3)]
    for number, path in enumerate(photos):
        toy_scene([(0, 10, 10), (1, 60, 20), (2, 115, 8)], seed=number).save(path)
    searcher = PersonSearcher.from_pretrained(weights, device="cpu")
    with Gallery.open(root / "g", searcher.spec) as opened:
        for path in photos[:2]:
            opened.add(path.name, searcher.detect(path), camera="door", time=1.0, extra={"path": str(path)})
        extra = {"path": str(photos[2])}
        scene = NewScene(image_id="2.png", detections=searcher.detect(photos[2]), camera="yard", extra=extra)
        views = [NewView(image_id="2.png", row=row, frames=1) for row in range(len(scene.detections))]
        opened.tracks.add([scene], [NewTrack(views=(view,)) for view in views])
        opened.people.group(min_similarity=0.999)
        opened.people.name(1, "Anna [A]")
    return root


@pytest.fixture
def photos(folder: Path) -> Path:
    return folder


@pytest.fixture
def gallery(folder: Path) -> Path:
    return folder / "g"


def test_several_pictures_with_a_box_each(run: Run, gallery: Path, photos: Path, tmp_path: Path) -> None:
    pictures = (photos / "0.png", photos / "1.png")
    answer = json.loads(run("search", gallery, *pictures, "--box", BOX, "--box", "60,20,80,80", "--json").out)
    assert [query["box"] for query in answer["queries"]] == [[10, 10, 30, 70], [60, 20, 80, 80]]
    assert answer["query"] == answer["queries"][0]
    best = run("search", gallery, *pictures, "--combine", "best", "--save", tmp_path / "m.png", "-k", 2)
    assert f"{pictures[1]}: looking for the person at " in best.out
    with Image.open(tmp_path / "m.png") as drawn:
        assert drawn.width > 4 * 200  # two queries, two matches


def test_a_track_and_a_person_need_no_network(
    run: Run, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PersonSearcher, "from_pretrained", lambda *_, **__: pytest.fail("the network was loaded"))
    matches = json.loads(run("search", gallery, "--track", 1, "-k", 100, "--json").out)["matches"]
    assert 1 not in {match["track"]["track_id"] for match in matches if match["track"]}
    shown = run("search", gallery, "--person", 1, "--save", tmp_path / "m.png", columns=160)
    assert "looking for person 1; its own detection is left out" in shown.out
    assert (tmp_path / "m.png").stat().st_size > 1000
    alike = json.loads(run("search", gallery, "--like", 3, "-k", 1, "--json").out)["matches"]
    assert [match["detection_id"] for match in alike] == [3]
    assert "looking for people like detection 3, 4" in run("search", gallery, "--like", 3, "--like", 4).out


def test_a_match_can_be_confirmed_and_rejected(run: Run, gallery: Path, photos: Path) -> None:
    query = ("search", gallery, photos / "0.png", "--box", BOX, "--json")
    first = [match["detection_id"] for match in json.loads(run(*query).out)["matches"]]
    marked = ("--like", first[0], "--unlike", first[1], "--unlike", first[2])
    second = [match["detection_id"] for match in json.loads(run(*query, *marked).out)["matches"]]
    assert first[0] in second
    assert not {first[1], first[2]} & set(second)


def test_the_best_of_every_camera(run: Run, gallery: Path, photos: Path) -> None:
    query = ("search", gallery, photos / "0.png", "--box", BOX, "-k", 1, "--json")
    assert len(json.loads(run(*query).out)["matches"]) == 1
    cameras = [match["camera"] for match in json.loads(run(*query, "--per-camera").out)["matches"]]
    assert sorted(cameras) == ["door", "yard"]
    plain = json.loads(run(*query).out)["matches"]
    assert json.loads(run(*query, "--camera-bias", 1).out)["matches"][0]["similarity"] != plain[0]["similarity"]


def test_the_table_names_people_tracks_and_detections(run: Run, gallery: Path, photos: Path) -> None:
    query = ("search", gallery, photos / "0.png", "--box", BOX, "-k", 100)
    wide, narrow, lines = (run(*query, columns=columns).out for columns in (160, 110, 40))
    assert "1 Anna [A]" in wide
    header = wide.split("rank", 1)[1].splitlines()[0].split()
    assert header == ["similarity", "person", "track", "scene", "camera", "time", "box", "score", "detection"]
    assert max(len(line) for line in narrow.splitlines()) <= 110
    assert "rank 1: similarity " in lines
    assert ", detection " in lines


MISTAKES: list[tuple[tuple[object, ...], str]] = [
    ((), "there is nobody to look for; give an image, or --track, --person or --like"),
    (("Q", "--track", 1), "images and --track are given, but a search is for one of these"),
    (("--track", 1, "--person", 1), "--track and --person are given"),
    (("Q", "Q", "--box", BOX), "--box is given 1 time for 2 images: give one for each image"),
    (("--track", 1, "--box", BOX), "--box is given 1 time for 0 images"),
    (("--track", 99), "there is no track 99"),
    (("--person", 99), "there is no person 99"),
    (("--like", 999), "nobody has detection_id 999"),
    (("--track", 1, "--unlike", 999), "unlike: nobody has detection_id 999"),
    (("--track", 1, "--query-camera", "door"), "query_camera only serves to take camera bias out"),
    (("--track", 1, "--camera-bias", 1, "--query-camera", "dor"), "has the query's camera 'dor', only door, yard"),
    (("--track", 1, "--like", 2, "--unlike", 2), "detection 2 is in like and in unlike"),
]


def test_mistakes_are_said(run: Run, gallery: Path, photos: Path) -> None:
    for arguments, message in MISTAKES:
        done = run("search", gallery, *[photos / "0.png" if one == "Q" else one for one in arguments])
        assert done.code == 2, arguments
        assert message in done.err.replace("\n", " "), arguments
        assert "Traceback" not in done.err

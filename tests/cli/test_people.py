"""``personsearch people`` on small galleries that no network has filled."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch import Detections, Gallery
from personsearch.people import NewScene, NewTrack, NewView
from personsearch.results import Spec
from tests.gallery.toy import DIM
from tests.support import Run, toy_scene
from tests.toy_calibration import calibration

#: Who is in view of which camera from when to when, one track each; and one who was photographed once.
SEEN = [(0, "door", 1, 4), (0, "yard", 8, 20), (1, "door", 2, 3), (1, "hall", 30, 36), (2, "yard", 9, 12)]
ONCE = (3, "door", 50)


def embedding(identity: int, number: int) -> np.ndarray:
    """Return a direction close to that of its identity: 0.99 to another of the same, less than 0.1 to others."""
    vector = np.zeros(DIM, np.float32)
    vector[identity], vector[8 + number % 8] = 0.995, 0.0999
    return vector / np.linalg.norm(vector)


def shown(identity: int, number: int) -> Detections:
    return Detections(
        boxes=np.array([[70, 18, 90, 78]], np.float32),
        scores=np.ones(1, np.float32),
        embeddings=embedding(identity, number)[None],
        image_size=(96, 160),
    )


def fill(folder: Path, pictures: Path, weights: str = "gone") -> Path:
    """Make a gallery of :data:`SEEN`: each track has a view in two pictures, the second one standing for the rest."""
    pictures.mkdir()
    spec = Spec(name=weights, fingerprint="f" * 64, embedding_size=DIM)
    with Gallery.open(folder, spec) as gallery:
        for number, (identity, camera, first, last) in enumerate(SEEN):
            scenes = []
            for time in (first, last):
                path = pictures / f"{camera}-{number}-{time}.png"
                toy_scene([(identity, 70, 18)], seed=number).save(path)
                scenes.append(
                    NewScene(
                        image_id=path.name,
                        detections=shown(identity, number),
                        camera=camera,
                        time=float(time),
                        extra={"path": str(path)},
                    )
                )
            views = (
                NewView(image_id=scenes[0].image_id, row=0, frames=1),
                NewView(image_id=scenes[1].image_id, row=0, frames=last - first),
            )
            gallery.tracks.add(scenes, [NewTrack(views=views, first=float(first), last=float(last))])
        identity, camera, time = ONCE
        gallery.add("once.png", shown(identity, 9), camera=camera, time=float(time))
    return folder


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return fill(tmp_path / "g", tmp_path / "pictures")


@pytest.fixture
def grouped(gallery: Path, run: Run) -> Path:
    """The same, grouped: 1 by the door and in the yard, 2 by the door and in the hall, 3 in the yard, 4 once."""
    assert run("people", gallery, "--min-similarity", 0.5).code == 0
    return gallery


def listed(run: Run, *arguments: object) -> dict[int, list[tuple[str, float]]]:
    """Return person -> camera and first time of each appearance."""
    people = json.loads(run("people", *arguments, "--json").out)["people"]
    return {one["person_id"]: [(seen["camera"], seen["first"]) for seen in one["appearances"]] for one in people}


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_first_listing_groups_and_a_second_one_lists(run: Run, gallery: Path) -> None:
    done = run("people", gallery, "--min-similarity", 0.5)
    assert done.code == 0, done.err
    assert done.out.startswith("6 appearances grouped (similarity 0.50 or more)\n")
    header, _, *rows = [line.split() for line in done.out.splitlines()[2:8] if line.strip()]
    assert header == ["person", "appearances", "frames", "cameras", "first", "last"]
    assert rows == [
        ["1", "2", "17", "door,", "yard", "0:00:01", "0:00:20"],
        ["2", "2", "9", "door,", "hall", "0:00:02", "0:00:36"],
        ["3", "1", "4", "yard", "0:00:09", "0:00:12"],
        ["4", "1", "1", "door", "0:00:50", "0:00:50"],
    ]
    last = "4 people; 2 of them were seen more than once"
    assert done.out.splitlines()[-1] == last
    database = {file.name: file.read_bytes() for file in gallery.glob("*.sqlite*")}
    again = run("people", gallery)
    assert "grouped" not in again.out
    assert {file.name: file.read_bytes() for file in gallery.glob("*.sqlite*")} == database


def test_who_is_new_is_grouped_the_next_time(run: Run, grouped: Path) -> None:
    with Gallery.open(grouped) as opened:
        opened.add("new.png", shown(2, 1), camera="door", time=60.0)
        opened.add("other.png", shown(5, 1), camera="door", time=61.0)
    done = run("people", grouped)
    assert "8 appearances grouped (similarity 0.50 or more), 1 of them new" in done.out
    assert listed(run, grouped)[3] == [("yard", 9.0), ("door", 60.0)]


def test_while_another_process_writes_the_others_are_listed(run: Run, grouped: Path) -> None:
    with Gallery.open(grouped) as opened:
        opened.add("new.png", shown(5, 1))
        done = run("people", grouped)
        assert (done.code, done.out.splitlines()[-1].partition(";")[0]) == (0, "4 people")
        assert "1 detection added since the last grouping left out" in done.err
        assert run("people", grouped, "--min-similarity", 0.9).code == 2


def test_only_some_are_shown_and_all_are_counted(run: Run, grouped: Path) -> None:
    def last(*options: object) -> str:
        return run("people", grouped, *options).out.splitlines()[-1]

    assert last("--min-frames", 4) == "4 people; 3 of them were seen in at least 4 frames"
    assert last("--min-frames", 10) == "4 people; 1 of them was seen in at least 10 frames"
    assert last("--camera", "hall", "--camera", "yard") == "4 people; 3 of them were seen by hall or yard"
    assert last("--since", 36, "--until", 49) == "4 people; 1 of them was seen from 0:00:36 to 0:00:49"
    # Person 1 was by the door, and there at 10 s, but not both at once.
    assert last("--camera", "door", "--since", 5) == "4 people; 1 of them was seen by door, at 0:00:05 or later"
    nobody = run("people", grouped, "--camera", "roof", "--until", 0)
    assert nobody.out == "4 people; none of them were seen by roof, at 0:00:00 or before\n"
    assert "no scene here has the camera roof; known: door, hall, yard" in nobody.err


def test_a_video_stands_for_its_camera_where_that_is_not_known(run: Run, grouped: Path) -> None:
    with Gallery.open(grouped) as opened:
        opened.add("yard 2.mp4#t=1.500", shown(3, 2), time=51.5)
        opened.add("a.png", shown(5, 2), time=52.0)
    rows = [line.split() for line in run("people", grouped).out.splitlines()]
    assert ["4", "2", "2", "door,", "yard", "2.mp4", "0:00:50", "0:00:51"] in rows
    assert ["5", "1", "1", "0:00:52", "0:00:52"] in rows
    done = run("people", grouped, "--camera", "yard 2.mp4")
    assert (done.err, done.out.splitlines()[-1]) == ("", "5 people; 1 of them was seen by yard 2.mp4")
    assert listed(run, grouped, "--camera", "yard 2.mp4") == {4: [("door", 50.0), (None, 51.5)]}
    assert "yard 2.mp4" in run("people", "show", grouped, 4).out


def test_what_time_and_place_say_against_it_is_heeded(run: Run, gallery: Path) -> None:
    def of_one(*options: object) -> int:
        return len(listed(run, gallery, "--min-similarity", 0.5, *options))

    assert of_one("--max-span", 20) == 5  # person 2 is seen over 34 s
    assert of_one("--no-gates") == 4
    assert of_one("--min-travel", 10) == 5  # person 1 is in the yard 4 s after the door
    assert of_one("--min-travel", 10, "--place", "door=front", "--place", "yard=front") == 4
    assert len(listed(run, gallery)) == 4


WRONG_OPTIONS = [
    (("--place", "door=front"), "give --min-travel SECONDS too"),
    (("--min-travel", 1, "--place", "door"), "--place 'door': write CAMERA=PLACE"),
    (("--min-travel", 1, "--place", "a=b", "--place", "a=c"), "camera a is at b already"),
    (("--max-span", 1, "--no-gates"), "exclude each other"),
    (("--auto-similarity", "--min-similarity", 0.5), "--auto-similarity excludes"),
    (("--auto-similarity",), "what its similarities mean is not known here: gone: no weights of this"),
    (("--min-frames", 0), "--min-frames"),
    (("--since", "nan"), "--since nan: must be a number of seconds"),
    (("--max-span", "inf"), "--max-span inf: must be a number of seconds; leave it out for no limit"),
    (("--min-similarity", 2), "--min-similarity"),
    (("--save", "people.doc"), "does not end like a picture"),
    (("--save", "g/"), "--save g/: is the gallery itself"),
    (("--max-false-match-rate", 0.001), "what its similarities mean is not known here: gone: no weights of this"),
    ((), "Say from which similarity on two are taken for one person, such as --min-similarity 0.5"),
]


def test_a_wrong_option_changes_nothing(
    run: Run, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for options, message in WRONG_OPTIONS:
        done = run("people", gallery, *options)
        assert (done.code, done.out) == (2, ""), options
        assert message in flat(done.err)
    with Gallery.open(gallery, mode="r") as opened:
        assert len(opened.people) == 0


def test_the_calibration_of_the_weights_is_read(run: Run, tmp_path: Path) -> None:
    calibration().save(tmp_path)
    folder = fill(tmp_path / "g", tmp_path / "pictures", weights=str(tmp_path))
    assert "grouped (similarity 0.50 or more)" in run("people", folder).out
    assert "grouped (similarity 0.50 or more)" in run("people", folder, "--max-false-match-rate", 0.01).out
    assert len(listed(run, folder)) == 4
    assert "too few pairs" in flat(run("people", folder, "--max-false-match-rate", 0.001).err)


def test_no_network_is_loaded(gallery: Path, tmp_path: Path) -> None:
    calls = [
        ["people", str(gallery), "--min-similarity", "0.5", "--save", "sheet.png"],
        ["people", "name", str(gallery), "1", "A"],
    ]
    code = (
        "import sys; sys.modules['torch'] = None; from personsearch.cli import app\n"
        f"for call in {calls!r}: app(call, standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sheet.png").exists()


def test_an_empty_gallery_and_none(run: Run, tmp_path: Path) -> None:
    Gallery.open(tmp_path / "g", Spec(name="x", fingerprint="f" * 64, embedding_size=DIM)).close()
    assert run("people", tmp_path / "g").out == "nobody is stored in this gallery\n"
    for command in ([], ["undo"], ["decisions"], ["forget"], ["show"], ["name"]):
        more = [1] if command and command[0] in ("forget", "show", "name") else []
        done = run("people", *command, tmp_path / "none", *more, *(["A"] if command == ["name"] else []))
        assert (done.code, done.out) == (2, "")
        assert "there is no gallery here" in done.err
    assert not (tmp_path / "none").exists()


def test_sheets(run: Run, grouped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("people", grouped, "--save", tmp_path / "new" / "sheet.png")
    assert f"drawn into {tmp_path}/new/sheet.png" in done.out
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        whole = sheet.size
    monkeypatch.setattr("personsearch.cli.people_sheet.PER_PAGE", 3)
    done = run("people", grouped, "--save", tmp_path / "sheets")
    assert f"drawn into 2 pictures in {tmp_path}/sheets" in done.out
    assert sorted(os.listdir(tmp_path / "sheets")) == ["people-001.png", "people-002.png"]
    with Image.open(tmp_path / "sheets" / "people-002.png") as sheet:
        assert sheet.height < whole[1] / 2
    run("people", grouped, "--save", tmp_path / "few.png", "--without-pictures")
    with Image.open(tmp_path / "few.png") as sheet:
        assert sheet.height < whole[1]
    assert run("people", "show", grouped, 2, "--save", tmp_path / "two.png").code == 0
    with Image.open(tmp_path / "two.png") as sheet:
        assert sheet.height > whole[1] / 4 + 15  # with the numbers of its tracks
    run("people", "show", grouped, 2, "--save", tmp_path / "sheets")
    assert "person-002.png" in os.listdir(tmp_path / "sheets")
    assert "there is nobody to draw" in run("people", grouped, "--min-frames", 99, "--save", tmp_path / "no.png").out
    indexed = tmp_path / "pictures" / "door-0-1.png"
    content = indexed.read_bytes()
    lost = run("people", grouped, "--save", indexed)
    assert (lost.code, indexed.read_bytes()) == (2, content)
    assert "is the image itself, which would be lost" in flat(lost.err)
    monkeypatch.setattr("personsearch.cli.people_sheet.MOST_PEOPLE", 3)
    many = run("people", grouped, "--save", tmp_path / "many.png")
    assert many.code == 2
    assert "4 people are too many for one picture (3 at most); name a folder" in flat(many.err)


def test_show(run: Run, grouped: Path) -> None:
    done = run("people", "show", grouped, 1)
    assert done.out.startswith("person 1: 2 appearances in 17 frames, door, yard\n")
    rows = [line.split() for line in done.out.splitlines()]
    assert ["1", "1,", "2", "4", "door", "0:00:01", "to", "0:00:04"] in rows
    assert ["11", "1", "door", "0:00:50"] in [
        line.split() for line in run("people", "show", grouped, 4).out.splitlines()
    ]
    assert json.loads(run("people", "show", grouped, 1, "--json").out)["cameras"] == ["door", "yard"]


def test_decisions_by_hand(run: Run, grouped: Path) -> None:
    assert "nothing has been decided" in run("people", "decisions", grouped).out
    named = run("people", "name", grouped, 2, "  Anna [red]\nŁącka ")
    assert named.out.startswith("person 2 is Anna [red] Łącka now\n")
    merged = run("people", "merge", grouped, 3, 2)
    assert merged.out.splitlines() == [
        "people 3 and 2 are one now: person 3 (Anna [red] Łącka), 3 appearances in 13 frames, door, hall, yard",
        f"'personsearch people undo {grouped}' takes this back",
    ]
    assert "Anna [red] Łącka" in run("people", grouped).out
    split = run("people", "split", grouped, 3, "--track", 4, "--detection", 5, "--detection", 6)
    assert "person 5 is new, with 2 appearances in 9 frames, door, hall; person 3 (Anna" in split.out
    assert listed(run, grouped) == {
        1: [("door", 1.0), ("yard", 8.0)],
        3: [("yard", 9.0)],
        4: [("door", 50.0)],
        5: [("door", 2.0), ("hall", 30.0)],
    }
    made = [line for line in run("people", "decisions", grouped).out.splitlines() if "20" in line]
    said = (
        "person 2 is called Anna [red] Łącka",
        "people 3 and 2 are one person",
        "person 5 is somebody else than person 3",
    )
    for line, what in zip(made, said, strict=True):
        assert line.strip().endswith(what)
    assert run("people", "undo", grouped).out == "taken back: person 5 is somebody else than person 3\n"
    assert json.loads(run("people", "undo", grouped, "--json").out)["undone"]["people"] == [3, 2]
    assert run("people", "undo", grouped).out == "taken back: person 2 is called Anna [red] Łącka\n"
    assert run("people", "undo", grouped).out == "there is no decision to take back\n"
    assert json.loads(run("people", "undo", grouped, "--json").out) == {"undone": None}
    assert sorted(listed(run, grouped)) == [1, 2, 3, 4]
    run("people", "name", grouped, 2, "Bo")
    assert run("people", "name", grouped, 2, "--clear").out.startswith("person 2 has no name now\n")
    assert "2 has no name" in run("people", "decisions", grouped).out


WRONG_DECISIONS = [
    (("merge", "G", 1), "merging needs at least two people"),
    (("merge", "G", 1, 9), "there is no person 9 here; 'personsearch people"),
    (("merge", "G", 8, 9), "there is no 8 and 9 here"),
    (("split", "G", 1), "'personsearch people show G 1' lists them"),
    (("split", "G", 1, "--track", 1, "--track", 2), "would take everything"),
    (("split", "G", 1, "--detection", 11), "detection 11 is not of person 1"),
    (("name", "G", 1), "a name, or --clear"),
    (("name", "G", 1, "A", "--clear"), "a name, or --clear"),
    (("name", "G", 1, " "), "cannot be a name"),
    (("forget", "G", 1, "--json"), "--json asks nothing, so forgetting needs --yes too"),
    (("forget", "G", 9, "--yes"), "there is no person 9 here"),
    (("show", "G", "Anna"), "should be a valid integer"),
    (("merg", "G", 1, 2), "No such command 'merg'. Did you mean 'merge'?"),
    (("--nope", "G"), "No such option: --nope"),
]


def test_a_wrong_decision_changes_nothing(run: Run, grouped: Path) -> None:
    before = run("people", grouped, "--json").out
    for arguments, message in WRONG_DECISIONS:
        done = run("people", *[grouped if argument == "G" else argument for argument in arguments])
        assert (done.code, done.out) == (2, ""), arguments
        assert message.replace("G", str(grouped)) in flat(done.err)
    assert run("people", grouped, "--json").out == before
    assert run("people", "decisions", grouped, "--json").out == "[]\n"


def test_forget_asks(run: Run, grouped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    kept = run("people", "forget", grouped, 1)
    assert (kept.code, kept.out) == (1, "")
    assert kept.err.endswith("nothing was erased\n")
    assert "This erases person 1: 2 appearances in 17 frames, door, yard; 4 stored detections." in kept.err
    assert run("people", "forget", grouped, 1).code == 1  # at the end of the input
    assert 1 in listed(run, grouped)
    monkeypatch.setattr(sys, "stdin", io.StringIO("Y\n"))
    done = run("people", "forget", grouped, 1)
    assert done.code == 0
    assert "person 1 is erased: 4 detections. This cannot be undone. Copies of the gallery, sheets" in done.out
    assert sorted(listed(run, grouped)) == [2, 3, 4]
    assert json.loads(run("people", "forget", grouped, 3, "--yes", "--json").out) == {"forgotten": 3, "detections": 2}


def test_the_listing_needs_no_name(run: Run, grouped: Path) -> None:
    plain = run("people", grouped).out
    assert run("people", "list", grouped).out == plain
    assert run("people", "--min-frames", 1, grouped).out == plain
    help_ = run("people", "--help", columns=80).out
    assert re.match(r"Usage: .*people GALLERY \[OPTIONS\]\n       .*people COMMAND GALLERY \.\.\.\n", help_)
    for word in ("--save PICTURE|FOLDER", "--min-frames", "Commands:", "undo", "forget"):
        assert word in help_
    assert "--save PICTURE|FOLDER" in run("people", grouped, "--help").out
    assert "--clear" in run("people", "name", "--help").out


def test_dates_and_narrow_terminals(run: Run, grouped: Path) -> None:
    with Gallery.open(grouped) as opened:
        opened.add("late.png", shown(6, 1), camera="door", time=1_700_000_000.0)
    wide = run("people", grouped).out
    assert "first (UTC)" in wide
    assert "2023-11-14 22:13:20" in wide
    narrow = run("people", grouped, columns=60).out.splitlines()
    assert "person 1: appearances 2, frames 17, cameras door, yard, first (UTC) 0:00:01, last (UTC) 0:00:20" in narrow

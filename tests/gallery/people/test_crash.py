"""Tracks and decisions about people survive SIGKILL: each is there whole, or not at all."""

import signal
import time
from pathlib import Path

import pytest

from personsearch import Gallery
from tests.gallery.people.test_people import ALIKE, filled, groups
from tests.gallery.test_crash import start

DECIDE = """
import sys, time
from personsearch import Gallery
from tests.gallery.people.test_people import groups
with Gallery.open(sys.argv[1]) as gallery:
    for number in range(1000):
        if number % 4 == 0:
            gallery.people.name(1, f"Anna the {number}th")
        elif number % 4 == 1:
            gallery.people.merge([1, max(groups(gallery))])
        elif number % 4 == 2:
            gallery.people.split(1, detections=[max(gallery.people.get(1).detection_ids)])
        else:
            gallery.people.group()
            gallery.people.name(1, f"Anna the {number}th")
        print(number, flush=True)
"""

FOLLOW = """
import sys, time
from personsearch import Gallery
from personsearch.people import NewScene, NewTrack, NewView
from tests.gallery.people.test_people import seen
with Gallery.open(sys.argv[1]) as gallery:
    for number in range(1000):
        names = [f"v.mp4#t={number}.{part}00" for part in range(5)]
        scenes = [NewScene(image_id=name, detections=seen(0, 1, seed=number), time=1.0 * number) for name in names]
        views = [tuple(NewView(image_id=name, row=row, frames=2) for name in names) for row in (0, 1)]
        tracks = [NewTrack(views=both, first=0.0, last=9e9) for both in views]
        gallery.tracks.add(scenes, tracks, note=("v.mp4#t=", str(number).encode()))
        print(number, flush=True)
"""

FORGET = """
import sys
from personsearch import Gallery
with Gallery.open(sys.argv[1]) as gallery:
    print("ready", flush=True)
    gallery.people.forget(1)
    print("forgotten", flush=True)
"""


def killed(code: str, path: Path, moment: float) -> list[str]:
    """Run a process, kill it some seconds after its first line, and return the lines that it wrote."""
    child = start(code, path)
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(moment)
    child.send_signal(signal.SIGKILL)
    rest, err = child.communicate()
    assert first, err
    return [first.strip(), *rest.split()]


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.5])
def test_every_acknowledged_decision_is_there_and_every_one_is_whole(tmp_path: Path, moment: float) -> None:
    with filled(tmp_path / "g") as gallery:
        gallery.people.group(min_similarity=ALIKE)
        before = groups(gallery)
    acknowledged = len(killed(DECIDE, tmp_path / "g", moment))
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.check() == []
        standing = gallery.people.decisions()
        assert acknowledged <= len(standing) <= acknowledged + 1
        kinds = ("name", "merge", "split", "name")
        assert [one.what for one in standing] == [kinds[number % 4] for number in range(len(standing))]
        for decision in reversed(standing):
            assert gallery.people.undo() == decision
        gallery.people.group()
        assert groups(gallery) == before


@pytest.mark.parametrize("moment", [0.02, 0.2])
def test_tracks_are_stored_whole_with_their_note(tmp_path: Path, moment: float) -> None:
    filled(tmp_path / "g").close()
    acknowledged = killed(FOLLOW, tmp_path / "g", moment)
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.check() == []
        tracks = gallery.tracks.all()
        noted = gallery.noted("v.mp4#t=")
        assert noted is not None
        assert len(acknowledged) <= int(noted) + 1 <= len(acknowledged) + 1
        assert len(tracks) == 2 * (int(noted) + 1)
        assert all(len(track.detection_ids) == 5 for track in tracks)
        assert len(gallery.image_ids("v.mp4#t=")) == 5 * (int(noted) + 1)


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.003, 0.01])
def test_somebody_is_forgotten_or_not(tmp_path: Path, moment: float) -> None:
    with filled(tmp_path / "g") as gallery:
        gallery.people.group(min_similarity=ALIKE)
        gallery.people.name(1, "Annabella")
    lines = killed(FORGET, tmp_path / "g", moment)
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.rebuild()  # the cached index is deleted before anything else, so it may be missing
        assert gallery.check() == []
        assert len(gallery) in (4, 7)
        assert (gallery.people.get(1) is None) == (len(gallery) == 4)
        if "forgotten" in lines:
            assert len(gallery) == 4
        if len(gallery) == 7:
            gallery.people.forget(1)
    assert all(b"Annabella" not in file.read_bytes() for file in (tmp_path / "g").rglob("*") if file.is_file())

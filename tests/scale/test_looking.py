"""Inputs become answers: what a worker does, without Ray around it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.indexing.same_content import Held, held_of
from personsearch.results import StoredScene
from personsearch.runner import Runner
from personsearch.scale.answers import Answer, answers_in, table_of
from personsearch.scale.inputs import Input
from personsearch.scale.looking import Job, Looking
from personsearch.scale.weights import Packed
from personsearch.scale.writing import Storing
from personsearch.sources import Reading
from tests.scale.help import album, rows
from tests.support import video

JOB = Job(device="cpu", cores=1, batch_size=1, every=10)


@pytest.fixture
def looking(tiny_searcher: PersonSearcher) -> Looking:
    packed = Packed.of(tiny_searcher.network)  # type: ignore[arg-type]
    return Looking(Runner(packed.network(), "cpu", None), JOB)


def kinds(answers: list[Answer]) -> list[tuple[str, str]]:
    return [(answer.kind, answer.image_id) for answer in answers]


def stored(gallery: Gallery, answers: list[Answer], *, replace: bool = False) -> list[Answer]:
    """Send answers through a table and store them."""
    storing = Storing(gallery, replace=replace)
    known = [one for answer in answers_in(table_of(answers)) for one in storing.take(answer)]
    return [*known, *storing.finish()]


def test_what_is_stored_is_what_one_process_stores(
    looking: Looking, tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    pictures = album(tmp_path / "photos", 3)
    clip = video(tmp_path / "clip.mp4")
    inputs = [Input(name, str(path), held=Held()) for name, path in pictures.items()]
    inputs.append(Input("clip.mp4", str(clip), True, {"clip.mp4": "yard"}, {"clip.mp4": 100.0}, Held()))
    answers = looking.look(inputs)
    assert kinds(answers) == [
        *(("new", name) for name in ("00.png", "01.png", "02.png", "clip.mp4#t=0.000", "clip.mp4#t=1.000")),
        ("read", "clip.mp4"),
    ]
    with Gallery.open(tmp_path / "a", tiny_searcher.spec) as gallery:
        done = stored(gallery, answers)
    assert sorted((one.kind, one.people) for one in done) == [("read", 0), *[("stored", 5)] * 5]
    cameras, times = {"clip.mp4": "yard"}, {"clip.mp4": 100.0}
    tiny_searcher.index(
        {**pictures, "clip.mp4": clip}, tmp_path / "b", batch_size=1, every=10, cameras=cameras, times=times
    )
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_what_a_gallery_holds_is_compared(looking: Looking, tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    pictures = album(tmp_path / "photos", 3)
    clip = video(tmp_path / "clip.mp4")
    with Gallery.open(tmp_path / "g", tiny_searcher.spec) as gallery:
        inputs = [Input(name, str(path), held=Held()) for name, path in pictures.items()]
        inputs.append(Input("clip.mp4", str(clip), True, held=Held()))
        first = looking.look(inputs)
        stored(gallery, first)
        note = next(answer.note for answer in first if answer.kind == "read")
        assert note is not None
        assert Reading.from_bytes(note).moments == ((0.0, 0), (1.0, 0))
        gallery.note("clip.mp4#t=", note)

        def again(inputs: list[Input]) -> list[Input]:
            known = gallery.stored(one.image_id for one in inputs)
            return [replace(one, held=held_of(gallery, one.entry(), known)) for one in inputs]

        same = looking.look(again(inputs))
        assert sorted(kinds(same)[:-1]) == [("there", answer.image_id) for answer in first[:-1]]
        assert same[-1].note is None  # read neither now nor again
        pictures["01.png"].write_bytes(pictures["02.png"].read_bytes())
        clip.write_bytes(video(tmp_path / "other.mp4", frames=8).read_bytes())
        other = looking.look(again(inputs))
        refused = {answer.image_id: answer.text for answer in other if answer.kind == "refused"}
        assert refused.keys() == {"01.png", "clip.mp4"}
        assert "the gallery holds other content under the name '01.png' already" in refused["01.png"]
        replacing = Looking(looking._runner, replace(JOB, replace=True))
        new = replacing.look(again(inputs))
        assert (kinds(new)[0], kinds(new)[-1]) == (("erase", "clip.mp4"), ("read", "clip.mp4"))
        assert sorted(kinds(new)[1:-1]) == [
            ("new", "01.png"),
            ("new", "clip.mp4#t=0.000"),
            ("there", "00.png"),
            ("there", "02.png"),
        ]
        stored(gallery, new, replace=True)
        assert gallery.image_ids("clip") == ["clip.mp4#t=0.000"]
    names = looking.look([Input("00.png", "/nowhere/00.png", held=Held(("00.png",), scene("00.png")))])
    assert kinds(names) == [("refused", "00.png")]
    unread = Looking(looking._runner, replace(JOB, compare=False))
    taken = unread.look([Input("00.png", "/nowhere/00.png", held=Held(("00.png",), scene("00.png")))])
    assert kinds(taken) == [("there", "00.png")]


def scene(image_id: str) -> StoredScene:
    return StoredScene(image_id=image_id, camera=None, time=None, image_size=(96, 160), extra={"sha256": "0" * 64})


def test_what_cannot_be_used_is_refused_by_its_own_name(looking: Looking, tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    [picture] = album(tmp_path / "photos", 1).values()
    files.pipe("/bucket/good.png", picture.read_bytes())
    files.pipe("/bucket/bad.png", b"no picture")
    files.pipe("/bucket/bad.mp4", b"no video")
    files.pipe("/bucket/clip.mp4", video(tmp_path / "clip.mp4").read_bytes())
    broken = os.fsdecode(b"\xff.png")
    answers = looking.look(
        [
            Input("bad.png", "memory://bucket/bad.png", held=Held()),
            Input("gone.png", "memory://bucket/gone.png", held=Held()),
            Input("bad.mp4", "memory://bucket/bad.mp4", True, held=Held()),
            Input("gone.mp4", "memory://bucket/gone.mp4", True, held=Held()),
            Input("bytes", b"no picture", held=Held()),
            Input(broken, str(picture), held=Held()),
            Input("good.png", "memory://bucket/good.png", held=Held()),
            Input("clip.mp4", "memory://bucket/clip.mp4", True, held=Held()),
        ]
    )
    refused = {answer.image_id: answer.text for answer in answers if answer.kind == "refused"}
    assert refused.keys() == {"bad.png", "gone.png", "bad.mp4", "gone.mp4", "bytes", "\\udcff.png"}
    assert refused["bad.png"].startswith("memory://bucket/bad.png: cannot be read as an image")
    assert refused["gone.png"].startswith("memory://bucket/gone.png: cannot be read (")
    assert refused["bad.mp4"].startswith("memory://bucket/bad.mp4: ")
    assert refused["gone.mp4"].startswith("memory://bucket/gone.mp4: cannot be read (")
    assert "not valid UTF-8" in refused["\\udcff.png"]
    new = {answer.image_id: answer.scene for answer in answers if answer.scene is not None}
    assert new.keys() == {"good.png", "clip.mp4#t=0.000", "clip.mp4#t=1.000"}
    assert new["good.png"].extra["url"] == "memory://bucket/good.png"
    assert new["clip.mp4#t=0.000"].extra.keys() == {"sha256", "url"}
    table = table_of(answers)
    assert [answer.text for answer in answers_in(table)] == [answer.text for answer in answers]

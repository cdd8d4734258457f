"""Scenes stay whole over an engine's two tables, wherever a process ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from personsearch import Detections, Gallery
from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery.stores import shared
from personsearch.gallery.stores.engine import content_of, person_records
from personsearch.gallery.stores.opening import is_address
from personsearch.gallery.stores.shared import SharedStore
from personsearch.people import NewScene
from tests.gallery import toy
from tests.gallery.stores.memory import KilledError, MemoryEngine

A, B = toy.people(3, seed=1), toy.people(2, seed=2)


def opened(engine: MemoryEngine) -> Gallery:
    return Gallery(SharedStore(engine, write=True, create=toy.spec()))


def filled() -> MemoryEngine:
    engine = MemoryEngine()
    opened(engine).add_batch(
        [NewScene(image_id="a", detections=A, camera="door", time=1.0), NewScene(image_id="b", detections=B, time=5.0)]
    )
    return engine


def seen(engine: MemoryEngine) -> dict[str, tuple]:
    """Return every scene that a new process sees, as its people, camera and time, by search too."""
    gallery = opened(engine)
    there = {one.image_id: (one.detections.boxes.tolist(), one.camera, one.time) for one in gallery.everything()}
    assert gallery.check() == []
    found: dict[str, list] = {}
    for match in gallery.search(A.embeddings[0], 100):
        found.setdefault(match.image_id, []).append(list(match.box))
        assert there[match.image_id][1:] == (match.camera, match.time)
    assert {name: sorted(boxes) for name, boxes in found.items()} == {
        name: sorted(boxes) for name, (boxes, _, _) in there.items() if boxes
    }
    return there


CHANGES: dict[str, Callable[[Gallery], object]] = {
    "add": lambda gallery: gallery.add("c", toy.people(4, seed=3), time=2.0),
    "replace": lambda gallery: gallery.add("a", toy.people(4, seed=3), time=2.0, replace=True),
    "replace with nobody": lambda gallery: gallery.add("a", toy.people(0, seed=3), replace=True),
    "label": lambda gallery: gallery.label("a", camera="gate", time=7.0),
    "remove": lambda gallery: gallery.remove(["a"]),
    "remove before": lambda gallery: gallery.remove(before=3.0),
}


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_wherever_a_process_ends_each_scene_is_as_before_or_as_after(change: str, half: bool) -> None:
    before = seen(filled())
    engine = filled()
    CHANGES[change](opened(engine))
    after = seen(engine)
    assert after != before
    ends = 0
    for writes in itertools.count():
        engine = filled()
        engine.writes_left, engine.half = writes, half
        try:
            CHANGES[change](opened(engine))
        except KilledError:
            ends += 1
        else:
            break
        engine.writes_left = None
        assert seen(engine) in (before, after)
        CHANGES[change](opened(engine))  # the same call again finishes it
        assert seen(engine) == after
        opened(engine).rebuild()  # and nothing is left of the first
        assert len(engine.person_rows) == sum(len(boxes) for boxes, _, _ in after.values())
        assert set(engine.scene_rows) == set(after)
    assert ends >= 2


def test_what_a_killed_writer_left_is_seen_by_nobody_and_cleared_away() -> None:
    engine = filled()
    engine.writes_left = 1
    with pytest.raises(KilledError):
        opened(engine).add("c", toy.people(4, seed=3))
    engine.writes_left = None
    gallery = opened(engine)
    assert len(engine.person_rows) == 9
    assert len(gallery.search(A.embeddings[0], 3, min_similarity=-1)) == 3  # more are asked for in their place
    assert len(gallery.search(A.embeddings[0], 100)) == 5
    assert "exact" in gallery.rebuild("exact")
    assert len(engine.person_rows) == len(gallery) == 5


def test_where_nobody_is_left_over_not_everybody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = filled()
    gallery = opened(engine)
    gallery.remove(["b"])
    asked: list[int] = []
    owners = MemoryEngine.every_owner
    monkeypatch.setattr(MemoryEngine, "every_owner", lambda engine: asked.append(1) or owners(engine))
    gallery.rebuild()
    assert not asked
    engine.put_people(person_records(gallery._store.stored(["a"])["a"], B))  # as a killed writer leaves them
    gallery.rebuild()
    assert asked
    assert engine.counts() == (1, len(A))


def test_rows_read_before_count_as_their_scenes_are_now() -> None:
    engine = filled()
    store = SharedStore(engine, write=True, create=None)
    ids = [one.id for one in engine.people_in(["a", "b"])]
    rows = engine.people(ids[:4])
    assert store.people(ids, rows) == store.people(ids)
    store.relabel("a", "gate", 7.0)
    assert {scene.camera for person, scene in store.people(ids, rows).values() if scene.image_id == "a"} == {"gate"}
    store.remove(["a"], None)
    assert {person.image_id for person, _ in store.people(ids, rows).values()} == {"b"}
    store.remove(["b"], None)
    assert store.people(ids, rows) == {}


def test_ids_follow_from_what_is_stored() -> None:
    first, second = MemoryEngine(), filled()
    opened(first).add("b", B, time=5.0)
    opened(first).add("a", A, camera="gate")
    assert first.person_rows.keys() == second.person_rows.keys()  # whatever camera, time and order
    opened(first).add("a2", A)
    assert len(first.person_rows) == 8
    row = next(iter(first.scene_rows.values())).row()
    same = toy.people(1, seed=4)
    assert len({one.id for one in person_records(row, replace_rows(same, 3))}) == 3  # three alike in one scene
    assert content_of(A) != content_of(B)


def replace_rows(detections: Detections, count: int) -> Detections:
    """Return the first person, several times."""
    return replace(
        detections,
        boxes=detections.boxes.repeat(count, 0),
        scores=detections.scores.repeat(count),
        embeddings=detections.embeddings.repeat(count, 0),
    )


def test_damage_is_noticed() -> None:
    engine = filled()
    number, one = next(iter(engine.person_rows.items()))
    engine.person_rows[number] = replace(one, score=0.5)
    gallery = opened(engine)
    assert any("differs from what was stored" in problem for problem in gallery.check())
    with pytest.raises(GalleryCorruptError, match=f"person {number} differs"):
        gallery.search(A.embeddings[0], 10)
    engine = filled()
    del engine.person_rows[number]
    assert opened(engine).check() == ["scene 'a' has 2 of its 3 people"]
    engine = filled()
    engine.scene_rows["a"] = replace(engine.scene_rows["a"], width=1)
    with pytest.raises(GalleryCorruptError, match="scene 'a' differs"):
        opened(engine).scene("a")
    engine = filled()
    engine.facts["weights"] = "others"
    with pytest.raises(GalleryCorruptError, match="description of its weights has changed"):
        opened(engine)


def test_the_engine_is_tidied_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "TIDY_AFTER", 3)
    engine = MemoryEngine()
    with opened(engine) as gallery:
        for number in range(7):
            gallery.add(f"{number}", B)
        assert engine.tidied == 2
    assert engine.tidied == 3
    with opened(engine):
        pass
    assert engine.tidied == 3  # nothing was written


def test_addresses() -> None:
    assert is_address("lance://people")
    assert is_address("milvus://host:19530/people")
    assert not is_address("people/")
    assert not is_address("C:/people")
    assert not is_address(Path("people"))
    with pytest.raises(GalleryError, match=r"one of lance://, milvus://"):
        is_address("qdrant://host")
    with pytest.raises(GalleryError, match="as a string"):
        is_address(Path("lance://people"))
    with pytest.raises(GalleryError, match=r"one of lance://, milvus://"):
        Gallery.open("s3://bucket/people")

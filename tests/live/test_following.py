"""Who can be stored, and when: a scene is stored once, with everybody whose view it shows."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch.live import following as module
from personsearch.live.following import Following, Piece
from personsearch.live.reading import Shot
from tests.live.support import Scene, marked
from tests.tracking.walks import frame as walk


def shot(seconds: float) -> Shot:
    return Shot(image_id=f"door/{seconds:.3f}", seconds=seconds, picture=marked(0), extra={"from": "here"})


def watched(following: Following, scenes: list[Scene], fps: float = 4.0, start: float = 0.0) -> list[Piece]:
    pieces = []
    for number, scene in enumerate(scenes):
        seconds = start + number / fps
        pieces += following.take(shot(seconds), walk(seconds, scene).detections)
    return pieces


def check_sound(pieces: list[Piece]) -> None:
    """Each scene is stored once, and each of its people is a view of exactly one track of the same piece."""
    ids = [scene.image_id for piece in pieces for scene in piece.scenes]
    assert len(ids) == len(set(ids))
    for piece in pieces:
        rows = [(scene.image_id, row) for scene in piece.scenes for row in range(len(scene.detections))]
        assert sorted((view.image_id, view.row) for track in piece.tracks for view in track.views) == sorted(rows)


def test_who_has_left_can_be_stored_once_the_patience_is_over() -> None:
    following = Following("door")
    assert watched(following, [{0: (100 + 4 * n, 200)} for n in range(8)]) == []
    [piece] = watched(following, [{}] * 30, start=2.0)
    [track] = piece.tracks
    assert (track.first, track.last, sum(view.frames for view in track.views)) == (0.0, 1.75, 8)
    assert {(scene.camera, scene.extra["from"], scene.extra["tracks"]) for scene in piece.scenes} == {
        ("door", "here", True)
    }
    assert piece.size > 0
    check_sound([piece])
    assert following.finish() == []


def test_who_shares_a_frame_with_somebody_still_there_waits() -> None:
    following = Following("door")
    together: list[Scene] = [{0: (100, 200), 1: (400, 200)}] * 4
    alone: list[Scene] = [{1: (400, 200)}] * 60
    assert watched(following, together + alone) == []  # the other one may still need the first frames
    pieces = following.finish()
    check_sound(pieces)
    assert sorted(track.last for track in pieces[0].tracks) == [0.75, 15.75]


def test_who_shares_none_does_not_wait() -> None:
    following = Following("door")
    pieces = watched(following, [{0: (100, 200)}] * 4 + [{}] * 4 + [{1: (400, 200)}] * 60)
    assert [len(piece.tracks) for piece in pieces] == [1]


def test_nobody_waits_longer_than_two_minutes_and_nobody_is_followed_for_longer_than_ten() -> None:
    following = Following("door")
    together: list[Scene] = [{0: (100, 200), 1: (400, 200)}] * 4
    pieces = watched(following, together + [{1: (400, 200)}] * 130, fps=1.0)
    assert sorted(track.last for piece in pieces for track in piece.tracks) == [3.0, 124.0]  # the last one is cut
    check_sound(pieces + following.finish())
    following = Following("door")
    pieces = watched(following, [{1: (400, 200)}] * 1300, fps=2.0)
    assert [(track.first, track.last) for piece in pieces for track in piece.tracks] == [(0.0, 600.5)]


def test_another_size_of_picture_lets_go_of_everybody() -> None:
    following = Following("door")
    assert watched(following, [{0: (100, 200)}] * 4) == []
    smaller = walk(1.0, {0: (100, 100)}, height=80).detections
    smaller = type(smaller)(
        boxes=smaller.boxes, scores=smaller.scores, embeddings=smaller.embeddings, image_size=(240, 320)
    )
    [piece] = following.take(shot(1.0), smaller)
    assert [track.last for track in piece.tracks] == [0.75]
    check_sound([piece, *following.finish()])


def test_a_frame_whose_name_is_held_already_is_left_out() -> None:
    following = Following("door")
    assert watched(following, [{0: (100, 200)}] * 2) == []
    assert following.take(shot(0.0), walk(0.0, {0: (100, 200)}).detections) == []
    [piece] = following.finish()
    assert sum(view.frames for view in piece.tracks[0].views) == 2


def test_pictures_of_frames_that_may_be_stored_are_held_and_no_others() -> None:
    following = Following("door", pictures=True)
    watched(following, [{0: (100 + n, 200)} for n in range(40)])
    held = [number for number in range(40) if following.picture(f"door/{number / 4:.3f}") is not None]
    assert 0 < len(held) <= 8
    [piece] = following.finish()
    assert piece.pictures.keys() == {scene.image_id for scene in piece.scenes}
    for data in piece.pictures.values():
        assert Image.open(io.BytesIO(data)).size == (8, 8)
    assert following.picture(piece.scenes[0].image_id) is None


def test_when_too_much_is_held_everybody_is_let_go_of(monkeypatch: object) -> None:
    most = module.MOST_HELD
    module.MOST_HELD = 1
    try:
        assert len(watched(Following("door", pictures=True), [{0: (100, 200)}] * 4)) == 4
    finally:
        module.MOST_HELD = most


WHERE = st.fixed_dictionaries({}, optional={n: st.just((100.0 * (n + 1), 200.0 + 5 * n)) for n in range(4)})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(WHERE, st.integers(1, 30)), max_size=12))
def test_whoever_comes_and_goes_everybody_is_stored_once(stretches: list[tuple[Scene, int]]) -> None:
    scenes = [scene for scene, frames in stretches for _ in range(frames)]
    following = Following("door")
    pieces = watched(following, scenes) + following.finish()
    check_sound(pieces)
    seen = sum(view.frames for piece in pieces for track in piece.tracks for view in track.views)
    assert seen == sum(map(len, scenes))
    assert not following.open_numbers
    assert np.isfinite([track.first for piece in pieces for track in piece.tracks]).all()

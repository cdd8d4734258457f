import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch import Match, draw_matches
from personsearch.errors import ImageError
from personsearch.pictures.content import content_digest
from personsearch.pictures.drawing import CAPTION, GAP, NOTHING, TILE
from personsearch.pictures.matches import load_scene, named
from personsearch.pictures.video import frames_at
from personsearch.results import Matches, QueryPerson, Sighting, Track
from tests.pictures.films import TURNS, film, quarters
from tests.support import toy_scene, video


def match(path: Path | None, image_id: str = "a.png", **fields: object) -> Match:
    values: dict[str, object] = {"detection_id": 1, "box": (70, 18, 90, 78), "similarity": 0.5, "score": 1.0, **fields}
    extra = {} if path is None else {"path": str(path)}
    return Match(image_id=image_id, extra=extra, **values)  # type: ignore[arg-type]


def tile(sheet: Image.Image, column: int, row: int = 0) -> np.ndarray:
    """Return the picture of a tile, without its caption."""
    left, top = GAP + column * (TILE[0] + GAP), GAP + row * (TILE[1] + CAPTION + GAP)
    return np.asarray(sheet.crop((left, top, left + TILE[0], top + TILE[1])))


def test_the_query_comes_first_then_each_match_in_its_scene(tmp_path: Path) -> None:
    scene = tmp_path / "a.png"
    toy_scene([(2, 70, 18)]).save(scene)  # a blue shirt
    query = toy_scene([(0, 70, 18)])  # a red one
    sheet = draw_matches(query, (70, 18, 90, 78), [match(scene), match(None, "gone.png")])
    assert sheet.size == (GAP + 3 * (TILE[0] + GAP), GAP + TILE[1] + CAPTION + GAP)
    middle = [tile(sheet, column)[110, 100].tolist() for column in range(3)]
    assert middle[0] == pytest.approx([200, 40, 40], abs=12)
    assert middle[1] == pytest.approx([50, 80, 210], abs=12)
    assert middle[2] == list(NOTHING)


def test_the_channel_order_of_the_query_is_kept(tmp_path: Path) -> None:
    rgb = np.asarray(toy_scene([(0, 10, 10)]))
    one = draw_matches(rgb, (10, 10, 30, 70), [])
    other = draw_matches(np.ascontiguousarray(rgb[:, :, ::-1]), (10, 10, 30, 70), [], channel_order="BGR")
    assert np.array_equal(tile(one, 0), tile(other, 0))


def test_a_match_in_a_video_finds_its_frame_again(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4")
    assert abs(np.asarray(load_scene(match(path, "clip.mp4#t=1.200"))).mean() - 120) < 6


def test_a_match_in_a_phones_clip_is_drawn_upright(tmp_path: Path) -> None:
    path = film(tmp_path / "phone.mp4", frames=3, shape=Fraction(3, 2), matrix=TURNS[90])
    picture = load_scene(match(path, "phone.mp4#t=0.100"))
    assert picture.size == (48, 96)
    assert quarters(picture) == [3, 1, 4, 2]


def test_the_matches_of_one_video_are_looked_up_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, other = video(tmp_path / "clip.mp4"), video(tmp_path / "other.mkv")
    toy_scene([(2, 70, 18)]).save(tmp_path / "a.png")
    asked = []

    def counted(path: str, frames: list[tuple[float, int]]) -> list[Callable[[], Image.Image]]:
        asked.append((Path(path).name, frames))
        return frames_at(path, frames)

    monkeypatch.setattr("personsearch.pictures.matches.frames_at", counted)
    found = [
        match(clip, "clip.mp4#t=1.200", box=(8, 8, 40, 40)),
        match(tmp_path / "a.png"),
        match(other, "other.mkv#t=0.500", box=(8, 8, 40, 40)),
        match(clip, "clip.mp4#t=0.300", box=(8, 8, 40, 40)),
        match(clip, "clip.mp4#t=9.000"),  # not there
        match(tmp_path / "gone.mp4", "gone.mp4#t=0.000"),
    ]
    sheet = draw_matches(toy_scene([]), (70, 18, 90, 78), found)
    assert asked == [("clip.mp4", [(1.2, 0), (0.3, 0), (9.0, 0)]), ("other.mkv", [(0.5, 0)])]
    columns = (sheet.width - GAP) // (TILE[0] + GAP)
    middle = [tile(sheet, n % columns, n // columns)[110, 160].tolist() for n in range(1, 7)]
    assert [middle[n][0] for n in (0, 2, 3)] == pytest.approx([120, 50, 30], abs=6)
    assert middle[4] == middle[5] == list(NOTHING)


def test_a_match_in_the_second_frame_of_a_time(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mkv", "libx264", frames=3, times=[0, 0, 7], options={"bf": "0"})
    levels = [np.asarray(load_scene(match(path, f"clip.mkv#t=0.000{end}"))).mean() for end in ("", "-2")]
    assert levels == pytest.approx([150, 148], abs=1)
    with pytest.raises(ImageError, match=r"clip\.mkv: has no frame at 0\.0 s"):
        load_scene(match(path, "clip.mkv#t=0.000-3"))


def test_a_match_in_a_clip_of_unknown_suffix(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.rec", form="mp4", frames=2)
    assert load_scene(match(path, "clip.rec#t=0.100")).size == (64, 48)


def test_a_still_whose_name_looks_like_a_frame_is_a_still(tmp_path: Path) -> None:
    path = tmp_path / "a#t=3.000"
    Image.new("RGB", (8, 8), (9, 9, 9)).save(path, "PNG")
    assert load_scene(match(path, "a#t=3.000")).size == (8, 8)
    path.rename(tmp_path / "a#t=3.png")
    assert load_scene(match(tmp_path / "a#t=3.png", "a#t=3.png")).size == (8, 8)


def test_a_file_that_shows_something_else_now_is_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    toy_scene([(2, 70, 18)]).save(path)
    found = match(path)
    found.extra["sha256"] = content_digest(path)
    assert load_scene(found).size == (160, 96)
    toy_scene([(0, 10, 10)], seed=7).save(path)
    with pytest.raises(ImageError, match="has changed since it was indexed; index it again"):
        load_scene(found)
    sheet = draw_matches(toy_scene([]), (70, 18, 90, 78), [found])
    assert tile(sheet, 1)[110, 100].tolist() == list(NOTHING)
    path.unlink()
    with pytest.raises(ImageError, match=r"a\.png: is no longer there"):
        load_scene(found)


def test_a_scene_that_was_never_a_file_is_named() -> None:
    with pytest.raises(ImageError, match="memory-1: was not indexed from a file"):
        load_scene(match(None, "memory-1"))


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # importing it is an error
from personsearch import Match, draw_matches
match = Match(detection_id=1, image_id="a.png", box=(60, 20, 80, 80), similarity=0.5, score=1, extra={"path": "a.png"})
print(draw_matches("a.png", (10, 10, 30, 70), [match]).size)
"""


def test_a_service_without_torch_draws_a_match(tmp_path: Path) -> None:
    toy_scene([(0, 10, 10), (2, 60, 20)]).save(tmp_path / "a.png")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{(GAP + 2 * (TILE[0] + GAP), GAP + TILE[1] + CAPTION + GAP)}\n"


def test_several_queries_are_drawn_before_the_matches(tmp_path: Path) -> None:
    red, blue = toy_scene([(0, 70, 18)]), toy_scene([(2, 70, 18)])
    blue.save(tmp_path / "a.png")
    sheet = draw_matches([(red, (70, 18, 90, 78)), (blue, (70, 18, 90, 78))], matches=[match(tmp_path / "a.png")])
    assert sheet.width == GAP + 3 * (TILE[0] + GAP)
    middle = [tile(sheet, column)[110, 100].tolist() for column in range(3)]
    assert middle[0] == pytest.approx([200, 40, 40], abs=12)
    assert middle[1] == middle[2] == pytest.approx([50, 80, 210], abs=12)


def test_the_boxes_come_from_the_search(tmp_path: Path) -> None:
    scene, person = toy_scene([(0, 70, 18)]), (70.0, 18.0, 90.0, 78.0)
    queries = [QueryPerson(box=person, embedding=np.zeros(2, np.float32))] * 2
    one = draw_matches(scene, None, Matches([], queries[:1]))
    assert np.array_equal(tile(one, 0), tile(draw_matches(scene, person, []), 0))
    two = draw_matches([scene, (scene, (0, 0, 160, 96))], matches=Matches([], queries))
    assert np.array_equal(tile(two, 0), tile(one, 0))
    assert not np.array_equal(tile(two, 1), tile(one, 0))  # its own box counts
    for pictures, matches in ((scene, []), ([scene], Matches([], queries))):  # nobody can say who that was
        with pytest.raises(ImageError, match="give the box of the person who was searched for, or the matches as"):
            draw_matches(pictures, matches=matches)


def test_a_query_of_the_gallery_is_drawn_from_its_own_scene(tmp_path: Path) -> None:
    toy_scene([(2, 70, 18)]).save(tmp_path / "a.png")
    extra = {"path": str(tmp_path / "a.png")}
    seen = Sighting(detection_id=7, image_id="a.png", box=(70, 18, 90, 78), score=1.0, extra=extra)
    sheet = draw_matches(seen, matches=[match(tmp_path / "a.png")])
    assert [tile(sheet, n)[110, 100].tolist() for n in (0, 1)] == [pytest.approx([50, 80, 210], abs=12)] * 2
    (tmp_path / "a.png").unlink()
    assert tile(draw_matches([seen]), 0)[110, 100].tolist() == list(NOTHING)


def test_a_title_names_the_person_or_the_track() -> None:
    track = Track(track_id=4, camera=None, first=None, last=None, frames=3, detection_ids=(1,))
    assert named(match(None)) == ""
    assert named(match(None, track=track)) == "track 4"
    assert named(match(None, track=track, person_id=2)) == "person 2"
    assert named(match(None, track=track, person_id=2, person_name="Anna")) == "Anna"
    plain, titled = draw_matches(matches=[match(None)]), draw_matches(matches=[match(None, person_name="Anna")])
    assert not np.array_equal(np.asarray(plain), np.asarray(titled))

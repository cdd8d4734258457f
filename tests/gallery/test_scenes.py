"""Scenes in the order of their times: against a list that is sorted and cut by hand."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch import Gallery
from personsearch.errors import GalleryError
from tests.gallery.toy import people, spec

Rows = list[tuple[str | None, float | None, int]]

#: Camera, time and number of people of each scene; few values, so that ties are common.
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "door", "yard"]), st.sampled_from([None, -5.0, 0.0, 1.5, 60.0]), st.integers(0, 2)
    ),
    max_size=9,
)


def filled(folder: Path, rows: Rows) -> Gallery:
    gallery = Gallery.open(folder, spec())
    for number, (camera, time, count) in enumerate(rows):
        gallery.add(f"{number}.jpg", people(count, number), camera=camera, time=time)
    return gallery


@given(
    rows=ROWS,
    cameras=st.sampled_from([None, ["door"], ["door", "yard"], ["nowhere"]]),
    since=st.sampled_from([None, 0.0, 1.0]),
    until=st.sampled_from([None, 0.0, 60.0]),
    newest_first=st.booleans(),
    limit=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_pages_one_behind_the_other_are_the_sorted_list(
    tmp_path_factory: pytest.TempPathFactory,
    rows: Rows,
    cameras: list[str] | None,
    since: float | None,
    until: float | None,
    newest_first: bool,
    limit: int,
) -> None:
    def passes(camera: str | None, time: float | None) -> bool:
        if cameras is not None and camera not in cameras:
            return False
        bounded = since is not None or until is not None
        if time is None:
            return not bounded
        return (since is None or time >= since) and (until is None or time <= until)

    sign = -1 if newest_first else 1
    kept = [number for number, (camera, time, _) in enumerate(rows) if passes(camera, time)]
    kept.sort(key=lambda number: (rows[number][1] is None, sign * (rows[number][1] or 0.0), sign * number))
    times = [time for number in kept if (time := rows[number][1]) is not None]
    with filled(tmp_path_factory.mktemp("g"), rows) as gallery:
        found: list[str] = []
        while page := gallery.scenes.page(
            cameras=cameras,
            since=since,
            until=until,
            after=found[-1] if found else None,
            limit=limit,
            newest_first=newest_first,
        ):
            assert len(page) <= limit
            found += [scene.image_id for scene in page]
        assert found == [f"{number}.jpg" for number in kept]
        assert [len(some) for some in gallery.scenes.people(found)] == [rows[number][2] for number in kept]
        span = gallery.scenes.span(cameras=cameras, since=since, until=until)
        assert span == ((min(times), max(times)) if times else None)
        bins = gallery.scenes.timeline(3, cameras=cameras, since=since, until=until)
        assert len(bins) == (3 if times else 0)
        assert sum(one.scenes for one in bins) == len(times)
        timed = [number for number in kept if rows[number][1] is not None]
        assert sum(one.people for one in bins) == sum(rows[number][2] for number in timed)


def test_a_timeline_counted_by_hand(tmp_path: Path) -> None:
    with filled(tmp_path, [("door", 0.0, 1), ("door", 4.0, 2), ("door", 5.0, 0), ("yard", 10.0, 1)]) as gallery:
        bins = gallery.scenes.timeline(2)
        assert [(one.start, one.end, one.scenes, one.people) for one in bins] == [(0.0, 5.0, 2, 3), (5.0, 10.0, 2, 1)]
        [moment] = gallery.scenes.timeline(1, cameras=["yard"])
        assert (moment.start, moment.end, moment.scenes, moment.people) == (10.0, 10.0, 1, 1)
        with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
            gallery.scenes.timeline(0)


def test_people_come_with_what_is_known_of_them_and_unknown_scenes_are_empty(tmp_path: Path) -> None:
    with filled(tmp_path, [("door", 3.0, 2)]) as gallery:
        there, gone, unstorable = gallery.scenes.people(["0.jpg", "gone.jpg", "\udc80.jpg"])
        assert [(one.detection_id, one.camera, one.time) for one in there] == [(1, "door", 3.0), (2, "door", 3.0)]
        assert gone == unstorable == []


def test_a_place_that_is_gone_is_said(tmp_path: Path) -> None:
    with (
        filled(tmp_path, [("door", 3.0, 1)]) as gallery,
        pytest.raises(GalleryError, match=r"no scene 'gone.jpg' to continue behind; begin again"),
    ):
        gallery.scenes.page(after="gone.jpg")

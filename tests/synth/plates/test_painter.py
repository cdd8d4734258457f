"""Frames of photographed places as drawn: labels sit on people's own pixels, whatever stands before them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch.errors import ImageError, RenderError
from personsearch.synth.frame import Drawn
from personsearch.synth.labels import annotation_rows, counts_as_target
from personsearch.synth.photography import Photographer
from personsearch.synth.plan import PHOTO, Appearance, Backdrop, Frame, Job, Thing
from personsearch.synth.plates.painter import PlatePainter
from personsearch.synth.recipe import Recipe, load_recipe
from tests.synth.plates.folders import places
from tests.synth.plates.test_views import HEIGHT, WIDTH, level_camera

CAMERA = level_camera(pitch=-8)
FLAT, ROUND = Backdrop(photo="flat/0.jpg"), Backdrop(photo="round/0.jpg", panorama=True, outdoors=True)
PILLAR = Thing(name="pillar", seed=4, position=(0.1, 3.0), heading=0.0)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = places(tmp_path_factory.mktemp("places"), flat=2, round_=1)
    return load_recipe("tiny", [f"places.photos={folder}", f"width={WIDTH}", f"height={HEIGHT}"])


@pytest.fixture(scope="module")
def painter(recipe: Recipe) -> Iterator[PlatePainter]:
    try:
        painter = PlatePainter(job(), recipe)
    except RenderError as error:
        pytest.skip(f"needs OpenGL through EGL: {error}")
    yield painter
    painter.close()


def job(*frames: Frame) -> Job:
    return Job(split="train", scene="s1", kind=PHOTO, world_seed=7, camera="s1p1", sensor_seed=1, frames=frames)


def somebody(seed: int, x: float, z: float, **more: object) -> Appearance:
    usual = {"label": seed, "heading": 3.3, "speed": 1.2, "phase": 0.2, "act": 1}
    return Appearance(seed=seed, position=(x, z), **{**usual, **more})


def frame(*people: Appearance, backdrop: Backdrop = FLAT, things: tuple[Thing, ...] = (), seed: int = 3) -> Frame:
    return Frame(
        name="f",
        camera=CAMERA,
        time=0.0,
        light=0,
        seed=seed,
        appearances=people,
        backdrop=replace(backdrop, things=things),
    )


def boxes_on_pixels(drawn: Drawn) -> None:
    for person in drawn.people:
        rows, columns = np.nonzero(drawn.owner == person.appearance + 1)
        if person.visible_box is None:
            assert not len(rows)
            continue
        assert person.visible_box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("backdrop", [FLAT, ROUND, Backdrop(photo="", light="plain")])
def test_boxes_sit_on_peoples_own_pixels_and_nobody_is_cut_off(painter: PlatePainter, backdrop: Backdrop) -> None:
    """Two whole people, one cut by the picture's edge, one so close that the picture shows a part."""
    planned = frame(
        somebody(3, 0.9, 5.0), somebody(5, -0.7, 7.0), somebody(9, 2.9, 4.6), somebody(12, -1.0, 1.5), backdrop=backdrop
    )
    drawn = painter.draw(planned, 1.0)
    boxes_on_pixels(drawn)
    assert [person.appearance for person in drawn.people] == [0, 1, 2, 3]
    assert set(np.unique(drawn.owner)) <= {0, 1, 2, 3, 4}
    for person in drawn.people[:2]:
        assert person.visibility == person.inside == 1.0
        assert person.visible_box == person.box
        assert abs(person.box[3] - person.foot[1]) < 6
    for person in drawn.people[2:]:
        assert person.truncated
        assert person.inside < 0.95
        # What of them is in the picture is all seen: the ground hides no feet.
        assert person.visibility == pytest.approx(person.inside, abs=0.02)
    rows = annotation_rows(planned, drawn)
    assert [counts_as_target(row) for row in rows] == [row["inside"] >= 0.15 for row in rows]


def test_somebody_half_behind_a_thing_keeps_the_whole_box_and_things_have_none(painter: PlatePainter) -> None:
    person = somebody(3, -0.1, 5.0)
    free = painter.draw(frame(person), 1.0)
    half = painter.draw(frame(person, things=(PILLAR,)), 1.0)
    boxes_on_pixels(half)
    [before], [after] = free.people, half.people
    assert after.box == before.box
    assert after.inside == before.inside == 1.0
    assert 0.1 < after.visibility < 0.9
    assert set(np.unique(half.owner)) == {0, 1}
    changed = (half.image.astype(int) - free.image != 0).any(2)
    assert (changed & (half.owner == 0)).sum() > 200, "the pillar is drawn, and belongs to nobody"


def test_statues_and_printed_people_are_nobody(painter: PlatePainter) -> None:
    for name, indoors in (("mannequin", True), ("coats", True), ("poster board", False)):
        thing = Thing(name=name, seed=1, position=(0.0, 3.5), heading=np.pi, indoors=indoors)
        drawn = painter.draw(frame(things=(thing,)), 1.0)
        bare = painter.draw(frame(), 1.0)
        assert drawn.people == []
        assert not drawn.owner.any()
        assert (drawn.image != bare.image).any(2).sum() > 300


def test_an_empty_frame_is_the_photograph(painter: PlatePainter) -> None:
    drawn = painter.draw(frame(), 1.0)
    again = painter.draw(frame(seed=99), 1.0)
    assert (drawn.image == again.image).all(), "nothing random is left in the place itself"
    assert drawn.image.std() > 10


def test_the_same_frame_is_the_same_picture_after_any_other(painter: PlatePainter, recipe: Recipe) -> None:
    planned = frame(somebody(3, 0.3, 4.0), somebody(20, 1.0, 6.0), backdrop=ROUND, things=(PILLAR,))
    photographer = Photographer(painter, job(planned), recipe)
    first = photographer.take(planned)
    photographer.take(frame(somebody(8, 0, 3), backdrop=FLAT))
    again = photographer.take(planned)
    assert (first.image == again.image).all()
    assert (first.drawn.owner == again.drawn.owner).all()
    other = photographer.take(replace(planned, seed=4))
    assert (first.image != other.image).any()
    assert (first.drawn.owner == other.drawn.owner).all(), "the seed of a frame moves nobody"


def test_people_stand_in_a_shadow_and_in_the_light_of_the_place(painter: PlatePainter) -> None:
    person = somebody(3, 0.0, 4.0, speed=0.0)
    with_person, bare = painter.draw(frame(person), 1.0), painter.draw(frame(), 1.0)
    [one] = with_person.people
    x, y = (int(value) for value in one.foot)
    beside = np.s_[y - 2 : y + 3, x - 14 : x + 15]
    nobody = with_person.owner[beside] == 0
    lighter = bare.image[beside].astype(int).sum(2) - with_person.image[beside].astype(int).sum(2)
    assert np.median(lighter[nobody]) > 15


def test_a_photograph_that_breaks_off_is_named(painter: PlatePainter, recipe: Recipe) -> None:
    folder = Path(str(recipe.places.photos))
    (folder / "flat" / "torn.jpg").write_bytes((folder / "flat" / "0.jpg").read_bytes()[:900])
    with pytest.raises(ImageError, match=r"torn\.jpg"):
        painter.draw(frame(backdrop=Backdrop(photo="flat/torn.jpg")), 1.0)

"""Drawn frames: the owner of each pixel, boxes, visibility."""

import numpy as np
import pytest

from personsearch.synth.cameras import Camera
from personsearch.synth.frame import Drawn, Stage, draw_frame
from personsearch.synth.plan import Appearance, Frame
from tests.synth.worlds import HEIGHT, WIDTH

CAMERA = Camera(
    name="c1", eye=(0, 1.5, 8), target=(0, 1, 0), field_of_view=50, width=WIDTH, height=HEIGHT, aspect=WIDTH / HEIGHT
)


def somebody(seed: int, x: float, z: float, **more: object) -> Appearance:
    usual = {"label": seed, "heading": 0.3, "speed": 1.2, "phase": 0.2, "act": 1}
    return Appearance(seed=seed, position=(x, z), **{**usual, **more})


def frame(*people: Appearance, camera: Camera = CAMERA) -> Frame:
    return Frame(name="f", camera=camera, time=0.0, light=0, seed=1, appearances=people)


def own_pixels(drawn: Drawn, index: int) -> int:
    return int((drawn.owner == index + 1).sum())


def test_boxes_enclose_their_own_pixels_and_nobody_is_hidden_in_the_open(stage: Stage) -> None:
    drawn = draw_frame(stage, frame(somebody(3, -1.5, 3), somebody(5, 0.2, 3.5), somebody(9, 1.6, 3)))
    assert [person.appearance for person in drawn.people] == [0, 1, 2]
    for person in drawn.people:
        rows, columns = np.nonzero(drawn.owner == person.appearance + 1)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert person.visible_box == seen == person.box
        assert person.visibility == 1.0
        assert not person.truncated
        assert person.box[1] < person.foot[1] < person.box[3] + 6
        assert set(person.keypoints[:, 2]) <= {1, 2}
        assert (person.keypoints[:, 2] == 2).sum() >= 8


def test_visibility_is_the_visible_share_of_the_person_drawn_alone(stage: Stage) -> None:
    """Within 2 %, counted in two frames: the person with and without the people in front."""
    hidden = somebody(11, 0.0, 1.0)
    free = own_pixels(draw_frame(stage, frame(hidden, camera=CAMERA)), 0)
    drawn = draw_frame(stage, frame(hidden, somebody(4, 0.35, 4.2), somebody(6, -0.6, 3.4)))
    person = drawn.people[0]
    assert person.visibility < 0.95
    # The wall hides legs in both frames, so the fraction of the frame without others is not 1 either.
    alone = draw_frame(stage, frame(hidden)).people[0]
    assert person.visibility / alone.visibility == pytest.approx(own_pixels(drawn, 0) / free, abs=0.02)
    assert alone.visibility < 0.9
    x1, y1, x2, y2 = (int(corner) for corner in person.visible_box or ())
    assert (drawn.owner[y1:y2, x1:x2] == 1).sum() == own_pixels(drawn, 0)


def test_people_at_the_edge_are_truncated_and_their_pixels_outside_count(stage: Stage) -> None:
    whole = draw_frame(stage, frame(somebody(8, 0, 4))).people[0]
    edge = (WIDTH - (whole.box[0] + whole.box[2]) / 2) / WIDTH
    shifted = CAMERA.cropped((-edge * WIDTH, 0, (1 - edge) * WIDTH, HEIGHT), WIDTH, HEIGHT)
    half = draw_frame(stage, frame(somebody(8, 0, 4), camera=shifted)).people[0]
    assert half.truncated
    assert half.box[2] > WIDTH
    assert half.visibility == pytest.approx(0.5, abs=0.15)
    assert half.box[2] - half.box[0] == pytest.approx(whole.box[2] - whole.box[0], abs=1)


def test_somebody_right_in_front_of_the_lens_is_measured_at_a_smaller_scale(stage: Stage) -> None:
    near = draw_frame(stage, frame(somebody(8, 0, 7.0))).people[0]
    assert near.box[3] - near.box[1] > 1.5 * HEIGHT
    assert 0.1 < near.visibility < 0.9


def test_the_pixels_of_an_umbrella_belong_to_nobody(stage: Stage) -> None:
    bare, covered = (draw_frame(stage, frame(somebody(12, 0, 3, companion_thing=thing))) for thing in ("", "umbrella"))
    assert covered.people[0].box[1] == pytest.approx(bare.people[0].box[1], abs=4)
    above = slice(0, int(bare.people[0].box[1]) - 3)
    assert (covered.image[above] != bare.image[above]).any(), "the umbrella is drawn"
    assert not (covered.owner[above] == 1).any()


def test_a_frame_is_drawn_alike_before_and_after_another(stage: Stage) -> None:
    plan = frame(somebody(3, -1, 3), somebody(5, 0.5, 3.5))
    first, again = draw_frame(stage, plan), draw_frame(stage, plan)
    draw_frame(stage, frame(somebody(20, 0, 2)))
    third = draw_frame(stage, plan)
    for other in (again, third):
        assert (first.image == other.image).all()
        assert (first.owner == other.owner).all()


def test_the_sun_casts_shadows_of_people(stage: Stage) -> None:
    with_person = draw_frame(stage, frame(somebody(3, 0, 4)))
    without = draw_frame(stage, frame())
    darker = (with_person.image.astype(int) - without.image).sum(2) < -20
    assert (darker & (with_person.owner == 0)).sum() > 100


def test_gain_is_exposure(stage: Stage) -> None:
    dark, usual, bright = (draw_frame(stage, frame(), gain=gain).image.mean() for gain in (0.4, 1.0, 2.0))
    assert dark < usual < bright

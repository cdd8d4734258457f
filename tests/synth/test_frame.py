"""Frames as drawn: whose pixels they are, boxes, visibility."""

import numpy as np
import pytest

from personsearch.synth.cameras import Camera
from personsearch.synth.frame import Drawn, Stage, draw_frame
from personsearch.synth.plan import Appearance, Frame
from personsearch.synth.render.context import noise_pixels
from tests.synth.conftest import HEIGHT, WIDTH

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


def test_a_camera_projects_by_hand() -> None:
    # Straight ahead at 10 m with 90 degrees across 200 pixels: one metre is 10 pixels.
    camera = Camera(name="c", eye=(0, 2, 10), target=(0, 2, 0), field_of_view=90, width=200, height=100, aspect=2)
    pixels, depth = camera.project(np.array([[0, 2, 0], [1, 2, 0], [0, 3, 0]]))
    assert depth == pytest.approx([10, 10, 10])
    assert pixels == pytest.approx(np.array([[100, 50], [110, 50], [100, 40]]))
    part = camera.cropped((90, 30, 110, 70), 40, 80)
    assert part.project(np.array([[1.0, 3, 0]]))[0] == pytest.approx(np.array([[40, 20]]))


def test_boxes_hold_their_own_pixels_and_whoever_stands_free_is_all_seen(stage: Stage) -> None:
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


def test_the_fraction_is_what_is_seen_of_the_person_alone(stage: Stage) -> None:
    """The law of the issue, within 2 %: counted again with two frames, the person with and without those in front."""
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


def test_who_reaches_outside_is_truncated_and_counts_outside_too(stage: Stage) -> None:
    whole = draw_frame(stage, frame(somebody(8, 0, 4))).people[0]
    edge = (WIDTH - (whole.box[0] + whole.box[2]) / 2) / WIDTH
    shifted = CAMERA.cropped((-edge * WIDTH, 0, (1 - edge) * WIDTH, HEIGHT), WIDTH, HEIGHT)
    half = draw_frame(stage, frame(somebody(8, 0, 4), camera=shifted)).people[0]
    assert half.truncated
    assert half.box[2] > WIDTH
    assert half.visibility == pytest.approx(0.5, abs=0.15)
    assert half.box[2] - half.box[0] == pytest.approx(whole.box[2] - whole.box[0], abs=1)


def test_somebody_before_the_lens_is_measured_at_a_smaller_scale(stage: Stage) -> None:
    near = draw_frame(stage, frame(somebody(8, 0, 7.0))).people[0]
    assert near.box[3] - near.box[1] > 1.5 * HEIGHT
    assert 0.1 < near.visibility < 0.9


def test_an_umbrella_is_nobody(stage: Stage) -> None:
    bare, covered = (draw_frame(stage, frame(somebody(12, 0, 3, companion_thing=thing))) for thing in ("", "umbrella"))
    assert covered.people[0].box[1] == pytest.approx(bare.people[0].box[1], abs=4)
    above = slice(0, int(bare.people[0].box[1]) - 3)
    assert (covered.image[above] != bare.image[above]).any(), "the umbrella is drawn"
    assert not (covered.owner[above] == 1).any()


def test_the_same_frame_twice_is_the_same_and_another_stage_too(stage: Stage) -> None:
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


def test_noise_tiles_and_has_mean_one_half() -> None:
    noise = noise_pixels().astype(float) / 255
    assert noise.mean((0, 1)) == pytest.approx([0.5] * 4, abs=0.02)
    step = np.abs(np.diff(noise[..., 0], axis=1)).mean()
    assert np.abs(noise[:, 0, 0] - noise[:, -1, 0]).mean() < 2 * step

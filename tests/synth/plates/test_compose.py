"""Composites: shadows on the ground, and edges that leave what is inside and outside alone."""

import numpy as np
import pytest

from personsearch.synth.plates.compose import Footprint, cast_shadows, compose, contact_shadows
from personsearch.synth.render.renderer import GROUND, THING, Picture
from tests.synth.plates.test_views import HEIGHT, WIDTH, level_camera


def drawing(owner: np.ndarray, colour: int = 200, ground: int = 120) -> Picture:
    image = np.full((HEIGHT, WIDTH, 3), 7, np.uint8)
    image[owner == GROUND] = ground
    image[(owner > 0) & (owner != GROUND)] = colour
    return Picture(image=image, owner=owner)


@pytest.mark.parametrize("turn", [0.0, 2.0])
def test_a_contact_shadow_is_darkest_under_the_feet_and_round_on_the_ground(turn: float) -> None:
    camera = level_camera(turn, -15)
    ahead, right = np.array([np.sin(turn), np.cos(turn)]), np.array([-np.cos(turn), np.sin(turn)])
    foot = 5 * ahead + 0.8 * right
    light = contact_shadows(camera, [Footprint((float(foot[0]), float(foot[1])), 0.5)], depth=0.6)
    assert light.shape == (HEIGHT, WIDTH)
    edge = 1 - 0.6 / np.e
    for along, aside, expected in ((0, 0, 0.4), (0.5, 0, edge), (0, -0.5, edge), (2, 0, 1), (0, 2, 1)):
        at = foot + along * ahead + aside * right
        [(column, row)], _ = camera.project(np.array([[at[0], 0, at[1]]]))
        assert light[int(row), int(column)] == pytest.approx(expected, abs=0.03)
    assert (light[: HEIGHT // 4] == 1).all(), "there is no ground above the horizon"


def test_the_shadow_of_a_thing_has_its_outline() -> None:
    """A board 2 m broad and 0.2 m deep, turned by a quarter: it then lies along the view."""
    camera = level_camera(pitch=-15)

    def at(light: np.ndarray, x: float, z: float) -> float:
        [(column, row)], _ = camera.project(np.array([[x, 0.0, z]]))
        return float(light[int(row), int(column)])

    for heading, dark, bright in ((0.0, (0.9, 5.0), (0.0, 5.9)), (np.pi / 2, (0.0, 5.9), (0.9, 5.0))):
        light = contact_shadows(camera, [Footprint((0.0, 5.0), 0.15, (1.0, 0.1), heading)], depth=0.5)
        assert at(light, *dark) == pytest.approx(0.5, abs=0.03)
        assert at(light, *bright) == pytest.approx(1.0, abs=0.03)


def test_the_suns_shadows_are_relative_to_the_lit_ground() -> None:
    owner = np.zeros((HEIGHT, WIDTH), np.uint8)
    owner[80:] = GROUND
    picture = drawing(owner, ground=186)
    picture.image[100:140, 50:100] = 128  # about half of the light
    light = cast_shadows(picture)
    assert light[:70] == pytest.approx(1)
    assert light[150, 200] == pytest.approx(1)
    linear = [(value / 255) ** 2.2 / (1 - 0.25 * (value / 255) ** 2.2) for value in (128, 186)]
    assert light[120, 75] == pytest.approx(linear[0] / linear[1], abs=0.01)
    owner[:] = 0
    assert (cast_shadows(drawing(owner)) == 1).all()


@pytest.mark.parametrize("softness", [0.0, 1.0])
def test_people_are_laid_over_with_a_soft_edge_and_no_rim_of_the_drawings_background(softness: float) -> None:
    owner = np.zeros((HEIGHT, WIDTH), np.uint8)
    owner[40:120, 60:100] = 1
    owner[60:120, 140:180] = THING
    view = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image = compose(view, drawing(owner), level_camera(), [], softness=softness, rng=np.random.default_rng(1))
    assert (image[60:100, 70:90] == 200).all()
    assert (image[80:100, 150:170] == 200).all()
    far = np.ones((HEIGHT, WIDTH), bool)
    far[25:135, 45:115] = far[45:135, 125:195] = False
    assert (image[far] == 90).all()
    # The drawing's own background, of value 7, shows nowhere: everything lies between view and person.
    assert image.min() >= 89
    across = image[80, 50:80, 0].astype(int)
    assert (np.diff(across) >= 0).all()
    assert 1 <= ((across > 95) & (across < 195)).sum() <= 8
    assert (view == 90).all(), "the view is left as it was"


def test_an_empty_frame_is_the_view() -> None:
    view = np.random.default_rng(2).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    empty = drawing(np.full((HEIGHT, WIDTH), GROUND, np.uint8))
    assert (compose(view, empty, level_camera(), [], softness=0, rng=np.random.default_rng(1)) == view).all()

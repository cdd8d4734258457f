"""Views of plates: directions, not mirrored, the right part of a photograph."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.errors import ImageError
from personsearch.synth.cameras import Camera
from personsearch.synth.plates.views import directions, plain_backdrop, rays, view_of_plate, whole_plate
from tests.synth.plates.folders import add_picture

WIDTH, HEIGHT = 240, 160


def level_camera(turn: float = 0.0, pitch: float = 0.0, view: float = 60.0, **more: object) -> Camera:
    """Return a camera 1.6 m above the ground; ``turn`` is a heading in radians (0 = +z), ``pitch`` degrees."""
    angle = np.radians(pitch)
    target = (np.cos(angle) * np.sin(turn), 1.6 + np.sin(angle), np.cos(angle) * np.cos(turn))
    values = {"width": WIDTH, "height": HEIGHT, "aspect": WIDTH / HEIGHT, "field_of_view": view, **more}
    return Camera(name="c", eye=(0.0, 1.6, 0.0), target=target, **values)


def panorama_with_spot(heading: float, elevation: float, width: int = 1024) -> np.ndarray:
    """Return a black panorama, (width / 2, width, 3), with a white spot at a heading and an elevation in degrees.

    In a panorama, longitude grows to the right. Heading 0 is +z, which is its left edge (and its right one). To the
    right of somebody who looks along +z is -x, as y points up.
    """
    x, z = np.sin(np.radians(heading)), np.cos(np.radians(heading))
    longitude = np.degrees(np.arctan2(-x, z)) % 360
    column, row = longitude / 360 * width, (90 - elevation) / 180 * width / 2
    picture = np.zeros((width // 2, width, 3), np.uint8)
    rows, columns = np.mgrid[: width // 2, :width] + 0.5
    away = np.abs(columns - column)
    picture[np.hypot(np.minimum(away, width - away), rows - row) < 6] = 255
    return picture


def spot_in(view: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(view[..., 1] > 100)
    assert len(rows), "the spot is not in the view"
    return float(columns.mean() + 0.5), float(rows.mean() + 0.5)


@pytest.mark.parametrize("heading", [0, 12, 90, 200, 345])
@pytest.mark.parametrize(("aside", "elevation", "pitch"), [(0, 0, 0), (15, 8, 0), (-18, -10, -12), (9, 12, 5)])
def test_a_marker_of_a_panorama_is_where_the_renderer_would_draw_it(
    heading: float, aside: float, elevation: float, pitch: float
) -> None:
    camera = level_camera(np.radians(heading), pitch)
    panorama = panorama_with_spot(heading + aside, elevation)
    view, enlarged = view_of_plate(panorama, camera, panorama=True)
    turn, up = np.radians(heading + aside), np.radians(elevation)
    far = 100 * np.array([[np.cos(up) * np.sin(turn), np.sin(up), np.cos(up) * np.cos(turn)]]) + (0, 1.6, 0)
    expected, _ = camera.project(far)
    assert spot_in(view) == pytest.approx(tuple(expected[0]), abs=1.0)
    assert enlarged == pytest.approx(WIDTH / (1024 * 60 / 360))


def test_what_is_right_in_a_panorama_is_right_in_its_view_unless_mirrored() -> None:
    """Headings fall to the right: looking along +z, -x is on the right."""
    panorama = panorama_with_spot(-20, 0)
    camera = level_camera()
    right, _ = spot_in(view_of_plate(panorama, camera, panorama=True)[0])
    left, _ = spot_in(view_of_plate(panorama, camera, panorama=True, mirrored=True)[0])
    focal = WIDTH / 2 / np.tan(np.radians(30))
    assert right == pytest.approx(WIDTH / 2 + focal * np.tan(np.radians(20)), abs=0.5)
    assert left == pytest.approx(WIDTH - right, abs=0.5)


def test_directions_point_where_points_are_projected() -> None:
    camera = level_camera(0.7, -20).cropped((30, 10, 200, 140), 85, 65)
    toward = directions(camera)
    points = np.array(camera.eye) + 7 * np.moveaxis(toward, 0, -1).reshape(-1, 3)
    pixels, depth = camera.project(points)
    rows, columns = np.mgrid[:65, :85] + 0.5
    assert pixels == pytest.approx(np.column_stack([columns.ravel(), rows.ravel()]), abs=1e-2)
    assert depth == pytest.approx(np.full(len(points), 7.0), abs=1e-3)
    across, down = rays(camera)
    assert across[1] > across[0]
    assert down[0] > down[1]


def test_a_panorama_that_is_reduced_keeps_its_mean() -> None:
    """A board of single pixels would alias if single pixels were looked up."""
    panorama = np.zeros((1024, 2048, 3), np.uint8)
    panorama[(np.indices((1024, 2048)).sum(0) % 2) == 0] = 255
    view, enlarged = view_of_plate(panorama, level_camera(view=90), panorama=True)
    assert enlarged < 0.7
    middle = view[40:120, 60:180].astype(float)
    assert middle.mean() == pytest.approx(127.5, abs=4)
    assert middle.std() < 25


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_window_of_a_photograph(mirrored: bool) -> None:
    photograph = np.zeros((400, 600, 3), np.uint8)
    photograph[..., 0] = np.linspace(0, 250, 600).astype(np.uint8)
    photograph[..., 1] = np.linspace(0, 250, 400).astype(np.uint8)[:, None]
    camera = level_camera(window=(0.5, 0.25, 1.0, 0.75))
    view, enlarged = view_of_plate(photograph, camera, panorama=False, mirrored=mirrored)
    assert view.shape == (HEIGHT, WIDTH, 3)
    assert enlarged == pytest.approx(WIDTH / 300)
    # Mirrored, the right half shows what the left half of the photograph does, backwards.
    edges = (125, 0) if mirrored else (125, 250)
    assert view[80, [0, -1], 0] == pytest.approx(edges, abs=2)
    assert view[[0, -1], 120, 1] == pytest.approx((62.5, 187.5), abs=2)


def test_plates_are_read_upright_and_reduced(tmp_path: Path) -> None:
    add_picture(tmp_path, "phone.jpg", 800, 600, orientation=6)
    upright = whole_plate(tmp_path, "phone.jpg", 4096)
    assert upright.shape == (800, 600, 3)
    assert whole_plate(tmp_path, "phone.jpg", 400).shape == (400, 300, 3)
    assert not upright.flags.writeable
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "phone.jpg").read_bytes()[:600])
    with pytest.raises(ImageError, match=r"torn\.jpg"):
        whole_plate(tmp_path, "torn.jpg", 4096)


def test_a_picture_that_hangs_upside_down_is_turned(tmp_path: Path) -> None:
    cells = np.zeros((300, 400, 3), np.uint8)
    cells[:150] = 250  # light above, dark below, once it is upright
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(cells[::-1, ::-1]).save(tmp_path / "a.jpg", exif=exif)
    plate = whole_plate(tmp_path, "a.jpg", 4096)
    assert plate[:100].min() > 200
    assert plate[200:].max() < 50


def test_plain_backdrops_have_no_content_but_differ() -> None:
    pictures = [plain_backdrop(40, 60, np.random.default_rng(seed)) for seed in range(40)]
    assert {picture.shape for picture in pictures} == {(40, 60, 3)}
    means = np.array([picture.mean() for picture in pictures])
    assert means.min() < 15
    assert means.max() > 235
    assert len(np.unique(np.round(means))) > 15

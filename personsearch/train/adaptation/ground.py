"""The ground plane of a camera from two people in its picture: how high it hangs, and where its horizon is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import checked_boxes
from personsearch.errors import ImageError

#: Height of a person, metres, where nothing else is said.
PERSON = 1.7
#: Horizontal field of view that is assumed of a landscape picture, degrees, and the share of it for a portrait one. It
#: hardly matters for how tall people are.
FIELD_OF_VIEW, PORTRAIT = 60.0, 0.7
#: Two feet must be this share of the picture's height apart, or they say nothing about the horizon.
LEAST_APART = 0.03
#: Heights above the ground that a camera can have, metres.
HEIGHTS = (0.3, 60.0)
#: Angles below the level, degrees, that are tried for the camera's axis.
_TILTS = np.radians(np.arange(-40.0, 80.0, 0.02))


@dataclass(frozen=True)
class GroundPlane:
    """How a camera sees the ground.

    Attributes:
        camera_height: metres above the ground.
        horizon: row of the horizon as a share of the picture's height; below 0 or above 1 it is outside the picture.
        field_of_view: horizontal, degrees: assumed.
    """

    camera_height: float
    horizon: float
    field_of_view: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields by the names that a manifest of places has for them."""
        return {name: round(value, 4) for name, value in vars(self).items()}


def find_ground_plane(
    boxes: Sequence[Sequence[float]], size: tuple[int, int], *, height: float = PERSON, name: str = "the picture"
) -> GroundPlane:
    """Find the ground plane from two people of known height, one near and one far.

    A camera that looks straight ahead shows somebody of height ``H`` whose feet are in row ``y`` as
    ``H * (y - h0) / c`` pixels tall, with the horizon in row ``h0`` and the camera ``c`` above the ground; two people
    give both. For a camera that looks down, its tilt is then found exactly, for the assumed field of view.

    Args:
        boxes: two boxes x1, y1, x2, y2 in pixels of the upright picture, each from head to feet.
        size: width and height of the picture, pixels.
        height: of what the boxes show, metres.
        name: of the picture, for messages.

    Raises:
        ImageError: there are not two boxes, or they cannot be two people of one height on one floor.
    """
    if len(boxes) != 2:
        raise ImageError(
            f"--person: give two boxes of one picture, somebody near and somebody far, not {len(boxes)}; without any, "
            "people of all likely sizes are drawn"
        )
    if not 0.1 <= height <= 10:
        raise ImageError(f"--person-height {height:g}: must be in metres, 0.1 to 10; a person is 1.7, a door about 2.0")
    width_px, height_px = size
    (_, far_top, _, far_feet), (_, near_top, _, near_feet) = sorted(
        checked_boxes(boxes, (height_px, width_px), name).tolist(), key=lambda box: box[3]
    )
    far, near = far_feet - far_top, near_feet - near_top
    rows = f"the lower one, {near:.0f} pixels tall, and the upper one, {far:.0f} pixels tall"
    if min(far_top, near_top) <= 0.5 or near_feet >= height_px - 0.5:
        raise ImageError(
            f"{name}: a box of --person reaches the picture's upper or lower edge, so the person is cut off and their "
            "height is not known; give two people who are seen from head to feet"
        )
    if near_feet - far_feet < LEAST_APART * height_px:
        raise ImageError(
            f"{name}: the two people of --person stand in the same row, {far_feet:.0f} and {near_feet:.0f}, so they "
            "say nothing about the ground; give one who is near and one who is far"
        )
    if near <= far:
        raise ImageError(
            f"{name}: of the two people of --person, {rows}, the nearer one is not the taller one, which no floor "
            "allows; check the boxes x1,y1,x2,y2"
        )
    slope = (near - far) / (near_feet - far_feet)
    horizon = far_feet - far / slope
    shape = width_px / height_px
    view = FIELD_OF_VIEW if shape >= 1 else FIELD_OF_VIEW * PORTRAIT
    focal = shape / 2 / np.tan(np.radians(view) / 2)  # in picture heights
    level = GroundPlane(float(height / slope), float(horizon / height_px), view)
    shares = np.array([[far_top, far_feet], [near_top, near_feet]]) / height_px - 0.5
    plane = _tilted(shares / focal, focal, height, level)
    if not HEIGHTS[0] <= plane.camera_height <= HEIGHTS[1]:
        raise ImageError(
            f"{name}: by the two people of --person, {rows}, the camera would be {plane.camera_height:.2f} m above the "
            "ground, which cannot be; check the boxes x1,y1,x2,y2"
        )
    return plane


def _tilted(rays: NDArray[np.float64], focal: float, height: float, level: GroundPlane) -> GroundPlane:
    """Solve for the tilt at which both people say the same height of the camera; ``level`` where there is none.

    Args:
        rays: (2, 2) slopes below the camera's axis of head and feet, for two people.
        focal: focal length in heights of the picture.
        height: of the people, metres.
        level: the plane of a camera that looks straight ahead.
    """
    sine, cosine = np.sin(_TILTS)[:, None, None], np.cos(_TILTS)[:, None, None]
    # What a ray falls per metre ahead. Head and feet are equally far ahead: c / feet = (c - H) / head.
    ahead = cosine - rays * sine
    with np.errstate(divide="ignore", invalid="ignore"):
        fall = (rays * cosine + sine) / ahead
        heights = height / (1 - fall[..., 0] / fall[..., 1])
        differ = np.log(heights[:, 0]) - np.log(heights[:, 1])
    possible = (ahead > 0).all((1, 2)) & (fall[..., 1] > 0).all(1) & np.isfinite(differ)
    crosses = possible[:-1] & possible[1:] & (np.signbit(differ[:-1]) != np.signbit(differ[1:]))
    if not crosses.any():
        return level
    guess = np.arctan((0.5 - level.horizon) / focal)
    at = np.flatnonzero(crosses)
    at = at[np.abs(_TILTS[at] - guess).argmin()]
    share = differ[at] / (differ[at] - differ[at + 1])
    return GroundPlane(
        camera_height=float(heights[at, 0] + share * (heights[at + 1, 0] - heights[at, 0])),
        horizon=float(0.5 - focal * np.tan(_TILTS[at] + share * (_TILTS[at + 1] - _TILTS[at]))),
        field_of_view=level.field_of_view,
    )

"""Lay drawn people over a view of a plate: shadows on its ground, no cut-out line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plates.views import Image, rays
from personsearch.synth.render.renderer import GROUND, Picture
from personsearch.synth.sensor import linear_light

#: Standard deviation by which the edge of what is drawn is softened, pixels.
EDGE = (0.55, 0.9)
#: Share of the light that the soft shadow under the feet takes away.
CONTACT = (0.25, 0.6)
#: Beyond this many of its radii there is nothing of a soft shadow.
_FAINT = 2.6
#: A sun's shadow loses its edge over this many pixels.
_PENUMBRA = 1.2
#: Values of a picture are this root of the light.
_GAMMA = 2.2


@dataclass(frozen=True)
class Footprint:
    """Where something stands on the ground: a turned rectangle with a soft rim, metres.

    Attributes:
        place: x, z of its middle.
        radius: distance from the rectangle at which its shadow has lost most of its depth.
        half: half of its breadth and depth; 0, 0 = a round spot.
        heading: radians.
    """

    place: tuple[float, float]
    radius: float
    half: tuple[float, float] = (0.0, 0.0)
    heading: float = 0.0


def compose(
    view: Image,
    picture: Picture,
    camera: Camera,
    footprints: Sequence[Footprint],
    *,
    softness: float,
    rng: np.random.Generator,
) -> Image:
    """Lay a cut-out drawing over a view.

    Args:
        view: (H, W, 3) uint8 RGB.
        picture: a cut-out drawing of people and things over a plain ground that catches their shadows.
        camera: of both.
        footprints: where something touches the ground.
        softness: standard deviation in pixels by which the drawing is blurred to be as soft as the view; 0 = none.
        rng: decides on the depth of shadows and the softness of edges.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if footprints:
        depth = float(rng.uniform(*CONTACT))
        light = contact_shadows(camera, footprints, depth=depth) * cast_shadows(picture)
        shares = np.rint(light ** np.float32(1 / _GAMMA) * 255).astype(np.uint8)
        view = np.asarray(cv2.multiply(view, cv2.merge([shares] * 3), scale=1 / 255), np.uint8)
    drawn = (picture.owner > 0) & (picture.owner != GROUND)
    if not drawn.any():
        return view.copy()
    sigma = float(np.hypot(rng.uniform(*EDGE), softness))
    return _laid_over(view, picture.image, drawn, sigma, blurred=softness > 0.25)


def contact_shadows(camera: Camera, footprints: Sequence[Footprint], *, depth: float) -> NDArray[np.float32]:
    """Return (H, W) float32 shares of the light that reach the ground near what stands on it.

    Each footprint has a soft shadow on the ground, seen in perspective by the camera.

    Args:
        camera: looks at the ground y = 0.
        footprints: where something stands.
        depth: share of the light that is gone in the middle of a shadow, 0..1.
    """
    light = np.ones((camera.height, camera.width), np.float32)
    across, down = rays(camera)
    right, up, backward = camera.view()[:3, :3]
    # A camera without roll sees a straight line of the ground, parallel to its own x, in each row of pixels.
    falling = np.minimum(down * up[1] - backward[1], -1e-6)
    reach = -camera.eye[1] / falling
    level = np.array([-backward[0], -backward[2]]) / np.hypot(backward[0], backward[2])
    ahead = reach * (down * (up[[0, 2]] @ level) - backward[[0, 2]] @ level)
    for footprint in footprints:
        at = np.array(footprint.place) - (camera.eye[0], camera.eye[2])
        along, aside = float(at @ level), float(at @ right[[0, 2]])
        extent = np.hypot(*footprint.half) + _FAINT * footprint.radius
        rows = np.flatnonzero((np.abs(ahead - along) < extent) & (falling < -1e-3))
        if not len(rows):
            continue
        edges = [(aside + side * extent) / reach[rows] for side in (-1, 1)]
        columns = np.flatnonzero((across >= edges[0].min()) & (across <= edges[1].max()))
        if not len(columns):
            continue
        sideways, forwards = reach[rows, None] * across[columns] - aside, (ahead[rows] - along)[:, None]
        # Into the footprint's own coordinates, in which it is upright.
        c, s = np.cos(footprint.heading), np.sin(footprint.heading)
        x, z = (sideways * right[axis] + forwards * level[k] for k, axis in ((0, 0), (1, 2)))
        beyond = [
            np.maximum(np.abs(own) - half, 0)
            for own, half in zip((c * x - s * z, s * x + c * z), footprint.half, strict=True)
        ]
        squared = (beyond[0] ** 2 + beyond[1] ** 2) / footprint.radius**2
        light[np.ix_(rows, columns)] *= 1 - depth * np.exp(-squared)
    return light


def cast_shadows(picture: Picture) -> NDArray[np.float32]:
    """Return (H, W) float32 shares of the light that the sun's shadows leave on the drawn ground; elsewhere 1."""
    ground = picture.owner == GROUND
    if not ground.any():
        return np.ones(ground.shape, np.float32)
    grey = np.asarray(cv2.cvtColor(picture.image, cv2.COLOR_RGB2GRAY), np.uint8)
    counts = np.bincount(grey[ground], minlength=256)
    unshaded = int(np.searchsorted(counts.cumsum(), 0.95 * counts.sum()))
    shares = linear_light(np.arange(256, dtype=np.uint8))
    shares = np.clip(shares / max(shares[unshaded], 1e-6), 0, 1)
    shares[shares > 0.97] = 1  # the ground's highlight
    light = np.where(ground, shares[grey], np.float32(1))
    return np.asarray(cv2.GaussianBlur(light, (0, 0), _PENUMBRA), np.float32)


def _laid_over(view: Image, image: Image, drawn: NDArray[np.bool_], sigma: float, *, blurred: bool) -> Image:
    """Blend with a soft edge; the drawing's colours are continued outwards, so that its background shows nowhere."""
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    margin = int(np.ceil(4 * sigma)) + 1
    top, bottom = max(rows[0] - margin, 0), rows[-1] + margin + 1
    left, right = max(columns[0] - margin, 0), columns[-1] + margin + 1
    own = drawn[top:bottom, left:right]
    colours = image[top:bottom, left:right]
    share = cv2.GaussianBlur(own.astype(np.uint8) * np.uint8(255), (0, 0), sigma).astype(np.float32)[..., None] / 255
    # Blurred together with the share of what is drawn, a colour is already multiplied by it.
    front = cv2.GaussianBlur(colours * own[..., None], (0, 0), sigma).astype(np.float32)
    if not blurred:
        front = np.where(own[..., None], share * colours, front)
    result = view.copy()
    behind = view[top:bottom, left:right]
    result[top:bottom, left:right] = np.rint(np.clip(front + (1 - share) * behind, 0, 255)).astype(np.uint8)
    return result

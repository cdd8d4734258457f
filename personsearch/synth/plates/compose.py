"""Lay drawn people over a view of a plate: shadows on its ground, no cut-out line."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plates.views import Image, directions
from personsearch.synth.render.renderer import GROUND, Picture
from personsearch.synth.sensor import linear_light

#: x, z and radius of something that stands on the ground, metres.
Footprint = tuple[float, float, float]

#: Standard deviation by which the edge of what is drawn is softened, pixels.
EDGE = (0.55, 0.9)
#: Share of the light that the soft shadow under the feet takes away.
CONTACT = (0.25, 0.6)
#: Contact shadows are computed on a picture that is smaller by this factor.
_REDUCED = 2
#: A sun's shadow loses its edge over this many pixels.
_PENUMBRA = 1.2


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
    shaded = view.astype(np.float32)
    if footprints:
        light = contact_shadows(camera, footprints, depth=float(rng.uniform(*CONTACT)))
        light = light * cast_shadows(picture)
        # Shadows scale light; the picture's values are its 2.2th root.
        shaded *= (light ** np.float32(1 / 2.2))[..., None]
    drawn = (picture.owner > 0) & (picture.owner != GROUND)
    if not drawn.any():
        return np.asarray(np.rint(shaded), np.uint8)
    sigma = float(np.hypot(rng.uniform(*EDGE), softness))
    return _laid_over(shaded, picture.image, drawn, sigma, blurred=softness > 0.25)


def contact_shadows(camera: Camera, footprints: Sequence[Footprint], *, depth: float) -> NDArray[np.float32]:
    """Return (H, W) float32 shares of the light that reach the ground near what stands on it.

    Each footprint has a soft round shadow on the ground, seen in perspective by the camera.

    Args:
        camera: looks at the ground y = 0.
        footprints: x, z, radius in metres.
        depth: share of the light that is gone in the middle of a shadow, 0..1.
    """
    small = camera.cropped((0, 0, camera.width, camera.height), camera.width // _REDUCED, camera.height // _REDUCED)
    ray = directions(small)
    eye_x, eye_y, eye_z = camera.eye
    falling = ray[..., 1] < -1e-3
    reach = np.where(falling, -eye_y / np.where(falling, ray[..., 1], -1), 0)
    x, z = eye_x + reach * ray[..., 0], eye_z + reach * ray[..., 2]
    light = np.ones(falling.shape, np.float32)
    for at_x, at_z, radius in footprints:
        squared = ((x - at_x) ** 2 + (z - at_z) ** 2) / (radius * radius)
        light *= 1 - depth * np.where(falling, np.exp(-squared), 0).astype(np.float32)
    return np.asarray(cv2.resize(light, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR), np.float32)


def cast_shadows(picture: Picture) -> NDArray[np.float32]:
    """Return (H, W) float32 shares of the light that the sun's shadows leave on the drawn ground; elsewhere 1."""
    ground = picture.owner == GROUND
    if not ground.any():
        return np.ones(ground.shape, np.float32)
    radiance = linear_light(picture.image).mean(axis=-1)
    unshaded = np.percentile(radiance[ground], 95)
    light = np.where(ground, np.clip(radiance / max(unshaded, 1e-6), 0, 1), 1).astype(np.float32)
    light[light > 0.97] = 1  # the ground's highlight
    return np.asarray(cv2.GaussianBlur(light, (0, 0), _PENUMBRA), np.float32)


def _laid_over(
    view: NDArray[np.float32], image: Image, drawn: NDArray[np.bool_], sigma: float, *, blurred: bool
) -> Image:
    """Blend with a soft edge; the drawing's colours are continued outwards, so that its background shows nowhere."""
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    margin = int(np.ceil(4 * sigma)) + 1
    top, bottom = max(rows[0] - margin, 0), rows[-1] + margin + 1
    left, right = max(columns[0] - margin, 0), columns[-1] + margin + 1
    own = drawn[top:bottom, left:right, None].astype(np.float32)
    colours = image[top:bottom, left:right].astype(np.float32)
    share = cv2.GaussianBlur(own, (0, 0), sigma)[..., None]
    spread = cv2.GaussianBlur(colours * own, (0, 0), sigma) / np.maximum(share, 1e-4)
    front = spread if blurred else np.where(own > 0, colours, spread)
    view[top:bottom, left:right] += share * (front - view[top:bottom, left:right])
    return np.asarray(np.rint(np.clip(view, 0, 255)), np.uint8)

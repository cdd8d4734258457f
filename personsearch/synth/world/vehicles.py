"""Parked cars and vans."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import rotation_x
from personsearch.synth.shapes import Solid, cylinder, disc, loft, quad
from personsearch.synth.world.colours import CARS, DARK, painted
from personsearch.synth.world.mesh_builder import Frame
from personsearch.synth.world.site import Site
from personsearch.synth.world.types import Rgb

#: Cross-sections of a car's body from the rear (-1) to the front (1) bumper: position, half width relative to the
#: widest, height of the lower and upper edge in metres.
_BODY = (
    (-1.0, 0.74, 0.42, 0.66), (-0.975, 0.93, 0.30, 0.86), (-0.82, 1.0, 0.25, 0.96), (-0.4, 1.0, 0.22, 0.95),
    (0.2, 1.0, 0.22, 0.94), (0.42, 1.0, 0.22, 0.92), (0.62, 0.99, 0.24, 0.83), (0.85, 0.96, 0.26, 0.74),
    (0.965, 0.88, 0.30, 0.64), (1.0, 0.70, 0.38, 0.54),
)  # fmt: skip
_VAN = (
    (-1.0, 0.92, 0.34, 1.85), (-0.985, 0.98, 0.26, 1.95), (-0.5, 1.0, 0.24, 1.98), (0.3, 1.0, 0.24, 1.97),
    (0.42, 0.99, 0.24, 1.86), (0.70, 0.97, 0.25, 1.14), (0.93, 0.93, 0.28, 0.98), (1.0, 0.80, 0.36, 0.72),
)  # fmt: skip
_HALF_WIDTH = 0.88
_TYRE = 0.31
_BLACK: Rgb = (0.004, 0.004, 0.005)
_GLASS: Rgb = (0.025, 0.03, 0.035)
#: Rear lower, rear upper, front upper and front lower corner of the windows, in half lengths.
_CABINS = {
    "hatchback": (-0.93, -0.74, 0.14, 0.46),
    "saloon": (-0.72, -0.42, 0.10, 0.42),
    "estate": (-0.95, -0.82, 0.12, 0.45),
}


def car(site: Site, x: float, z: float, heading: float) -> None:
    """Add a parked car or, one time in seven, a van. With heading 0 its bonnet points to +x."""
    rng = site.rng
    paint = painted(rng, CARS)
    frame = site.frame(x, z, heading)
    if rng.random() < 0.15:
        half, height = rng.uniform(2.3, 2.6), 2.0
        _van(frame, half, paint)
    else:
        kind = str(rng.choice(list(_CABINS)))
        half, height = rng.uniform(1.95, 2.35), rng.uniform(1.42, 1.56)
        _car(frame, half, height, kind, paint)
    _wheels(frame, half, rng.random() < 0.5)
    for along in np.linspace(-half + 0.7, half - 0.7, 4):
        place = frame.at((along, 0, 0))
        site.block(place[0], place[2], 1.12, height)


def parked_row(site: Site, start: float, end: float, z: float, *, share: float) -> None:
    """Add parked cars one behind another along x; ``share`` of the spaces are taken."""
    x = start
    while x < end:
        if site.rng.random() < share:
            heading = 0.0 if site.rng.random() < 0.75 else np.pi
            car(site, x + site.rng.normal(0, 0.25), z + site.rng.normal(0, 0.06), heading)
        x += site.rng.uniform(5.8, 6.6)


def _car(frame: Frame, half: float, height: float, kind: str, paint: Rgb) -> None:
    frame.add(_hull(_BODY, half), paint, "paint")
    rear_low, rear_up, front_up, front_low = np.array(_CABINS[kind]) * half
    belt, low, up = 0.93, 0.80, 0.60
    lower = [
        (rear_low, belt, -low),
        (rear_low, belt, low),
        (front_low, belt - 0.02, low),
        (front_low, belt - 0.02, -low),
    ]
    upper = [
        (rear_up, height - 0.06, -up),
        (rear_up, height - 0.06, up),
        (front_up, height - 0.06, up),
        (front_up, height - 0.06, -up),
    ]
    for side in range(4):
        following = (side + 1) % 4
        frame.add(quad([lower[side], lower[following], upper[following], upper[side]]), _GLASS, "glass")
    roof = [
        (share * front_up + (1 - share) * rear_up, wide)
        for share, wide in ((-0.04, 0.9), (0.1, 1.0), (0.9, 1.0), (1.04, 0.88))
    ]
    frame.add(_hull_of([(x, up * wide * 1.03, height - 0.09, height) for x, wide in roof]), paint, "paint")
    for foot, head in zip(lower, upper, strict=True):
        frame.pole([foot, head], 0.04, paint, "paint", 5)
    middle = (rear_up + front_up) / 2 + 0.1
    for side in (-1, 1):
        frame.pole([(middle, belt, side * low), (middle, height - 0.06, side * up)], 0.035, DARK, "wall", 4)
        frame.box((front_low - 0.32, belt + 0.06, side * 0.93), (0.07, 0.11, 0.18), paint, "paint")
    _lights(frame, half, 0.68, 0.76)


def _van(frame: Frame, half: float, paint: Rgb) -> None:
    frame.add(_hull(_VAN, half), paint, "paint")
    width = _HALF_WIDTH
    # The slanted section between 0.42 and 0.70 is the windscreen.
    low, up = np.array([0.67 * half, 1.24]), np.array([0.47 * half, 1.76])
    lift = np.array([0.05, 0.035])
    corners = [(*(low + lift), -0.72), (*(up + lift), -0.66), (*(up + lift), 0.66), (*(low + lift), 0.72)]
    frame.add(quad(corners[::-1]), _GLASS, "glass")
    for side in (-1.0, 1.0):
        z = side * (width + 0.008)
        window = [
            (0.2 * half, 1.2, z),
            (0.58 * half, 1.18, z * 0.985),
            (0.45 * half, 1.68, z * 0.97),
            (0.2 * half, 1.72, z),
        ]
        frame.add(quad(window if side > 0 else window[::-1]), _GLASS, "glass")
    rear = [(-half - 0.012, 1.2, z) for z in (-0.6, 0.6)] + [(-half - 0.012, 1.65, z) for z in (0.6, -0.6)]
    frame.add(quad(rear), _GLASS, "glass")
    _lights(frame, half, 0.80, 1.0)


def _lights(frame: Frame, half: float, front: float, rear: float) -> None:
    """Add front and rear lamps at the given heights, number plates and dark lower bumpers."""
    for side in (-1, 1):
        lamp = frame.at((half * 0.945, front - 0.07, side * 0.64))
        frame.builder.blob(
            lamp, (0.16, 0.075, 0.17), (0.62, 0.63, 0.62), "paint", heading=frame.heading, around=7, rings=4
        )
        frame.box((-half * 0.985, rear, side * 0.70), (0.07, 0.17, 0.2), (0.40, 0.015, 0.012), "paint")
    for end in (-1, 1):
        frame.box((end * (half - 0.01), 0.47, 0), (0.05, 0.11, 0.5), (0.7, 0.7, 0.66), "wall")
        frame.box((end * (half - 0.1), 0.33, 0), (0.2, 0.14, 1.3), DARK, "wall")


def _wheels(frame: Frame, half: float, bright: bool) -> None:
    rim: Rgb = (0.42, 0.42, 0.44) if bright else (0.16, 0.16, 0.17)
    for along in (-half * 0.60, half * 0.64):
        for side in (-1, 1):
            arch, tyre, hub = disc(_TYRE + 0.07, sides=10), cylinder(_TYRE, 0.2, sides=9), disc(_TYRE * 0.64, sides=8)
            z = side * _HALF_WIDTH
            frame.add(_on_its_side(arch, side), _BLACK, "wall", at=(along, _TYRE + 0.04, z + side * 0.012))
            frame.add(_on_its_side(tyre, side), DARK, "wall", at=(along, _TYRE, z - side * 0.17))
            frame.add(_on_its_side(hub, side), rim, "paint", at=(along, _TYRE, z + side * 0.037))


def _on_its_side(solid: Solid, side: int) -> Solid:
    turn = rotation_x(side * np.pi / 2)
    positions, normals, triangles = solid
    return (positions @ turn.T).astype(np.float32), (normals @ turn.T).astype(np.float32), triangles


def _hull(sections: tuple[tuple[float, float, float, float], ...], half: float) -> Solid:
    return _hull_of([(x * half, wide * _HALF_WIDTH, low, high) for x, wide, low, high in sections])


def _hull_of(sections: list[tuple[float, float, float, float]]) -> Solid:
    """Return the skin over rounded cross-sections (x, half width, lower edge, upper edge)."""
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False) + np.pi / 10

    def boxy(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sign(value) * np.abs(value) ** 0.4)

    rings = [
        np.column_stack([
            np.full(10, x), (low + high) / 2 + boxy(np.cos(turn)) * (high - low) / 2, boxy(np.sin(turn)) * wide
        ])
        for x, wide, low, high in sections
    ]  # fmt: skip
    return loft(np.array(rings))

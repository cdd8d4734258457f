"""Things that people carry or push: umbrella, pram, bicycle, trolley. Their pixels do not belong to the person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array, linear, rotation_x
from personsearch.synth.people import palette
from personsearch.synth.people.identity import Identity
from personsearch.synth.people.wearer import Part, Wearer, rigid_part
from personsearch.synth.shapes import ellipsoid, tube

THINGS = ("umbrella", "pram", "bicycle", "trolley")


def thing_parts(thing: str, identity: Identity, wearer: Wearer) -> list[Part | None]:
    """Return the parts of a thing, in the person's rest frame (facing +z, soles at y = 0)."""
    if not thing:
        return []
    rng = np.random.default_rng([identity.seed, 77])
    colour = palette.dyed(rng, palette.BAGS if thing != "umbrella" else palette.TOPS)
    build = {"umbrella": _umbrella, "pram": _pram, "bicycle": _bicycle, "trolley": _trolley}[thing]
    bone, solids = build(wearer)
    looks = {"main": linear(colour), "dark": linear((0.07, 0.07, 0.08)), "metal": linear((0.6, 0.6, 0.62))}
    parts: list[Part | None] = []
    for look, positions, triangles in solids:
        uniforms = {"base": looks[look], "gloss": 0.4 if look == "metal" else 0.08, "ribs": 0.0}
        parts.append(rigid_part(bone, positions, triangles, "solid", uniforms, worn=False))
    return parts


Point = tuple[float, float, float]
Solid = tuple[str, Array, NDArray[np.integer]]


def _line(look: str, points: object, radius: float) -> Solid:
    positions, _, triangles = tube(np.asarray(points, np.float32), radius)
    return look, positions, triangles


def _ball(
    look: str, middle: tuple[float, float, float], radii: tuple[float, float, float], power: float = 1.0
) -> Solid:
    positions, _, triangles = ellipsoid(radii, power=power)
    return look, positions + np.array(middle, np.float32), triangles


def _wheel(x: float, y: float, z: float, radius: float, thickness: float = 0.02, spokes: int = 0) -> list[Solid]:
    """Return a wheel that rolls along z."""
    angles = np.linspace(0, 2 * np.pi, 17)
    ring = np.stack([0 * angles + x, y + np.sin(angles) * radius, z + np.cos(angles) * radius], axis=1)
    solids = [_line("dark", ring, thickness)]
    for angle in np.arange(spokes) * np.pi / max(spokes, 1):
        across = np.array([0, np.sin(angle), np.cos(angle)]) * radius
        solids.append(_line("metal", [np.array([x, y, z]) - across, np.array([x, y, z]) + across], 0.004))
    return solids


def _umbrella(wearer: Wearer) -> tuple[str, list[Solid]]:
    hand = wearer.joint("hand_r")
    over = wearer.scale * 0.72  # with the hand in front of the chest, the canopy is above the head
    top = hand + (0.05, over, -0.05)
    rings, ribs = 5, 16
    angle = np.linspace(0, 2 * np.pi, ribs, endpoint=False)
    positions = [top]
    for ring in range(1, rings + 1):
        share = ring / rings
        radius = 0.52 * np.sin(share * 1.25) / np.sin(1.25) * (1 - 0.05 * (np.arange(ribs) % 2) * share)
        drop = 0.24 * (1 - np.cos(share * 1.25)) / (1 - np.cos(1.25))
        across = [radius * np.cos(angle), np.full(ribs, -drop), radius * np.sin(angle)]
        positions.extend(top + np.stack(across, axis=1))
    triangles = [[0, 1 + (j + 1) % ribs, 1 + j] for j in range(ribs)]
    for ring in range(rings - 1):
        a = 1 + ring * ribs
        for j in range(ribs):
            k = (j + 1) % ribs
            triangles += [[a + j, a + k, a + ribs + j], [a + k, a + ribs + k, a + ribs + j]]
    canopy = np.array(positions, np.float32), np.array(triangles)
    return "hanging_r", [("main", *canopy), _line("metal", [hand + (0.02, -0.1, 0), top + (0, 0.05, 0)], 0.008)]


def _pram(wearer: Wearer) -> tuple[str, list[Solid]]:
    z, handle = 0.95, 0.98
    solids = [
        _ball("main", (0, 0.62, z), (0.21, 0.16, 0.38), 0.5),
        _ball("main", (0, 0.80, z - 0.14), (0.22, 0.24, 0.22), 0.8),
        _ball("dark", (0, 0.74, z + 0.16), (0.17, 0.08, 0.2), 0.6),
    ]
    for x in (-0.24, 0.24):
        solids += _wheel(x, 0.14, z - 0.3, 0.14) + _wheel(x, 0.11, z + 0.32, 0.11)
        solids.append(_line("metal", [(x, 0.14, z - 0.3), (x * 0.9, 0.5, z), (x, handle, z - 0.55)], 0.012))
        solids.append(_line("metal", [(x, 0.11, z + 0.32), (x * 0.9, 0.5, z - 0.05)], 0.012))
    solids.append(_line("dark", [(-0.24, handle, z - 0.55), (0.24, handle, z - 0.55)], 0.016))
    return "ground", solids


def _bicycle(wearer: Wearer) -> tuple[str, list[Solid]]:
    x, rear, front = 0.48, -0.42, 0.62  # pushed on the left side
    axle = 0.34
    seat, head, pedals = (x, 0.88, rear + 0.25), (x, 0.9, front - 0.18), (x, 0.3, rear + 0.42)
    solids = _wheel(x, axle, rear, axle - 0.02, 0.018, spokes=6) + _wheel(x, axle, front, axle - 0.02, 0.018, spokes=6)
    for a, b in ((seat, pedals), (head, pedals), ((x, 0.8, rear + 0.28), head), ((x, axle, rear), pedals)):
        solids.append(_line("main", [a, b], 0.016))
    solids.append(_line("main", [(x, axle, rear), (x, 0.82, rear + 0.27)], 0.011))
    solids.append(_line("main", [(x, axle, front), head, (x, 1.02, front - 0.22)], 0.014))
    bar = [(x - 0.27, 1.03, front - 0.32), (x, 1.02, front - 0.2), (x + 0.27, 1.03, front - 0.32)]
    solids.append(_line("dark", bar, 0.014))
    solids.append(_ball("dark", (x, 0.95, rear + 0.2), (0.08, 0.035, 0.13), 0.7))
    crank = [(x - 0.12, 0.2, pedals[2]), (x - 0.03, 0.3, pedals[2]), (x + 0.12, 0.4, pedals[2])]
    solids.append(_line("dark", crank, 0.013))
    return "ground", solids


def _trolley(wearer: Wearer) -> tuple[str, list[Solid]]:
    hand_x, back = -0.30, -0.52
    tilt = rotation_x(-0.45)
    positions, _, triangles = ellipsoid((0.19, 0.29, 0.12), power=0.35)
    box = positions @ tilt.T.astype(np.float32) + np.array([hand_x, 0.40, back - 0.08], np.float32)
    pocket, _, pocket_triangles = ellipsoid((0.15, 0.11, 0.03), power=0.4)
    pocket = (pocket + np.array([0, -0.08, -0.12], np.float32)) @ tilt.T.astype(np.float32)
    solids: list[Solid] = [
        ("main", box, triangles),
        ("dark", pocket + np.array([hand_x, 0.40, back - 0.08], np.float32), pocket_triangles),
    ]
    for x in (hand_x - 0.08, hand_x + 0.08):
        solids.append(_line("metal", [(x, 0.64, back + 0.05), (x, 0.84, back + 0.26)], 0.008))
        positions, _, wheel = ellipsoid((0.02, 0.05, 0.05))
        solids.append(("dark", positions + np.array([x, 0.05, back - 0.22], np.float32), wheel))
    solids.append(_line("dark", [(hand_x - 0.08, 0.84, back + 0.26), (hand_x + 0.08, 0.84, back + 0.26)], 0.013))
    return "ground", solids

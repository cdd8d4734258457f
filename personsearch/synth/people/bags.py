"""Bags and scarves: stiff things that move with one bone. The material ``cloth`` paints their straps on the top."""

from __future__ import annotations

import numpy as np

from personsearch.synth.geometry import linear
from personsearch.synth.people.garments import padding
from personsearch.synth.people.identity import Identity
from personsearch.synth.people.wearer import Part, Uniforms, Wearer, rigid_part, vertices_of
from personsearch.synth.shapes import ellipsoid, tube


def bag_parts(identity: Identity, wearer: Wearer) -> list[Part | None]:
    """Return the parts of the bag, its flap or pocket, and its handle or strap."""
    bag = identity.bag
    if not bag.kind:
        return []
    size, off = bag.size * wearer.scale, padding(identity.top, wearer)
    colour: Uniforms = {"base": linear(bag.colour), "gloss": 0.1, "ribs": 0.0}
    trim: Uniforms = {"base": linear(bag.colour) * 0.45, "gloss": 0.2, "ribs": 0.0}
    sign, side = (1, "l") if bag.side == "l" else (-1, "r")

    def boxy(bone: str, middle: tuple[float, float, float], radii: tuple[float, float, float], look: Uniforms) -> Part:
        positions, _, triangles = ellipsoid((radii[0] * size, radii[1] * size, radii[2] * size), power=0.42)
        return rigid_part(bone, positions + middle, triangles, "solid", look)

    if bag.kind == "backpack":
        tights = vertices_of("tights")
        at_chest = tights[np.abs(wearer.vertices[tights, 1] - wearer.chest) < 0.12]
        back, high = float(wearer.vertices[at_chest, 2].min()) - off, wearer.chest - 0.10
        return [
            boxy("spine_03", (0, high, back - 0.075 * size), (0.15, 0.21, 0.09), colour),
            boxy("spine_03", (0, high - 0.10 * size, back - 0.15 * size), (0.11, 0.09, 0.04), colour),
            boxy("spine_03", (0, high - 0.03 * size, back - 0.165 * size), (0.10, 0.006, 0.028), trim),
            boxy("spine_03", (0, high + 0.13 * size, back - 0.14 * size), (0.11, 0.006, 0.02), trim),
        ]
    if bag.kind in ("crossbody", "shoulder"):
        hip = wearer.joint(f"thigh_{side}")
        bone, lift = ("pelvis", 0.06) if bag.kind == "crossbody" else ("spine_02", 0.2)
        middle = (float(hip[0]) + sign * (0.13 + off) * wearer.scale, float(hip[1]) + lift, float(hip[2]))
        outside = (middle[0] + sign * 0.045 * size, middle[1] + 0.035 * size, middle[2])
        parts: list[Part | None] = [
            boxy(bone, middle, (0.05, 0.10, 0.13), colour),
            boxy(bone, outside, (0.012, 0.062, 0.115), trim),
        ]
        if bag.kind == "shoulder":
            shoulder = wearer.joint(f"upperarm_{side}") + (-sign * 0.035, 0.045 + off, 0)
            ends = [np.array(middle) + (0, 0.09 * size, z * size) for z in (-0.10, 0.10)]
            positions, _, triangles = tube(np.array([ends[0], shoulder, ends[1]]), 0.009)
            parts.append(rigid_part("spine_03", positions, triangles, "solid", trim))
        return parts
    hand = wearer.joint(f"hand_{side}") + (sign * 0.05, 0, 0.02)
    return [_handbag_piece(piece, hand, side, size, look) for piece, look in (("bag", colour), ("handle", trim))]


def scarf_parts(identity: Identity, wearer: Wearer) -> list[Part | None]:
    """Return a scarf around the neck, one end of which lies on the chest."""
    if identity.scarf is None:
        return []
    look: Uniforms = {"base": linear(identity.scarf), "gloss": 0.02, "ribs": 60.0}
    neck = wearer.joint("neck_01") + (0, 0.035, 0.012)
    positions, _, triangles = ellipsoid((0.10 * wearer.scale, 0.05, 0.105 * wearer.scale), power=0.8)
    end, _, end_triangles = ellipsoid((0.045, 0.15, 0.016), power=0.5)
    front = (0.04, wearer.chest - 0.02, float(wearer.vertices[vertices_of("tights"), 2].max()) - 0.005)
    return [
        rigid_part("neck_01", positions + neck, triangles, "solid", look),
        rigid_part("spine_03", end + front, end_triangles, "solid", look),
    ]


def _handbag_piece(piece: str, hand: np.ndarray, side: str, size: float, look: Uniforms) -> Part:
    """Return the bag or its handle, which hangs below the hand whatever the arm does."""
    if piece == "bag":
        positions, _, triangles = ellipsoid((0.05 * size, 0.12 * size, 0.15 * size), power=0.35)
        place = hand - (0, 0.29 * size, 0)
    else:
        angles = np.linspace(0, np.pi, 7)
        arch = np.stack([0 * angles, np.sin(angles) * 0.16 * size, np.cos(angles) * 0.07 * size], axis=1)
        positions, _, triangles = tube(arch, 0.008)
        place = hand - (0, 0.18 * size, 0)
    return rigid_part(f"hanging_{side}", positions + place, triangles, "solid", look)

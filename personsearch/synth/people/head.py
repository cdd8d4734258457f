"""Faces, hair, hats and glasses."""

from __future__ import annotations

import numpy as np

from personsearch.synth.geometry import Array, linear
from personsearch.synth.people.body import Indices, asset, regions
from personsearch.synth.people.garments import leg_shown_from, neckline
from personsearch.synth.people.identity import Head, Identity
from personsearch.synth.people.wearer import Part, Uniforms, Wearer, inflated, rigid_part, vertices_of
from personsearch.synth.shapes import ellipsoid, tube

CAP_HAIR = {"bald": 0.0, "crop": 0.005, "short": 0.012, "bob": 0.010, "long": 0.010, "bun": 0.010, "pony": 0.010}
"""Distance of scalp hair from the skin, metres."""


def skin_part(identity: Identity, wearer: Wearer) -> Part | None:
    """Return the skin that no garment covers, with the face."""
    mesh, where, head = asset(), regions(), identity.head
    leg, high = leg_shown_from(identity.bottom), neckline(identity.top, wearer) - 0.035
    region = wearer.region()
    region[:, 2] = mesh.lips
    body = np.arange(len(wearer.vertices)) < mesh.body_vertices
    arms = where.arm > identity.top.sleeve - 0.3
    legs = (where.leg > leg - 0.3) & (where.leg < 2.0)
    keep = body & (arms | legs | (wearer.vertices[:, 1] > high - 0.12))
    skin = linear(identity.skin)
    lips = vertices_of("body")[mesh.lips[vertices_of("body")] > 0.5]
    eye = _eye(wearer, "left_eye")
    uniforms: Uniforms = {
        "base": skin,
        "lip_colour": skin * (0.80, 0.45, 0.45),
        "hair_colour": linear(head.hair_colour),
        "brow_colour": linear(head.brow),
        "shown": (identity.top.sleeve - 0.1, leg, high, 1.93),
        "face": (abs(float(eye[0])), float(eye[1]), float(wearer.vertices[lips, 1].mean()), float(eye[2])),
        "beard": head.beard,
        "scalp": 0.0 if head.hair == "bald" else 1.0,
    }
    return wearer.part("body", wearer.vertices, keep, "skin", region=region, uniforms=uniforms)


def eye_parts(head: Head, wearer: Wearer) -> list[Part | None]:
    """Return both eyeballs, with white, iris and pupil."""
    parts = []
    for name in ("left_eye", "right_eye"):
        middle, radius = _eye(wearer, name), float(np.ptp(wearer.vertices[vertices_of(name), 0]) / 2)
        uniforms = {"iris": linear(head.iris), "middle": middle, "radius": radius}
        keep = np.ones(len(wearer.vertices), bool)
        parts.append(wearer.part(name, wearer.vertices, keep, "eye", uniforms=uniforms))
    return parts


def hair_parts(identity: Identity, wearer: Wearer) -> list[Part | None]:
    """Return the hair: layers on the scalp, and hair that hangs or is tied."""
    head, scale = identity.head, wearer.scale
    if head.hair == "bald":
        return []
    where, mesh = regions(), asset()
    covered = bool(head.hat)
    thickness = CAP_HAIR[head.hair] + (0.014 * head.hair_length if head.hair == "short" else 0)
    thickness = min(thickness, 0.008) if covered else thickness
    scalp = where.hairline > -0.03
    parts: list[Part | None] = []
    for layer, share in enumerate((0.55, 1.0)):
        grown = thickness * share * np.clip(where.hairline / 0.12, 0.1, 1)
        if head.hair == "short" and not covered:  # fuller on top and on one side of the parting
            side = np.clip(wearer.vertices[:, 0] * head.parting / 0.06, -1, 1)
            grown *= np.where(where.height_in_head > 0.75, 1.3 + 0.9 * head.hair_length + 0.35 * side, 1)
        skin = vertices_of("body")
        positions = inflated(wearer, skin, grown[skin])
        uniforms = _hair_uniforms(identity, layer)
        parts.append(wearer.part("body", positions, scalp, "hair", uniforms=uniforms))
    crown = float(wearer.vertices[: mesh.body_vertices, 1].max())
    if head.hair in ("bob", "long"):
        drop = (0.24 + 0.07 * head.hair_length if head.hair == "bob" else 0.32 + 0.25 * head.hair_length) * scale
        parts.append(_hanging(identity, wearer, crown - drop))
    if head.hair in ("bun", "pony"):
        parts.extend(_tied(identity, wearer, crown))
    return parts


def hat_parts(head: Head, wearer: Wearer) -> list[Part | None]:
    """Return a cap, a beanie or a brimmed hat."""
    if not head.hat:
        return []
    where, skin = regions(), vertices_of("body")
    high = where.height_in_head > {"beanie": 0.64, "cap": 0.72, "brim": 0.74}[head.hat]
    off = np.where(where.height_in_head > 0.85, 1.3, 1.0) * {"beanie": 0.019, "cap": 0.017, "brim": 0.02}[head.hat]
    positions = inflated(wearer, skin, off[skin])
    edge = float(wearer.vertices[skin][high[skin], 1].min())
    colour: Uniforms = {"base": linear(head.hat_colour), "gloss": 0.03, "ribs": 90.0 if head.hat == "beanie" else 0.0}
    parts = [wearer.part("body", positions, high & (where.head > 0.6), "solid", uniforms=colour)]
    if head.hat == "cap":
        front = float(wearer.vertices[skin][where.head[skin] > 0.6, 2].max())
        positions, _, triangles = ellipsoid((0.078, 0.007, 0.085))
        parts.append(rigid_part("head", positions + (0, edge + 0.008, front * 0.78), triangles, "solid", colour))
    elif head.hat == "brim":
        positions, _, triangles = ellipsoid((0.15, 0.008, 0.16))
        place = (0, edge + 0.012, wearer.joint("head")[2] + 0.02)
        parts.append(rigid_part("head", positions + place, triangles, "solid", colour))
    return parts


def glasses_parts(head: Head, wearer: Wearer) -> list[Part | None]:
    """Return two rims, a bridge and two temples."""
    if not head.glasses:
        return []
    left = _eye(wearer, "left_eye")
    radius, front, circle = 0.023 * wearer.scale, float(left[2]) + 0.021, np.linspace(0, 2 * np.pi, 13)
    lines = []
    for side in (-1, 1):
        ring = np.stack([np.cos(circle) * radius * 1.1, np.sin(circle) * radius * 0.85, 0 * circle], axis=1)
        lines.append(ring + (side * left[0], left[1] - 0.003, front))
        hinge = (side * (left[0] + radius * 1.1), left[1], front)
        lines.append(np.array([hinge, (side * 0.074 * wearer.scale, left[1], left[2] - 0.085)]))
    inner = left[0] - radius * 1.1
    lines.append(np.array([(-inner, left[1], front), (inner, left[1], front)]))
    pieces, count = [], 0
    corners: list[Array] = []
    for line in lines:
        positions, _, triangles = tube(line, 0.0022)
        corners.append(positions)
        pieces.append(triangles + count)
        count += len(positions)
    colour: Uniforms = {"base": linear((0.05, 0.05, 0.06)), "gloss": 0.5, "ribs": 0.0}
    return [rigid_part("head", np.concatenate(corners), np.concatenate(pieces), "solid", colour)]


def _eye(wearer: Wearer, name: str) -> Array:
    return np.asarray(wearer.vertices[vertices_of(name)].mean(0), np.float32)


def _hair_uniforms(identity: Identity, layer: int) -> Uniforms:
    return {
        "base": linear(identity.head.hair_colour),
        "layer": float(layer),
        "seed": identity.seed % 101 / 101,
        "ends": -9.0,
        "face_opening": (0.0, 0.0, 0.0, 9.0),
    }


def _hanging(identity: Identity, wearer: Wearer, ends: float) -> Part | None:
    """Return the helper mesh for long hair, open in front of the face."""
    hair: Indices = vertices_of("hair")
    eye = _eye(wearer, "left_eye")
    face = (0.075 * wearer.scale, float(eye[1]) - 0.035 * wearer.scale, 0.105 * wearer.scale, float(eye[2]) - 0.062)
    uniforms = {**_hair_uniforms(identity, 0), "ends": ends, "face_opening": face}
    region = wearer.region()
    region[:, 3] = 1
    keep = np.ones(len(wearer.vertices), bool)
    return wearer.part("hair", inflated(wearer, hair, 0.006), keep, "hair", region=region, uniforms=uniforms)


def _tied(identity: Identity, wearer: Wearer, crown: float) -> list[Part | None]:
    skin, where = vertices_of("body"), regions()
    back = float(wearer.vertices[skin][where.head[skin] > 0.6, 2].min())
    bun = identity.head.hair == "bun"
    knot = np.array([0, crown - (0.05 if bun else 0.09), back - 0.008])
    uniforms = _hair_uniforms(identity, 0)
    positions, _, triangles = ellipsoid((0.042, 0.04, 0.036) if bun else (0.026, 0.026, 0.028))
    parts: list[Part | None] = [_with_hair_region(rigid_part("head", positions + knot, triangles, "hair", uniforms))]
    if not bun:
        length = 0.09 + 0.09 * identity.head.hair_length
        positions, _, triangles = ellipsoid((0.028, length, 0.026))
        place = knot + (0, -length * 0.85, -0.02)
        parts.append(_with_hair_region(rigid_part("neck_01", positions + place, triangles, "hair", uniforms)))
    return parts


def _with_hair_region(part: Part) -> Part:
    part.region[:, 3] = 1  # as if well above the hairline: nothing is thinned out
    return part

"""A body with a tailor's measurements, and operations that turn its surface into cloth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array, vertex_normals
from personsearch.synth.people.body import SIDES, Build, Indices, asset, joint_positions, regions, rest_vertices

Uniforms = dict[str, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """A piece of a person made of one material, in the rest pose, with n vertices and t triangles.

    Attributes:
        material: name of a file in ``shaders/materials``.
        defines: constants with which the material is compiled, e.g. ``PATTERN``.
        positions: (n, 3) float32 metres.
        rest: (n, 3) float32: the point of the body's surface underneath, which cuts and patterns follow.
        region: (n, 4) float32: arm, leg, front (z of the body's normal) or lips, height above the hairline.
        bone_indices: (n, 4).
        bone_weights: (n, 4) float32.
        triangles: (t, 3).
        uniforms: values of the material's uniforms.
        picture: (H, W, 4) uint8 RGBA print, or None.
        worn: whether its pixels belong to the person; those of a pram or an umbrella do not.
    """

    material: str
    positions: Array
    rest: Array
    region: Array
    bone_indices: Indices
    bone_weights: Array
    triangles: Indices
    defines: tuple[tuple[str, int], ...] = ()
    uniforms: Uniforms = field(default_factory=dict)
    picture: NDArray[np.uint8] | None = None
    worn: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class Wearer:
    """Measurements of one body in its rest pose; heights in metres above the soles.

    Attributes:
        vertices: (V, 3) float32 metres: the skin and the helper meshes for cloth and hair.
        normals: (V, 3) float32.
        joints: (B, 3) metres.
        scale: body height / 1.7 m.
        crotch: height of the crotch.
        waist: height of the waist.
        chest: height of the chest.
        neck: height of the neck joint.
        spine_z: z of the trunk's axis, metres.
    """

    vertices: Array
    normals: Array
    joints: NDArray[np.float64]
    scale: float
    crotch: float
    waist: float
    chest: float
    neck: float
    spine_z: float

    def joint(self, bone: str) -> NDArray[np.float64]:
        """Return (3,) metres: the start of a bone."""
        return np.asarray(self.joints[asset().bone(bone)])

    def part(
        self,
        name: str,
        positions: Array,
        keep: NDArray[np.bool_],
        material: str,
        *,
        rest: Array | None = None,
        region: Array | None = None,
        defines: tuple[tuple[str, int], ...] = (),
        uniforms: Uniforms | None = None,
        picture: NDArray[np.uint8] | None = None,
    ) -> Part | None:
        """Cut a part out of the mesh.

        Args:
            name: which triangles: body, tights, skirt, hair, left_eye, right_eye.
            positions: (V, 3) float32: the body's vertices, moved to where this part has them.
            keep: (V,) bool; a triangle is kept if all its corners are.
            material: see ``Part``.
            rest: (V, 3); default: the body's own vertices.
            region: (V, 4); default: arm, leg, front, height above the hairline.
            defines: see ``Part``.
            uniforms: see ``Part``.
            picture: see ``Part``.

        Returns:
            The part, or None where nothing is left of it.
        """
        mesh = asset()
        triangles = mesh.triangles[name]
        triangles = triangles[keep[triangles].all(1)]
        if not len(triangles):
            return None
        used = np.flatnonzero(np.bincount(triangles.ravel(), minlength=len(mesh.bone_indices)))
        renumbered = np.empty(len(mesh.bone_indices), triangles.dtype)
        renumbered[used] = np.arange(len(used))
        return Part(
            material=material,
            positions=positions[used].astype(np.float32),
            rest=(self.vertices if rest is None else rest)[used].astype(np.float32),
            region=(self.region() if region is None else region)[used].astype(np.float32),
            bone_indices=mesh.bone_indices[used],
            bone_weights=mesh.bone_weights[used],
            triangles=renumbered[triangles],
            defines=defines,
            uniforms=uniforms or {},
            picture=picture,
        )

    def region(self) -> Array:
        """Return (V, 4): arm, leg, front, height above the hairline."""
        where = regions()
        return np.stack([where.arm, where.leg, self.normals[:, 2], where.hairline], axis=1)


@cache
def vertices_of(name: str) -> Indices:
    """Return the vertices that a named set of triangles uses, as sorted indices."""
    indices = np.unique(asset().triangles[name])
    indices.setflags(write=False)
    return indices


def measure(build: Build) -> Wearer:
    """Take the measurements of a body."""
    mesh, where = asset(), regions()
    vertices = rest_vertices(build)
    joints = joint_positions(vertices)
    shapes = [mesh.triangles[name] for name in ("body", "tights", "skirt", "hair")]
    tights = vertices_of("tights")
    midline = tights[(np.abs(vertices[tights, 0]) < 0.02) & (where.arm[tights] <= 0)]

    def height_of(bone: str) -> float:
        return float(joints[mesh.bone(bone), 1])

    spine = [mesh.bone(bone) for bone in ("pelvis", "spine_01", "spine_02", "spine_03", "neck_01")]
    return Wearer(
        vertices=vertices,
        normals=vertex_normals(vertices, np.concatenate(shapes)),
        joints=joints,
        scale=float(vertices[: mesh.body_vertices, 1].max()) / 1.7,
        crotch=float(vertices[midline, 1].min()),
        waist=height_of("spine_02") - 0.02,
        chest=height_of("spine_03") + 0.08,
        neck=height_of("neck_01"),
        spine_z=float(joints[spine, 2].mean()),
    )


def inflated(wearer: Wearer, vertices: Indices, by: float | NDArray[np.floating]) -> Array:
    """Return all vertices (V, 3), with the given ones moved outwards along their normals by ``by`` metres."""
    positions = wearer.vertices.copy()
    positions[vertices] += wearer.normals[vertices] * np.reshape(by, (-1, 1))
    return positions


def draped(
    points: Array,
    axis_z: float,
    chest: float,
    taper: float,
    ease: Callable[[Array], Array],
    bins: tuple[int, int] = (40, 24),
) -> Array:
    """Let cloth hang instead of cling: below the chest its radius shrinks by at most ``taper`` per metre.

    Args:
        points: (N, 3) float32, points of the trunk.
        axis_z: z of the trunk's axis, which stands at x = 0, metres.
        chest: height below which the cloth hangs, metres.
        taper: 0 = straight down, 1 = clings.
        ease: returns metres of air for given heights.
        bins: numbers of steps of height and angle in which the radius is measured.

    Returns:
        (N, 3) float32; points are only moved outwards.
    """
    across = points[:, [0, 2]] - (0, axis_z)
    radius, angle = np.hypot(*across.T), np.arctan2(across[:, 0], across[:, 1])
    low, high = points[:, 1].min() - 1e-4, points[:, 1].max() + 1e-4
    rows, columns = bins
    step = (high - low) / rows
    row, column = (points[:, 1] - low) / step - 0.5, (angle + np.pi) / (2 * np.pi) * columns - 0.5
    table = np.zeros(bins)
    np.maximum.at(table, (np.round(row).astype(int).clip(0, rows - 1), np.round(column).astype(int) % columns), radius)
    for _ in range(3):  # empty bins take their neighbours' radius
        table = np.where(table == 0, np.maximum(np.roll(table, 1, 1), np.roll(table, -1, 1)), table)
    for i in range(rows - 2, -1, -1):
        table[i] = np.where(table[i] == 0, table[i + 1], table[i])
        if low + (i + 0.5) * step < chest:
            table[i] = np.maximum(table[i], table[i + 1] - taper * step)
    table = (table + np.roll(table, 1, 1) + np.roll(table, -1, 1)) / 3
    table = (table + np.vstack([table[:1], table[:-1]]) + np.vstack([table[1:], table[-1:]])) / 3

    row = row.clip(0, rows - 1)
    i, j = np.floor(row).astype(int), np.floor(column).astype(int)
    up, across_share = row - i, column - j
    i2, j1, j2 = np.minimum(i + 1, rows - 1), j % columns, (j + 1) % columns
    wanted = (1 - up) * ((1 - across_share) * table[i, j1] + across_share * table[i, j2])
    wanted += up * ((1 - across_share) * table[i2, j1] + across_share * table[i2, j2])
    grown = (np.maximum(wanted, radius) + ease(points[:, 1])) / np.maximum(radius, 1e-4)
    moved = points.copy()
    moved[:, 0] = across[:, 0] * grown
    moved[:, 2] = axis_z + across[:, 1] * grown
    return moved


def with_loose_arms(wearer: Wearer, positions: Array, ease: float, least: float) -> Array:
    """Widen sleeves: every point moves ``ease`` metres away from the arm's bone, to at least ``least`` metres."""
    positions, tights, arm = positions.copy(), vertices_of("tights"), regions().arm
    for side, sign in SIDES:
        shoulder, elbow, wrist = (wearer.joint(f"{name}_{side}") for name in ("upperarm", "lowerarm", "hand"))
        on = tights[(arm[tights] > 0.02) & (wearer.vertices[tights, 0] * sign > 0)]
        along = arm[on][:, None]
        axis = np.where(along < 1, shoulder + (elbow - shoulder) * along, elbow + (wrist - elbow) * (along - 1))
        upper, fore = elbow - shoulder, wrist - elbow
        bone = np.where(along < 1, upper / np.linalg.norm(upper), fore / np.linalg.norm(fore))
        away = positions[on] - axis
        away -= (away * bone).sum(1, keepdims=True) * bone
        radius = np.linalg.norm(away, axis=1, keepdims=True) + 1e-6
        wanted = np.maximum(radius + ease, least * np.clip(1.25 - 0.2 * along, 0.8, 1.3))
        positions[on] += away / radius * (wanted - radius) * np.clip(along / 0.25, 0, 1)
    return positions


def with_loose_legs(wearer: Wearer, positions: Array, ease: float, least: float, flare: float) -> Array:
    """Widen trouser legs to at least ``least`` metres from the bone, 1 + ``flare`` times as much at the ankle."""
    positions, tights, leg = positions.copy(), vertices_of("tights"), regions().leg
    for side, sign in SIDES:
        bones = [wearer.joint(f"{name}_{side}") for name in ("foot", "calf", "thigh")]
        below = (leg[tights] > 0.1) & (wearer.vertices[tights, 0] * sign > 0)
        on = tights[below & (wearer.vertices[tights, 1] < wearer.crotch + 0.03)]
        heights = [bone[1] for bone in bones]
        axis = [np.interp(positions[on, 1], heights, [bone[k] for bone in bones]) for k in (0, 2)]
        away = positions[on][:, [0, 2]] - np.stack(axis, axis=1)
        radius, along = np.hypot(*away.T) + 1e-6, leg[on]
        wanted = np.maximum(radius + ease, least * (1 + flare * np.clip(along - 1, 0, 1)))
        wanted = np.where(along > 1.95, radius, wanted)
        share = np.clip((along - 0.1) / 0.3, 0, 1) * np.clip((1.97 - along) / 0.03, 0, 1)
        away *= ((wanted - radius) * share / radius)[:, None]
        positions[on, 0] += away[:, 0]
        positions[on, 2] += away[:, 1]
        positions[on, 0] = sign * np.maximum(positions[on, 0] * sign, 0.006)  # keeps the legs apart
    return positions


def rumpled(wearer: Wearer, positions: Array, vertices: Indices, amount: float, frequency: float, seed: int) -> Array:
    """Push cloth in and out by up to ``amount`` metres, ``frequency`` radians per metre."""
    x, y, z = (wearer.vertices[vertices] * frequency).T
    wave = np.sin(x + seed) * np.sin(1.3 * y + 2 * seed) * np.sin(z + 1.7 * seed)
    positions = positions.copy()
    positions[vertices] += wearer.normals[vertices] * (amount * wave)[:, None]
    return positions


def rigid_part(
    bone: str,
    positions: NDArray[np.floating],
    triangles: NDArray[np.integer],
    material: str,
    uniforms: Uniforms,
    *,
    worn: bool = True,
) -> Part:
    """Return a stiff part that moves with one bone; ``positions`` are (n, 3) metres in the rest pose."""
    count = len(positions)
    indices, weights = np.zeros((count, 4), np.int64), np.zeros((count, 4), np.float32)
    indices[:, 0], weights[:, 0] = asset().bone(bone), 1
    return Part(
        material=material,
        positions=positions.astype(np.float32),
        rest=positions.astype(np.float32),
        region=np.zeros((count, 4), np.float32),
        bone_indices=indices,
        bone_weights=weights,
        triangles=np.asarray(triangles, np.int64),
        uniforms=uniforms,
        worn=worn,
    )

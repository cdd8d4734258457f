"""The body: one mesh for any build, its joints, and the region of the body in which each vertex lies.

The mesh is MakeHuman's base mesh with its helper geometry for tights, skirt and hair (CC0, see ``assets/NOTICE.md``). A
person's shape is the base plus a weighted sum of targets, as defined by MakeHuman's macro modifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array

Indices = NDArray[np.int64]
CARRIERS = ("hanging_l", "hanging_r", "ground")
"""What carried things are attached to: they follow the left hand, the right hand or the feet, but never tilt."""
SIDES = (("l", 1), ("r", -1))
"""Name of each side and the sign of its x in the rest pose, which faces +z."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """The shape of a body; every number is 0..1.

    Attributes:
        masculine: 0 feminine .. 1 masculine.
        age: 0.19 child, 0.5 young, 1 old.
        muscle: 0 little muscle .. 1 much muscle.
        weight: 0 thin .. 1 heavy.
        height: 0 short .. 1 tall.
        proportions: 0 uncommon .. 1 ideal.
        variation: weights of the base mesh's three variants of skull and build; their sum is 1.
    """

    masculine: float
    age: float
    muscle: float
    weight: float
    height: float
    proportions: float
    variation: tuple[float, float, float]


NEUTRAL = Build(
    masculine=0.5, age=0.5, muscle=0.5, weight=0.5, height=0.5, proportions=0.5, variation=(0.34, 0.33, 0.33)
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Asset:
    """The mesh as shipped, with V vertices and B bones. Its arrays are shared, so nobody may write to them."""

    vertices: Array
    targets: Array
    target_names: tuple[str, ...]
    bone_indices: Indices
    bone_weights: Array
    bones: tuple[str, ...]
    parents: tuple[int, ...]
    joint_vertices: Indices
    triangles: dict[str, Indices]
    body_vertices: int
    lips: Array

    def bone(self, name: str) -> int:
        """Return the index of a bone or of one of ``CARRIERS``, which come after the bones."""
        return (*self.bones, *CARRIERS).index(name)


@cache
def asset() -> Asset:
    """Read the packaged mesh."""
    with (resources.files("personsearch") / "synth/assets/body.npz").open("rb") as file, np.load(file) as data:
        arrays = {key: data[key] for key in data.files}
    return Asset(
        vertices=arrays["vertices"].astype(np.float32),
        targets=arrays["targets"].astype(np.float32) * 1e-4,
        target_names=tuple(str(name) for name in arrays["target_names"]),
        bone_indices=arrays["bone_indices"].astype(np.int64),
        bone_weights=arrays["bone_weights"].astype(np.float32),
        bones=tuple(str(name) for name in arrays["bones"]),
        parents=tuple(int(parent) for parent in arrays["parents"]),
        joint_vertices=arrays["joint_vertices"].astype(np.int64),
        triangles={
            key.removeprefix("triangles_"): value.astype(np.int64)
            for key, value in arrays.items()
            if key.startswith("triangles_")
        },
        body_vertices=int(arrays["body_vertices"].item()),
        lips=arrays["lips"].astype(np.float32) / 255,
    )


def _factors(build: Build) -> Array:
    """Return the (T,) weights of the targets: products of MakeHuman's macro modifiers."""

    def around_middle(value: float, noun: str) -> dict[str, float]:
        return {
            f"min{noun}": max(0.0, 1 - 2 * value),
            f"average{noun}": 1 - abs(2 * value - 1),
            f"max{noun}": max(0.0, 2 * value - 1),
        }

    gender = {"male": build.masculine, "female": 1 - build.masculine}
    if build.age < 0.5:
        child = min(1.0, (0.5 - build.age) / 0.3125)
        age = {"child": child, "young": 1 - child, "old": 0.0}
    else:
        old = (build.age - 0.5) / 0.5
        age = {"child": 0.0, "young": 1 - old, "old": old}
    parts = {
        **dict(zip(("african", "asian", "caucasian"), build.variation, strict=True)),
        **gender,
        **age,
        **around_middle(build.muscle, "muscle"),
        **around_middle(build.weight, "weight"),
        **around_middle(build.height, "height"),
        "uncommonproportions": max(0.0, 1 - 2 * build.proportions),
        "idealproportions": max(0.0, 2 * build.proportions - 1),
    }
    # In "uni|female|old|minmuscle|maxweight" the first word names the family of the target.
    return np.array(
        [np.prod([parts[part] for part in name.split("|")[1:]]) for name in asset().target_names], np.float32
    )


def rest_vertices(build: Build) -> Array:
    """Return (V, 3) float32 metres: the body in its rest pose (arms held out), facing +z, with its soles at y = 0."""
    mesh = asset()
    factors = _factors(build)
    used = np.flatnonzero(factors)
    vertices = mesh.vertices + np.tensordot(factors[used], mesh.targets[used], 1)
    vertices[:, 1] -= vertices[: mesh.body_vertices, 1].min()
    return vertices.astype(np.float32)


def joint_positions(vertices: Array) -> NDArray[np.float64]:
    """Return (B, 3) metres: the start of each bone."""
    marks = asset().joint_vertices
    there = marks >= 0
    points = vertices[np.where(there, marks, 0)] * there[..., None]
    return np.asarray(points.sum(1) / there.sum(1)[:, None], np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Regions:
    """Where on a body each vertex lies, whatever the build; garments are cut along these values.

    Attributes:
        arm: (V,) 0 off the arms or at the shoulder .. 1 elbow .. 2 wrist and beyond.
        leg: (V,) 0 off the legs or at the hip .. 1 knee .. 2 ankle and beyond.
        head: (V,) weight of the head and neck bones, 0..1.
        height_in_head: (V,) height on the neutral body, 0 at the chin, 1 at the crown; continues above and below.
        hairline: (V,) distance above the hairline, in units of the head's height; negative on face and neck.
    """

    arm: Array
    leg: Array
    head: Array
    height_in_head: Array
    hairline: Array


def _along(points: Array, start: Array, middle: Array, end: Array) -> Array:
    """Return the position of points along two segments: up to 1 on the first, 1..3 on and beyond the second."""

    def share(a: Array, b: Array) -> Array:
        return np.asarray((points - a) @ (b - a) / ((b - a) @ (b - a)), np.float32)

    first, second = share(start, middle), share(middle, end)
    return np.where(first < 1, np.clip(first, -1, 1), 1 + np.clip(second, 0, 2)).astype(np.float32)


@cache
def regions() -> Regions:
    """Measure the regions on the neutral body."""
    mesh = asset()
    vertices = rest_vertices(NEUTRAL)
    joints = joint_positions(vertices).astype(np.float32)
    weights = np.zeros((len(vertices), len(mesh.bones)), np.float32)
    np.put_along_axis(weights, mesh.bone_indices, mesh.bone_weights, axis=1)

    def weight_of(*stems: str, side: str = "") -> Array:
        ending = f"_{side}" if side else ""
        names = enumerate(mesh.bones)
        chosen = [i for i, bone in names if bone.split("_")[0] in stems and bone.endswith(ending)]
        return np.asarray(weights[:, chosen].sum(1), np.float32)

    arm, leg = np.zeros(len(vertices), np.float32), np.zeros(len(vertices), np.float32)
    for side, sign in SIDES:
        limb = [joints[mesh.bone(f"{name}_{side}")] for name in ("upperarm", "lowerarm", "hand")]
        fingers = ("index", "middle", "pinky", "ring", "thumb")
        on = weight_of("upperarm", "lowerarm", "hand", *fingers, side=side) > 0.4
        arm[on] = np.maximum(_along(vertices, *limb)[on], 0)
        limb = [joints[mesh.bone(f"{name}_{side}")] for name in ("thigh", "calf", "foot")]
        below_knee = vertices[:, 1] < limb[1][1]
        on = ((weight_of("thigh", "calf", "foot", "ball", side=side) > 0.3) | below_knee) & (vertices[:, 0] * sign > 0)
        leg[on] = np.maximum(_along(vertices, *limb)[on], 0)

    head = weight_of("head", "neck")
    skin = np.arange(len(vertices)) < mesh.body_vertices
    crown = vertices[skin & (head > 0.6), 1].max()
    head_height = 0.235
    height_in_head = (vertices[:, 1] - crown + head_height) / head_height
    turned = np.abs(np.degrees(np.arctan2(vertices[:, 0], vertices[:, 2] - 0.035)))
    line = np.interp(turned, [0, 45, 70, 95, 115, 150, 180], [0.83, 0.82, 0.72, 0.58, 0.42, 0.2, 0.16])
    hairline = np.where(head > 0.6, height_in_head - line, -1)
    return Regions(
        arm=arm,
        leg=leg,
        head=head,
        height_in_head=height_in_head.astype(np.float32),
        hairline=hairline.astype(np.float32),
    )

"""Poses: walking, standing, what the hands do, and the matrices of the bones.

A pose maps bone names to (3, 3) rotations about the world's axes, applied at the bone's joint on top of its parent's
rotation. All rest frames are the identity, so no roll conventions are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array, rotation_x, rotation_y, rotation_z
from personsearch.synth.people.body import CARRIERS, SIDES, asset

Matrix = NDArray[np.float64]
Pose = dict[str, Matrix]

#: Points of the cycle (0 = this leg's heel strikes the ground) and flexion there in degrees, as in gait analysis.
HIP = ((0, 0.15, 0.5, 0.62, 0.85), (26, 20, -14, -6, 28))
KNEE = ((0, 0.14, 0.4, 0.55, 0.72, 0.95), (4, 16, 6, 22, 58, 4))
ANKLE = ((0, 0.08, 0.45, 0.63, 0.8), (2, -6, 10, -16, 2))
SAMPLES = 256


@dataclass(frozen=True, kw_only=True)
class Gait:
    """How a person walks.

    Attributes:
        stride: length of the steps; 1 = as in the curves.
        arm_swing: 1 = average.
        lean: forward lean of the trunk, radians.
        elbow: bend of the elbow, radians.
    """

    stride: float
    arm_swing: float
    lean: float
    elbow: float


#: Directions of the upper arm and forearm of the left side: x outwards, y up, z forwards.
HANDS = {
    "phone": ((0.25, -1, 0.25), (-0.35, 0.55, 1.0)),
    "ear": ((0.35, -1, 0.3), (-0.15, 1.0, 0.35)),
    "strap": ((0.3, -1, 0.05), (-0.35, 0.9, 0.8)),
    "bag": ((0.12, -1, 0.05), (0.03, -1, 0.15)),
    "pocket": ((0.35, -1, -0.2), (-0.25, -1, 0.5)),
    "push": ((0.15, -1, 0.35), (-0.05, -0.25, 1.0)),
    "umbrella": ((0.2, -1, 0.15), (-0.25, 0.75, 0.9)),
    "pull": ((0.2, -1, -0.25), (0.05, -1, -0.35)),
    "hips": ((0.75, -1, -0.25), (-0.9, -0.75, 0.35)),
    "crossed": ((0.15, -1, 0.3), (-1.0, 0.15, 0.45)),
}


def _spline(points: tuple[float, ...], values: tuple[float, ...]) -> Matrix:
    """Return ``SAMPLES`` values of the periodic cubic spline through the points (period 1)."""
    x, y = np.array(points, float), np.array(values, float)
    count = len(x)
    after = np.append(np.diff(x), 1 - x[-1] + x[0])
    slope = (np.roll(y, -1) - y) / after
    before = np.roll(after, 1)
    system = np.zeros((count, count))
    for i in range(count):
        system[i, i - 1] += before[i]
        system[i, i] += 2 * (before[i] + after[i])
        system[i, (i + 1) % count] += after[i]
    curvature = np.linalg.solve(system, 6 * (slope - np.roll(slope, 1)))
    at = np.arange(SAMPLES) / SAMPLES
    left = np.searchsorted(x, at, side="right") - 1
    t, h, here, following = at - x[left], after[left], curvature[left], np.roll(curvature, -1)[left]
    linear = slope[left] - h * (2 * here + following) / 6
    return np.asarray(y[left] + t * linear + t**2 * here / 2 + t**3 * (following - here) / (6 * h))


@cache
def _curves() -> tuple[Matrix, Matrix, Matrix]:
    return _spline(*HIP), _spline(*KNEE), _spline(*ANKLE)


def _shortest_arc(a: Matrix, b: Matrix) -> Matrix:
    """Return the rotation from direction ``a`` to direction ``b``."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    x, y, z = np.cross(a, b)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + a @ b + 1e-9))


def walking(
    gait: Gait,
    joints: Matrix,
    *,
    phase: float,
    speed: float,
    hands: dict[str, str] | None = None,
    look: tuple[float, float] = (0.0, 0.0),
) -> Pose:
    """Return the pose of a walking or standing person.

    Args:
        gait: how the person walks.
        joints: (B, 3) metres, the joints of the person's body.
        phase: position in the cycle of two steps, 0..1.
        speed: metres per second; below 0.2 the person stands.
        hands: what the left ("l") and right ("r") hand do, as keys of ``HANDS``; other hands swing.
        look: turn of the head to the left and down, radians.
    """
    mesh, hands = asset(), hands or {}
    stands = speed < 0.2
    amount = 0.12 if stands else gait.stride * np.clip(speed / 1.3, 0.75, 1.15)
    pose: Pose = {}
    for side, offset in (("l", 0.0), ("r", 0.5)):
        sample = int((phase + offset) % 1 * SAMPLES)
        hip, knee, ankle = (0.0 if stands else np.radians(curve[sample]) * amount for curve in _curves())
        pose[f"thigh_{side}"], pose[f"calf_{side}"] = rotation_x(-hip), rotation_x(knee)
        pose[f"foot_{side}"] = rotation_x(-ankle)
    swing = np.cos(2 * np.pi * phase) * amount
    turn, nod = look
    pose["pelvis"] = rotation_y(-0.09 * swing) @ rotation_x(0.035 + 0.3 * gait.lean)
    pose["spine_02"] = rotation_y(0.12 * swing) @ rotation_x(0.7 * gait.lean)
    pose["neck_01"] = rotation_y(0.4 * turn - 0.035 * swing) @ rotation_x(0.5 * nod - 0.5 * gait.lean)
    pose["head"] = rotation_y(0.6 * turn) @ rotation_x(0.5 * nod)
    for (side, sign), offset in zip(SIDES, (0.5, 0.0), strict=True):
        shoulder, elbow, wrist = (joints[mesh.bone(f"{name}_{side}")] for name in ("upperarm", "lowerarm", "hand"))
        if side in hands:
            upper, fore = (np.array(direction) * (sign, 1, 1) for direction in HANDS[hands[side]])
        else:
            forwards = np.cos(2 * np.pi * (phase + offset)) * 0.38 * amount * gait.arm_swing
            bend = forwards + gait.elbow + 0.7 * max(0.0, forwards)
            upper = np.array([0.13 * sign, -np.cos(forwards), np.sin(forwards)])
            fore = np.array([0.04 * sign, -np.cos(bend), np.sin(bend)])
        first = _shortest_arc(elbow - shoulder, upper)
        second = _shortest_arc(first @ (wrist - elbow), fore)
        pose[f"upperarm_{side}"], pose[f"lowerarm_{side}"] = first, first.T @ second @ first
        for finger in ("index", "middle", "ring", "pinky"):
            for joint in ("01", "02", "03"):
                pose[f"{finger}_{joint}_{side}"] = rotation_z(-0.21 * sign)
    return pose


def bone_matrices(joints: Matrix, pose: Pose) -> tuple[Array, Matrix]:
    """Return (B + 3, 3, 4) float32 matrices from the rest pose to the pose, and the (B, 3) posed joints.

    The last three matrices are those of ``CARRIERS``.
    """
    mesh = asset()
    rotations, places = np.empty((len(joints), 3, 3)), np.empty((len(joints), 3))
    for index, (bone, parent) in enumerate(zip(mesh.bones, mesh.parents, strict=True)):
        own = pose.get(bone)
        if parent < 0:
            rotations[index], places[index] = np.eye(3) if own is None else own, joints[index]
        else:
            rotations[index] = rotations[parent] if own is None else rotations[parent] @ own
            places[index] = places[parent] + rotations[parent] @ (joints[index] - joints[parent])
    matrices = np.zeros((len(joints) + len(CARRIERS), 3, 4), np.float32)
    matrices[: len(joints), :, :3] = rotations
    matrices[: len(joints), :, 3] = places - np.einsum("bij,bj->bi", rotations, joints)
    matrices[len(joints) :, :, :3] = np.eye(3)
    for row, (side, _) in enumerate(SIDES):
        hand = mesh.bone(f"hand_{side}")
        matrices[len(joints) + row, :, 3] = places[hand] - joints[hand]
    return matrices, places


def skinned(weights: Array, matrices: Array, positions: Array, normals: Array) -> tuple[Array, Array]:
    """Move vertices with the bones.

    Args:
        weights: (V, B) float32, rows sum to 1.
        matrices: (B, 3, 4) float32.
        positions: (V, 3) float32 in the rest pose.
        normals: (V, 3) float32 in the rest pose.

    Returns:
        Positions and normals, (V, 3) float32. Blended matrices turn the normals, so they are not exactly unit length.
    """
    blended = (weights @ matrices.reshape(len(matrices), 12)).reshape(-1, 3, 4)
    turn = blended[:, :, :3]
    moved = np.einsum("vij,vj->vi", turn, positions) + blended[:, :, 3]
    return moved, np.einsum("vij,vj->vi", turn, normals)

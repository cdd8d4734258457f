"""A person ready to be posed: all parts of an identity in one set of vertex arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array, rotation_y, vertex_normals
from personsearch.synth.people.bags import bag_parts, scarf_parts
from personsearch.synth.people.body import CARRIERS, asset
from personsearch.synth.people.cloths import clothed
from personsearch.synth.people.garments import bottom_parts, shoe_parts, top_parts
from personsearch.synth.people.head import eye_parts, glasses_parts, hair_parts, hat_parts, skin_part
from personsearch.synth.people.identity import Identity
from personsearch.synth.people.pose import Pose, bone_matrices, skinned, walking
from personsearch.synth.people.things import thing_parts
from personsearch.synth.people.wearer import Part, Uniforms, measure, vertices_of
from personsearch.synth.textures import Textures

#: Bones whose joints are the body points of COCO's 17 keypoints; for the five face points see ``_face_points``.
KEYPOINT_BONES = (
    *("upperarm_l", "upperarm_r", "lowerarm_l", "lowerarm_r", "hand_l", "hand_r"),
    *("thigh_l", "thigh_r", "calf_l", "calf_r", "foot_l", "foot_r"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice:
    """A part's place in a character's arrays.

    Attributes:
        material: name of a file in ``shaders/materials``.
        defines: constants with which the material is compiled.
        uniforms: values of the material's uniforms.
        picture: (H, W, 4) uint8 RGBA, or None.
        worn: whether its pixels belong to the person.
        first: its first index in the flattened ``Character.triangles``.
        count: number of indices.
    """

    material: str
    defines: tuple[tuple[str, int], ...]
    uniforms: Uniforms
    picture: NDArray[np.uint8] | None
    worn: bool
    first: int
    count: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Character:
    """One person's mesh in the rest pose, with n vertices, t triangles and B bones.

    Attributes:
        identity: the person.
        thing: what they carry or push; "" = nothing.
        joints: (B, 3) metres.
        face: (5, 3) float32: nose, left eye, right eye, left ear, right ear.
        positions: (n, 3) float32.
        normals: (n, 3) float32.
        rest: (n, 3) float32, see ``Part.rest``.
        region: (n, 4) float32, see ``Part.region``.
        weights: (n, B + 3) float32.
        triangles: (t, 3) int32.
        slices: the parts.
        worn_vertices: how many leading vertices belong to the person; those of carried things follow.
    """

    identity: Identity
    thing: str
    joints: NDArray[np.float64]
    face: Array
    positions: Array
    normals: Array
    rest: Array
    region: Array
    weights: Array
    triangles: NDArray[np.int32]
    slices: tuple[Slice, ...]
    worn_vertices: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Posed:
    """A character somewhere in the world: (n, 3) float32 positions and normals, (17, 3) keypoints, metres."""

    character: Character
    positions: Array
    normals: Array
    keypoints: Array


def build_character(identity: Identity, thing: str = "", *, textures: Textures | None = None) -> Character:
    """Build an identity's body, clothes and belongings as one mesh.

    Args:
        identity: the person.
        thing: what they carry or push: umbrella, pram, bicycle, trolley or "".
        textures: photographed materials for some of the clothes; None = all cloth is procedural.
    """
    wearer = measure(identity.build)
    pieces = [
        *[skin_part(identity, wearer), *eye_parts(identity.head, wearer)],
        *hair_parts(identity, wearer),
        *hat_parts(identity.head, wearer),
        *glasses_parts(identity.head, wearer),
        *bottom_parts(identity, wearer),
        *top_parts(identity, wearer),
        *shoe_parts(identity.shoes, wearer),
        *scarf_parts(identity, wearer),
        *bag_parts(identity, wearer),
        *thing_parts(thing, identity, wearer),
    ]
    parts = clothed([piece for piece in pieces if piece is not None], textures)
    worn = sum(len(part.positions) for part in parts if part.worn)
    return Character(
        identity=identity,
        thing=thing,
        joints=wearer.joints,
        face=_face_points(wearer.vertices),
        positions=np.concatenate([part.positions for part in parts]),
        normals=np.concatenate([vertex_normals(part.positions, part.triangles) for part in parts]),
        rest=np.concatenate([part.rest for part in parts]),
        region=np.concatenate([part.region for part in parts]),
        weights=np.concatenate([_dense(part) for part in parts]),
        triangles=_triangles(parts),
        slices=_slices(parts),
        worn_vertices=worn,
    )


def pose_of(character: Character, *, phase: float, speed: float, act: int) -> Pose:
    """Return the pose of a person at one moment of a passage.

    Args:
        character: the person.
        phase: position in the cycle of two steps, 0..1.
        speed: metres per second; below 0.2 the person stands.
        act: seed of what the person does in this passage (telephones, looks around ...).
    """
    identity = character.identity
    rng = np.random.default_rng([identity.seed, act, 76])
    hands: dict[str, str] = {}
    chance, standing = rng.random(), speed < 0.2
    free = "r" if identity.bag.kind == "handbag" and identity.bag.side == "l" else "l"
    habits = (("phone", 0.08), ("ear", 0.05), ("pocket", 0.10), ("hips", 0.04 if standing else 0.0))
    for habit, share in habits:
        if chance < share:
            hands[free] = habit
            break
        chance -= share
    if not hands and standing and rng.random() < 0.12:
        hands = {"l": "crossed", "r": "crossed"}
    if not hands and identity.bag.kind == "backpack" and rng.random() < 0.12:
        hands["l"] = "strap"
    if identity.bag.kind == "handbag":
        hands[identity.bag.side] = "bag"
    hands |= {
        "umbrella": {"r": "umbrella"},
        "pram": {"l": "push", "r": "push"},
        "bicycle": {"l": "push"},
        "trolley": {"r": "pull"},
    }.get(character.thing, {})
    nod = 0.3 if "phone" in hands.values() else rng.normal(0.03, 0.1)
    look = (float(rng.normal(0, 0.3)), float(nod))
    return walking(identity.gait, character.joints, phase=phase, speed=speed, hands=hands, look=look)


def placed(
    character: Character, pose: Pose, position: tuple[float, float], heading: float, floor: float = 0.0
) -> Posed:
    """Pose a character and place it in the world, with the lowest point of skin and clothes on the ground.

    Args:
        character: the person.
        pose: see ``pose_of``.
        position: x, z, metres.
        heading: direction the person faces, radians.
        floor: height of the ground there, metres.
    """
    matrices, joints = bone_matrices(character.joints, pose)
    positions, normals = skinned(character.weights, matrices, character.positions, character.normals)
    turn = rotation_y(heading).astype(np.float32)
    sole = positions[: character.worn_vertices, 1].min()
    shift = np.array([position[0], floor - sole, position[1]], np.float32)
    head = matrices[asset().bone("head")]
    face = character.face @ head[:, :3].T + head[:, 3]
    body = joints[[asset().bone(bone) for bone in KEYPOINT_BONES]]
    points = np.concatenate([face, body]).astype(np.float32)
    things = np.arange(len(positions)) >= character.worn_vertices
    moved = positions @ turn.T + shift
    moved[things, 1] += sole  # what stands on the ground or hangs from a hand is not raised with the soles
    return Posed(character=character, positions=moved, normals=normals @ turn.T, keypoints=points @ turn.T + shift)


def _face_points(vertices: Array) -> Array:
    eyes = [vertices[vertices_of(name)].mean(0) for name in ("left_eye", "right_eye")]
    middle = (eyes[0] + eyes[1]) / 2
    nose = middle + np.array([0, -0.045, 0.03], np.float32)
    ears = [np.array([sign * 0.075, middle[1] - 0.02, middle[2] - 0.09], np.float32) for sign in (1, -1)]
    return np.stack([nose, *eyes, *ears]).astype(np.float32)


def _dense(part: Part) -> Array:
    weights = np.zeros((len(part.positions), len(asset().bones) + len(CARRIERS)), np.float32)
    np.add.at(weights, (np.arange(len(weights))[:, None], part.bone_indices), part.bone_weights)
    return weights


def _triangles(parts: list[Part]) -> NDArray[np.int32]:
    """Return the triangles of all parts, numbered consecutively."""
    starts = np.cumsum([0, *(len(part.positions) for part in parts)])
    joint = [part.triangles + start for part, start in zip(parts, starts[:-1], strict=True)]
    return np.concatenate(joint).astype(np.int32)


def _slices(parts: list[Part]) -> tuple[Slice, ...]:
    starts = np.cumsum([0, *(part.triangles.size for part in parts)])
    return tuple(
        Slice(
            material=part.material,
            defines=part.defines,
            uniforms=part.uniforms,
            picture=part.picture,
            worn=part.worn,
            first=int(start),
            count=part.triangles.size,
        )
        for part, start in zip(parts, starts[:-1], strict=True)
    )

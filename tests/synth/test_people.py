"""Bodies, poses and identities."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.synth.geometry import vertex_normals
from personsearch.synth.people.body import NEUTRAL, asset, joint_positions, regions, rest_vertices
from personsearch.synth.people.character import build_character, placed, pose_of
from personsearch.synth.people.identity import GROUP, other_outfit, sample_identity
from personsearch.synth.people.pose import HIP, SAMPLES, Gait, _spline, bone_matrices, skinned, walking
from personsearch.synth.people.things import THINGS
from personsearch.synth.shapes import ellipsoid, tube

GAIT = Gait(stride=1.0, arm_swing=1.0, lean=0.03, elbow=0.3)


def test_the_neutral_body_is_of_human_size_and_stands_on_the_ground() -> None:
    skin = rest_vertices(NEUTRAL)[: asset().body_vertices]
    assert skin[:, 1].min() == pytest.approx(0, abs=1e-6)
    assert 1.5 < skin[:, 1].max() < 1.9
    assert abs(skin[:, 0].min() + skin[:, 0].max()) < 0.02  # left and right alike


def test_regions_follow_the_limbs() -> None:
    vertices, where = rest_vertices(NEUTRAL), regions()
    joints, mesh = joint_positions(vertices), asset()
    skin = np.arange(len(vertices)) < mesh.body_vertices
    for bone, value, table in (("lowerarm_l", 1, where.arm), ("calf_r", 1, where.leg)):
        near = skin & (np.linalg.norm(vertices - joints[mesh.bone(bone)], axis=1) < 0.06)
        assert near.any()
        assert table[near].mean() == pytest.approx(value, abs=0.15)
    assert (where.arm[skin & (where.head > 0.9)] == 0).all()
    assert where.hairline[skin & (vertices[:, 1] > vertices[skin, 1].max() - 0.02)].min() > 0


def test_the_spline_goes_through_its_points_and_closes() -> None:
    curve = _spline(*HIP)
    for at, value in zip(*HIP, strict=True):
        assert curve[round(at * SAMPLES)] == pytest.approx(value, abs=0.5)
    assert curve[-1] == pytest.approx(curve[0], abs=1.0)


@given(phase=st.floats(0, 1), speed=st.sampled_from([0.0, 1.0, 1.5]))
@settings(max_examples=25, deadline=None)
def test_bones_keep_their_length(phase: float, speed: float) -> None:
    joints = joint_positions(rest_vertices(NEUTRAL))
    matrices, places = bone_matrices(joints, walking(GAIT, joints, phase=phase, speed=speed))
    parents = np.array(asset().parents)
    child = np.flatnonzero(parents >= 0)
    length = np.linalg.norm(joints[child] - joints[parents[child]], axis=1)
    assert np.linalg.norm(places[child] - places[parents[child]], axis=1) == pytest.approx(length, abs=1e-9)
    turns = matrices[:, :, :3].astype(np.float64)
    assert np.einsum("bij,bkj->bik", turns, turns) == pytest.approx(np.broadcast_to(np.eye(3), turns.shape), abs=1e-5)


def test_skinning_without_a_pose_changes_nothing_and_a_quarter_turn_is_one() -> None:
    points = np.array([[1, 2, 3]], np.float32)
    still = np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1).astype(np.float32)
    turned = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 5]], np.float32)  # +90 degrees about y, then z + 5
    both = np.stack([still, turned])
    moved, normals = skinned(np.array([[1, 0]], np.float32), both, points, points)
    assert moved == pytest.approx(points)
    moved, normals = skinned(np.array([[0, 1]], np.float32), both, points, points)
    assert moved == pytest.approx(np.array([[3, 2, 4]]))
    assert normals == pytest.approx(np.array([[3, 2, -1]]))


def test_an_identity_follows_from_its_seed_and_is_json() -> None:
    for seed in (0, 7, 123456):
        assert sample_identity(seed) == sample_identity(seed)
        assert json.loads(json.dumps(sample_identity(seed).to_dict()))["seed"] == seed
    assert len({json.dumps(sample_identity(seed).to_dict()) for seed in range(200)}) == 200


def test_look_alikes_share_clothes_but_not_bodies() -> None:
    same = 0
    for group in range(40):
        members = [sample_identity(group * GROUP + k, look_alikes=1.0) for k in range(GROUP)]
        assert len({member.build for member in members}) == GROUP
        assert len({member.top.cut for member in members}) == 1
        same += len({member.top for member in members}) == 1
    assert 0 < same < 40  # uniforms are all the same, in the other groups one thing differs
    alone = [sample_identity(seed) for seed in range(GROUP)]
    assert alone == [sample_identity(seed, look_alikes=0.0) for seed in range(GROUP)]


def test_what_is_switched_off_is_gone_and_nothing_else() -> None:
    for seed in range(60):
        usual, plain, bare = (
            sample_identity(seed),
            sample_identity(seed, patterns=False),
            sample_identity(seed, bags=False),
        )
        assert plain.top.fabric.pattern == plain.bottom.fabric.pattern == "plain"
        assert plain.top.print_size == 0
        assert plain.top.fabric.colours == usual.top.fabric.colours
        assert bare.bag.kind == ""
        assert (bare.top, bare.build, plain.bag) == (usual.top, usual.build, usual.bag)


def test_another_outfit_is_worn_by_the_same_person() -> None:
    for seed in range(60):
        person = sample_identity(seed)
        changed = other_outfit(person)
        assert (changed.build, changed.head, changed.skin, changed.gait) == (
            person.build,
            person.head,
            person.skin,
            person.gait,
        )
        assert changed.top.cut != person.top.cut or changed.top.fabric != person.top.fabric


@pytest.mark.parametrize("seed", range(0, 40))
def test_every_character_is_whole_and_stands_on_the_ground(seed: int) -> None:
    character = build_character(sample_identity(seed), (*THINGS, "")[seed % 5])
    assert np.isfinite(character.positions).all()
    assert np.isfinite(character.normals).all()
    assert character.weights.sum(1) == pytest.approx(1, abs=2e-3)
    assert character.triangles.max() < len(character.positions)
    assert sum(part.count for part in character.slices) == character.triangles.size
    pose = pose_of(character, phase=seed / 40, speed=1.3 * (seed % 3 > 0), act=seed)
    posed = placed(character, pose, (3.0, -2.0), 1.0)
    worn = posed.positions[: character.worn_vertices]
    assert worn[:, 1].min() == pytest.approx(0, abs=1e-5)
    assert 0.9 < worn[:, 1].max() < 2.3
    assert np.hypot(*(worn[:, [0, 2]].mean(0) - (3, -2))) < 0.3
    head, feet = posed.keypoints[0, 1], posed.keypoints[15:, 1]
    assert (head > feet + 0.7).all()


def test_solids_face_outwards() -> None:
    for positions, normals, triangles in (ellipsoid((1, 2, 3)), ellipsoid((1, 1, 1), power=0.4)):
        assert (np.einsum("vi,vi->v", positions, normals) >= 0).all()
        assert normals == pytest.approx(vertex_normals(positions, triangles))
    line = np.array([[0, 0, 0], [0, 1, 0], [0.2, 2, 0]], np.float32)
    positions, normals, _ = tube(line, 0.1)
    away = positions[:6] - line[0]
    assert np.linalg.norm(away, axis=1) == pytest.approx(0.1)
    assert (np.einsum("vi,vi->v", away, normals[:6]) > 0).all()

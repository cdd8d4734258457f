"""Trees, bushes, hedges and flower beds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array, linear
from personsearch.synth.shapes import Solid, box, cylinder, ellipsoid, tube
from personsearch.synth.world.colours import as_rgb, natural
from personsearch.synth.world.mesh_builder import shaded
from personsearch.synth.world.site import Area, Site
from personsearch.synth.world.types import Rgb

KINDS_OF_TREES = ("round", "tall", "spreading", "conifer")
LEAVES: dict[str, Rgb] = {
    "round": (0.40, 0.49, 0.25), "tall": (0.38, 0.47, 0.28), "spreading": (0.45, 0.51, 0.25),
    "conifer": (0.25, 0.36, 0.27),
}  # fmt: skip
#: Horizontal and vertical radius of the crown, height of its middle above the fork; for a tree of size 1.
_CROWNS = {"round": (1.7, 1.6, 1.35), "tall": (1.25, 2.2, 1.75), "spreading": (2.2, 1.4, 1.2)}


def tufts(rng: np.random.Generator, shell: NDArray[np.floating], middle: NDArray[np.floating], size: float) -> Solid:
    """Return one ragged triangle of leaves at each (N, 3) point of a crown's shell.

    Their normals point away from the crown's middle, so that the crown is lit like a single round body.
    """
    count = len(shell)
    outward = shell - middle
    outward = outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    spread = rng.normal(size=(count, 3, 3)) * size * (1, 0.7, 1)
    positions = (shell[:, None] + spread).reshape(-1, 3)
    triangles = np.arange(3 * count).reshape(-1, 3)
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    inwards = np.einsum("ij,ij->i", np.cross(b - a, c - a), outward) < 0
    triangles[inwards] = triangles[inwards][:, ::-1]
    return positions.astype(np.float32), np.repeat(outward, 3, axis=0).astype(np.float32), triangles.astype(np.int32)


def tree(site: Site, x: float, z: float, kind: str = "round", *, detail: float = 1.0) -> None:
    """Add a tree: a trunk that forks, and leaves around the ends of its branches.

    Args:
        site: the place.
        x: metres.
        z: metres.
        kind: one of ``KINDS_OF_TREES``.
        detail: share of the leaves to draw; fewer are enough in the distance.
    """
    if kind == "conifer":
        _conifer(site, x, z, detail)
        return
    rng, builder = site.rng, site.builder
    size, height = rng.uniform(0.9, 1.35), rng.uniform(2.65, 3.6)
    bark, leaf, seed = natural(rng, (0.36, 0.31, 0.26)), natural(rng, LEAVES[kind]), rng.random()
    radius = 0.13 * size + 0.03
    across, up, rise = np.array(_CROWNS[kind]) * size
    middle = np.array([x, height + rise, z])
    builder.add(
        cylinder(radius * 1.25, height, top_radius=radius * 0.8, sides=7, top=False), bark, "bark", at=(x, 0, z)
    )
    branches = rng.integers(3, 6) if detail > 0.5 else 3
    clumps = [middle]
    for turn in np.arange(branches) * 2.4 + rng.uniform(0, 6):
        reach = np.array([np.cos(turn), 0, np.sin(turn)]) * across * rng.uniform(0.5, 0.72)
        end = middle + reach + (0, rng.uniform(-0.45, 0.5) * up, 0)
        fork = np.array([x, height * rng.uniform(0.72, 1.0), z])
        builder.add(tube([fork, fork * 0.45 + end * 0.55 + (0, -0.12, 0), end], radius * 0.4, sides=4), bark, "bark")
        clumps.append(end)
    for number, clump in enumerate(clumps):
        share = 0.62 if number == 0 else rng.uniform(0.42, 0.58)
        radii = np.array([across, up, across]) * share * rng.uniform(0.85, 1.15, 3)
        rings, around = (6, 9) if detail > 0.5 else (5, 7)
        _clump(site, clump, radii, (middle, up), leaf, seed, round(38 * detail), rings=rings, around=around)
    site.block(x, z, radius + 0.15, height)
    site.block(x, z, across, height + rise + up, height * 0.85)


def bush(site: Site, x: float, z: float) -> None:
    """Add a bush."""
    rng = site.rng
    radii, leaf = rng.uniform((0.5, 0.4, 0.5), (1.2, 0.8, 1.0)), natural(rng, (0.33, 0.42, 0.23))
    middle = np.array([x, radii[1] * 0.75, z])
    _clump(site, middle, radii, (middle, float(radii[1])), leaf, rng.random(), 44, rings=6, around=9)
    site.block(x, z, float(radii.max()) + 0.1, float(radii[1] * 1.8))


def hedge(site: Site, start: tuple[float, float], end: tuple[float, float], height: float) -> None:
    """Add a clipped hedge between two points x, z."""
    rng, first, last = site.rng, np.array(start), np.array(end)
    length = float(np.hypot(*(last - first)))
    heading = float(-np.arctan2(last[1] - first[1], last[0] - first[0]))
    middle = (first + last) / 2
    leaf, width = natural(rng, (0.30, 0.40, 0.22)), rng.uniform(0.6, 0.9)
    frame = site.frame(middle[0], middle[1], heading)
    positions, normals, triangles = box((length, height, width), faces=(0, 1, 2, 3, 4))
    dark = shaded(leaf, 0.45 + 0.55 * (positions[:, 1] / height + 0.5))
    solid = positions, normals, triangles
    site.builder.add(solid, dark, "foliage", at=frame.at((0, height / 2, 0)), heading=heading, seed=rng.random())
    count = round(length * 9)
    side = rng.choice([-1.0, 0.0, 1.0], count)
    shell = np.column_stack([
        rng.uniform(-length / 2, length / 2, count),
        np.where(side == 0, height, rng.uniform(0.15, height, count)),
        np.where(side == 0, rng.uniform(-width / 2, width / 2, count), side * width / 2),
    ])  # fmt: skip
    ragged = tufts(rng, frame.at(shell), frame.at((0, height * 0.3, 0)), 0.07)
    site.builder.add(ragged, leaf, "foliage", seed=rng.random())
    site.block_line(first, last, 0.55, height)


def flower_bed(site: Site, x: float, z: float) -> None:
    """Add a round flower bed in a stone ring."""
    rng, radius = site.rng, site.rng.uniform(0.8, 1.5)
    site.builder.cylinder((x, 0, z), radius, 0.22, natural(rng, (0.6, 0.58, 0.54)), "wall", sides=14)
    site.builder.cylinder((x, 0, z), radius - 0.12, 0.24, linear((0.30, 0.24, 0.18)), "gravel", sides=14)
    turn, out = rng.uniform(0, 2 * np.pi, 110), np.sqrt(rng.random(110)) * (radius - 0.25)
    shell = np.column_stack([x + out * np.cos(turn), rng.uniform(0.25, 0.42, 110), z + out * np.sin(turn)])
    middle = np.array([x, -0.5, z])
    site.builder.add(tufts(rng, shell[:60], middle, 0.1), natural(rng, (0.32, 0.45, 0.22)), "foliage")
    petals = rng.choice(
        [(0.80, 0.12, 0.15), (0.92, 0.78, 0.2), (0.85, 0.5, 0.7), (0.9, 0.9, 0.88), (0.5, 0.25, 0.6)], 2
    )
    for colour, part in zip(petals, (shell[60:85], shell[85:]), strict=True):
        site.builder.add(tufts(rng, part + (0, 0.06, 0), middle, 0.06), natural(rng, as_rgb(colour)), "wall")
    site.block(x, z, radius + 0.05, 0.5)


def row_of_trees(site: Site, area: Area, count: int, kinds: tuple[str, ...]) -> None:
    """Scatter trees in the background, with few leaves because they are far away."""
    for _ in range(count):
        x, z = (float(value) for value in site.rng.uniform(area[:2], area[2:]))
        tree(site, x, z, str(site.rng.choice(kinds)), detail=0.35)


def _clump(
    site: Site, middle: NDArray[np.float64], radii: NDArray[np.float64], crown: tuple[NDArray[np.float64], float],
    leaf: Rgb, seed: float, leaves: int, *, rings: int, around: int,
) -> None:  # fmt: skip
    """Add an uneven ball of leaves with tufts around it; ``crown`` (its middle and height) determines the shading."""
    rng = site.rng
    positions, normals, triangles = ellipsoid(radii, around=around, rings=rings)
    dented = positions * (1 + 0.1 * rng.normal(size=(len(positions), 1)))
    # Each pole consists of many vertices in one place, which must stay together.
    dented[:around], dented[-around:] = positions[:around], positions[-around:]
    tone = rng.uniform(0.85, 1.15)

    def shade(points: Array | NDArray[np.float64]) -> NDArray[np.float64]:
        height = (points[:, 1] - crown[0][1]) / crown[1]
        return shaded(leaf, tone * (0.8 + 0.35 * np.clip(height + 0.4, -0.4, 1.2)))

    ball = (dented + middle).astype(np.float32)
    site.builder.add((ball, normals, triangles), shade(ball) * 0.8, "foliage", seed=seed)
    if leaves:
        direction = rng.normal(size=(leaves, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        shell = middle + direction * radii * rng.uniform(0.88, 1.1, (leaves, 1))
        ragged = tufts(rng, shell, crown[0], 0.10 * float(radii.mean()) + 0.05)
        site.builder.add(ragged, np.clip(shade(ragged[0]) * 1.12, 0, 1), "foliage", seed=seed)


def _conifer(site: Site, x: float, z: float, detail: float) -> None:
    rng = site.rng
    height, width = rng.uniform(4.5, 7.5), rng.uniform(1.2, 1.8)
    leaf, clear = natural(rng, LEAVES["conifer"]), rng.uniform(0.5, 1.3)
    bark = natural(rng, (0.30, 0.24, 0.20))
    site.builder.cylinder((x, 0, z), 0.14, height * 0.7, bark, "bark", top_radius=0.05, sides=6)
    layers = 6 if detail > 0.5 else 4
    for layer in range(layers):
        share = layer / layers
        radius, low = width * (1 - share) ** 0.85 + 0.15, clear + (height - clear) * share * 0.92
        tall = (height - clear) / layers * 1.7
        positions, normals, triangles = cylinder(radius, tall, top_radius=0.05, sides=9, top=False)
        ragged = positions.copy()
        ragged[:9] *= rng.uniform(0.75, 1.2, (9, 1))
        ragged[:9, 1] -= rng.uniform(0, 0.25, 9)
        tone = shaded(leaf, np.where(np.arange(18) < 9, 0.65, 1.1) * rng.uniform(0.85, 1.1))
        site.builder.add((ragged, normals, triangles), tone, "foliage", at=(x, low, z), seed=rng.random())
        turn, out = rng.uniform(0, 2 * np.pi, round(26 * detail)), rng.uniform(0.75, 1.1, round(26 * detail)) * radius
        shell = np.column_stack(
            [x + out * np.cos(turn), low + 0.25 * tall * rng.random(len(turn)), z + out * np.sin(turn)]
        )
        site.builder.add(tufts(rng, shell, np.array([x, low - 0.3, z]), 0.16), leaf, "foliage", seed=rng.random())
    site.block(x, z, width * 1.2 + 0.2, height * 0.6)
    site.block(x, z, width * 0.6, height, height * 0.6)

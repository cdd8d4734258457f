"""What people walk on: ground of many kinds, carriageways, paths."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from personsearch.synth.people.palette import pick
from personsearch.synth.shapes import disc, ribbon
from personsearch.synth.world.colours import as_rgb, natural
from personsearch.synth.world.site import Area, Site
from personsearch.synth.world.types import Rgb

REACH = 64.0
"""Distance from the middle to the end of the ground, behind the skyline, metres."""
#: Weight, material, sRGB, fewest and most slabs or bricks per metre (1, 1 = the pattern has its own size).
_KINDS: dict[str, tuple[float, str, Rgb, tuple[float, float]]] = {
    "asphalt": (2, "asphalt", (0.36, 0.36, 0.37), (1, 1)),
    "concrete": (2, "asphalt", (0.55, 0.54, 0.52), (1, 1)),
    "gravel": (0.4, "gravel", (0.62, 0.57, 0.49), (1, 1)),
    "large slabs": (3, "paving", (0.58, 0.56, 0.53), (0.7, 1.3)),
    "small slabs": (3, "paving", (0.56, 0.55, 0.53), (1.6, 3.0)),
    "red slabs": (1, "paving", (0.55, 0.41, 0.35), (1.5, 3.0)),
    "dark slabs": (1, "paving", (0.38, 0.38, 0.40), (1.0, 2.2)),
    "bricks": (1.5, "bricks", (0.50, 0.37, 0.31), (2.5, 4.0)),
}


@dataclass(frozen=True, kw_only=True)
class Covering:
    """A kind of ground: material, linear colour, slabs per metre, seed of the pattern."""

    material: str
    colour: Rgb
    scale: float
    seed: float


def covering(rng: np.random.Generator, *, but: str = "") -> Covering:
    """Draw a random kind of ground of any material except ``but``."""
    name = pick(rng, {name: row[0] for name, row in _KINDS.items() if row[1] != but})
    _, material, colour, scales = _KINDS[name]
    return Covering(
        material=material, colour=natural(rng, colour), scale=float(rng.uniform(*scales)), seed=float(rng.random())
    )


def cover(site: Site, area: Area, kind: Covering, *, y: float = 0.0) -> None:
    """Cover an area x1, z1, x2, z2 at height ``y``; a covering on top of another must lie a little higher."""
    site.builder.ground(area, kind.colour, kind.material, y=y, seed=kind.seed, scale=kind.scale, cell=16)


def whole_ground(site: Site, kind: Covering) -> None:
    """Cover the whole ground."""
    cover(site, (-REACH, -REACH, REACH, REACH), kind)


def path(site: Site, line: ArrayLike, width: float, kind: Covering, *, y: float = 0.012) -> None:
    """Lay a path along (N, 2) points x, z."""
    solid = ribbon(line, width, y=y)
    uv = solid[0][:, [0, 2]] * kind.scale
    site.builder.add(solid, kind.colour, kind.material, seed=kind.seed, uv=uv)


def carriageway(site: Site, z: float, width: float, *, zebra: float | None) -> None:
    """Lay a road along x with kerbs, gutters, lane markings and manholes.

    Args:
        site: the place.
        z: middle of the road, metres.
        width: metres.
        zebra: x of the middle of a zebra crossing, metres; None = no crossing.
    """
    rng, half = site.rng, width / 2
    asphalt = Covering(material="asphalt", colour=natural(rng, (0.30, 0.30, 0.31)), scale=1.0, seed=rng.random())
    cover(site, (-REACH, z - half, REACH, z + half), asphalt, y=0.010)
    stone, white = natural(rng, (0.64, 0.63, 0.60)), natural(rng, (0.86, 0.85, 0.82))
    for side in (-1, 1):
        site.builder.box((0, 0.015, z + side * (half + 0.12)), (2 * REACH, 0.05, 0.25), stone, "wall", faces=(2, 3, 4))
        gutter = (-REACH, z + side * (half - 0.2) - 0.15, REACH, z + side * (half - 0.2) + 0.15)
        site.builder.ground(gutter, natural(rng, (0.40, 0.39, 0.38)), "paving", y=0.014, scale=1.5, cell=16)
    for x in np.arange(-REACH + 2, REACH, 4.2):
        if zebra is None or abs(x - zebra) > 4:
            _mark(site, (x - 1, z - 0.06, x + 1, z + 0.06), white)
    if zebra is not None:
        for across in np.arange(z - half + 0.45, z + half - 0.5, 1.0):
            _mark(site, (zebra - 1.8, across, zebra + 1.8, across + 0.5), white)
        for side in (-1, 1):
            line = zebra + side * 2.8
            _mark(site, (line - 0.15, z - half + 0.4, line + 0.15, z + half - 0.4), white)
    for x in rng.uniform(-14, 14, 3):
        iron = natural(rng, (0.22, 0.21, 0.21))
        site.builder.add(disc(0.32), iron, "gravel", at=(x, 0.02, z + rng.uniform(-half + 1, half - 1)))


def repairs(site: Site, ground: Covering, area: Area) -> None:
    """Add drain covers and, on asphalt, slightly darker patches where it has been repaired."""
    rng = site.rng
    for _ in range(rng.integers(0, 4) if ground.material == "asphalt" else 0):
        x, z = rng.uniform(area[:2], area[2:])
        wide, deep = rng.uniform((0.8, 0.6), (3.5, 1.6))
        darker = replace(
            ground, colour=as_rgb(np.array(ground.colour) * rng.uniform(0.72, 0.9)), seed=float(rng.random())
        )
        cover(site, (x, z, x + wide, z + deep), darker, y=0.004)
    for x, z in rng.uniform(area[:2], area[2:], (2, 2)):
        iron = natural(rng, (0.34, 0.33, 0.32))
        site.builder.add(disc(0.3), iron, "gravel", at=(x, 0.012, z))


def _mark(site: Site, area: Area, paint: Rgb) -> None:
    worn = np.asarray(paint) * site.rng.uniform(0.75, 1)
    site.builder.ground(area, worn, "asphalt", y=0.016, seed=site.rng.random(), cell=100)

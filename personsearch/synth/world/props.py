"""Things that can be placed anywhere: in front of people in photographs of places, or beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np

from personsearch.synth.geometry import Mesh, rotation_y
from personsearch.synth.textures import load_textures
from personsearch.synth.world.props_indoors import INDOOR_PROPS
from personsearch.synth.world.props_outdoors import OUTDOOR_PROPS
from personsearch.synth.world.site import HEAD_ROOM, Site
from personsearch.synth.world.skins import Skins
from personsearch.synth.world.types import Figure, Poster

#: Radius and height of a statue, a mannequin or a hanging coat, metres.
_FIGURE = (0.4, 1.8)


@dataclass(frozen=True, eq=False, kw_only=True)
class Prop:
    """A thing with everything that belongs to it; as built it stands at the origin on y = 0 and faces +z.

    Attributes:
        name: one of ``prop_names``.
        meshes: its triangles, one or a few meshes per material.
        radius: of the upright cylinder around its own y axis that contains it up to 2.2 m above the ground, metres.
        height: metres.
        figures: statues, mannequins and hanging coats that belong to it.
        posters: pictures of people that belong to it.
    """

    name: str
    meshes: tuple[Mesh, ...]
    radius: float
    height: float
    figures: tuple[Figure, ...] = ()
    posters: tuple[Poster, ...] = ()


def prop_names(indoors: bool) -> tuple[str, ...]:
    """Return the names of the things that suit places indoors or outdoors."""
    return tuple(INDOOR_PROPS if indoors else OUTDOOR_PROPS)


def build_prop(name: str, seed: int, *, indoors: bool | None = None, textures: str | Path | None = None) -> Prop:
    """Build a thing.

    Args:
        name: one of ``prop_names``.
        seed: any integer >= 0; the thing is a pure function of name, ``indoors`` and seed.
        indoors: which of two things to build where both lists have one of that name; None = the one for outdoors.
        textures: folder of photographed materials for some of the surfaces; None = all are procedural.

    Raises:
        ValueError: there is no such thing; the message lists the names.
        ConfigError: ``textures`` has no picture that can be used.
    """
    lists = (INDOOR_PROPS, OUTDOOR_PROPS) if indoors else (OUTDOOR_PROPS, INDOOR_PROPS)
    add = lists[0].get(name) or lists[1].get(name)
    if add is None:
        known = ", ".join(sorted({*INDOOR_PROPS, *OUTDOOR_PROPS}))
        raise ValueError(f"there is no prop {name!r}; choose from {known}")
    skins = None if textures is None else Skins(load_textures(textures), seed, indoors=bool(indoors))
    site = Site(np.random.default_rng([seed, crc32(name.encode()), 86]), skins)
    add(site, 0.0, 0.0, 0.0)
    meshes = tuple(_above_ground(mesh) for mesh in site.builder.meshes())
    points = np.concatenate([mesh.positions for mesh in meshes])
    low = points[points[:, 1] < HEAD_ROOM]
    reach = [float(np.hypot(low[:, 0], low[:, 2]).max())]
    reach += [float(np.hypot(figure.position[0], figure.position[2])) + _FIGURE[0] for figure in site.figures]
    heights = [float(points[:, 1].max()), *(figure.position[1] + _FIGURE[1] for figure in site.figures)]
    return Prop(
        name=name,
        meshes=meshes,
        radius=max(reach),
        height=max(heights),
        figures=tuple(site.figures),
        posters=tuple(site.posters),
    )


def _above_ground(mesh: Mesh) -> Mesh:
    """Flatten what reaches into the ground, which need not be drawn where a prop stands."""
    return replace(mesh, positions=np.maximum(mesh.positions, np.array([-np.inf, 0, -np.inf], np.float32)))


def placed_prop(prop: Prop, x: float, z: float, heading: float) -> Prop:
    """Return a prop turned by ``heading`` radians about its y axis and moved to ``x``, ``z`` metres."""
    turn, shift = rotation_y(heading).astype(np.float32), np.array([x, 0, z], np.float32)

    def moved(mesh: Mesh) -> Mesh:
        return replace(mesh, positions=mesh.positions @ turn.T + shift, normals=mesh.normals @ turn.T)

    def figure_moved(figure: Figure) -> Figure:
        px, py, pz = (float(value) for value in turn @ np.array(figure.position, np.float32) + shift)
        return replace(figure, position=(px, py, pz), heading=figure.heading + heading)

    return replace(
        prop,
        meshes=tuple(moved(mesh) for mesh in prop.meshes),
        figures=tuple(figure_moved(figure) for figure in prop.figures),
        posters=tuple(replace(poster, corners=poster.corners @ turn.T + shift) for poster in prop.posters),
    )

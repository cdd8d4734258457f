"""Places: streets, plazas, parks and halls, each a pure function of a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from personsearch.synth.textures import load_textures
from personsearch.synth.world.lights import NEUTRAL
from personsearch.synth.world.places import BUILDERS
from personsearch.synth.world.types import KINDS, World


def build_world(kind: str, seed: int, *, lighting: bool = True, textures: str | Path | None = None) -> World:
    """Build a place.

    Args:
        kind: one of ``KINDS``.
        seed: any integer >= 0; the place is a pure function of kind and seed, and of the pictures in ``textures``.
        lighting: False = the same neutral daylight in all sessions, indoors too.
        textures: folder of photographed materials, see ``load_textures``, for about half of the surfaces; where things
            stand does not depend on it. None = all materials are procedural.

    Raises:
        ConfigError: the folder has no picture that can be used.
        ImageError: a picture of the folder is damaged.
    """
    world = BUILDERS[kind](seed, None if textures is None else load_textures(textures))
    return world if lighting else replace(world, lights=(NEUTRAL, NEUTRAL))


__all__ = ["KINDS", "World", "build_world"]

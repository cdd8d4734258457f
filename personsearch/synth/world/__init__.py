"""Places: streets, plazas, parks and halls, each a pure function of a seed."""

from __future__ import annotations

from dataclasses import replace

from personsearch.synth.world.lights import NEUTRAL
from personsearch.synth.world.places import BUILDERS
from personsearch.synth.world.types import KINDS, World


def build_world(kind: str, seed: int, *, lighting: bool = True) -> World:
    """Build a place.

    Args:
        kind: one of ``KINDS``.
        seed: any integer >= 0; the place is a pure function of kind and seed.
        lighting: False = the same neutral daylight in all sessions, indoors too.
    """
    world = BUILDERS[kind](seed)
    return world if lighting else replace(world, lights=(NEUTRAL, NEUTRAL))


__all__ = ["KINDS", "World", "build_world"]

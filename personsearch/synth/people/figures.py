"""Statues and mannequins: human shapes that are nobody, hard negatives for a detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from personsearch.synth.people.character import Posed, Slice, build_character, placed, pose_of
from personsearch.synth.people.identity import sample_identity
from personsearch.synth.world.types import Figure, Rgb

#: Uniforms that are colours of a person.
_COLOURS = (
    *("base", "second", "third", "lip_colour", "hair_colour", "brow_colour", "trim", "strap_colour", "iris"),
    *("beard", "scalp"),
)
_SKIN = ("lip_colour", "hair_colour", "brow_colour", "iris")


def posed_figure(figure: Figure) -> Posed:
    """Return a figure as it stands in its world."""
    identity = sample_identity(figure.seed)
    if figure.kind == "mannequin":
        head = replace(identity.head, hair="bald", beard=0.0, glasses=False, hat="")
        identity = replace(identity, head=head, bag=replace(identity.bag, kind=""), scarf=None)
    character = build_character(identity)
    recolour = _of_stone if figure.kind == "statue" else _of_plastic
    slices = tuple(recolour(part, figure.colour) for part in character.slices)
    character = replace(character, slices=slices)
    pose = pose_of(character, phase=0.1, speed=0.0, act=figure.seed)
    x, y, z = figure.position
    return placed(character, pose, (x, z), figure.heading, floor=y)


def _of_stone(part: Slice, colour: Rgb) -> Slice:
    """One material all over; what is cut away stays cut away."""
    shade = np.asarray(colour, np.float32)
    plain = {name: shade for name in _COLOURS if name in part.uniforms and name not in ("beard", "scalp")}
    flat: dict[str, float] = {name: 0.0 for name in ("beard", "scalp") if name in part.uniforms}
    defines = tuple((name, 0 if name == "PATTERN" else value) for name, value in part.defines)
    uniforms = {**part.uniforms, **plain, **flat, "gloss": 0.08}
    if "print_box" in uniforms:
        uniforms["print_box"] = (0.0, 0.0, 0.0)
    return replace(part, defines=defines, uniforms=uniforms, picture=None)


def _of_plastic(part: Slice, colour: Rgb) -> Slice:
    """Dressed as the person, but skin, lips, brows and eyes are of one colour."""
    if part.material not in ("skin", "eye"):
        return part
    shade = np.asarray(colour, np.float32)
    names = ("base", *_SKIN)
    return replace(part, uniforms={**part.uniforms, **{name: shade for name in names if name in part.uniforms}})

"""Statues and mannequins: human shapes that are not people, as hard negatives for a detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from personsearch.synth.people.character import Posed, Slice, build_character, placed, pose_of
from personsearch.synth.people.identity import sample_identity
from personsearch.synth.world.types import Figure, Rgb

#: Uniforms that hold colours of a person, or how much of one shows.
_COLOURS = (
    *("base", "second", "third", "lip_colour", "hair_colour", "brow_colour", "trim", "strap_colour", "iris"),
    *("beard", "scalp"),
)
_SKIN = ("lip_colour", "hair_colour", "brow_colour", "iris")


def posed_figure(figure: Figure) -> Posed:
    """Build a figure and place it in its world."""
    identity = sample_identity(figure.seed)
    if figure.kind == "mannequin":
        head = replace(identity.head, hair="bald", beard=0.0, glasses=False, hat="")
        identity = replace(identity, head=head, bag=replace(identity.bag, kind=""), scarf=None)
    character = build_character(identity)
    recolour = _as_stone if figure.kind == "statue" else _as_mannequin
    slices = tuple(recolour(part, figure.colour) for part in character.slices)
    character = replace(character, slices=slices)
    pose = pose_of(character, phase=0.1, speed=0.0, act=figure.seed)
    x, y, z = figure.position
    return placed(character, pose, (x, z), figure.heading, floor=y)


def _as_stone(part: Slice, colour: Rgb) -> Slice:
    """Give a part one plain colour, keeping its cut-outs."""
    shade = np.asarray(colour, np.float32)
    plain = {name: shade for name in _COLOURS if name in part.uniforms and name not in ("beard", "scalp")}
    flat: dict[str, float] = {name: 0.0 for name in ("beard", "scalp") if name in part.uniforms}
    defines = tuple((name, 0 if name == "PATTERN" else value) for name, value in part.defines)
    uniforms = {**part.uniforms, **plain, **flat, "gloss": 0.08}
    if "print_box" in uniforms:
        uniforms["print_box"] = (0.0, 0.0, 0.0)
    return replace(part, defines=defines, uniforms=uniforms, picture=None)


def _as_mannequin(part: Slice, colour: Rgb) -> Slice:
    """Give skin, lips, brows and eyes one plain colour, keeping the clothes."""
    if part.material not in ("skin", "eye"):
        return part
    shade = np.asarray(colour, np.float32)
    names = ("base", *_SKIN)
    return replace(part, uniforms={**part.uniforms, **{name: shade for name in names if name in part.uniforms}})

"""Statues, mannequins and hanging coats: human shapes that are not people, as hard negatives for a detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from personsearch.synth.geometry import rotation_y
from personsearch.synth.people.character import Posed, Slice, build_character, placed, pose_of
from personsearch.synth.people.identity import sample_identity
from personsearch.synth.people.pose import Gait, walking
from personsearch.synth.world.types import Figure, Rgb

#: Uniforms that hold colours of a person, or how much of one shows.
_COLOURS = (
    *("base", "second", "third", "lip_colour", "hair_colour", "brow_colour", "trim", "strap_colour", "iris"),
    *("beard", "scalp"),
)
_SKIN = ("lip_colour", "hair_colour", "brow_colour", "iris")


#: Cuts of tops that people hang up.
_HUNG_UP = ("coat", "coat", "jacket", "puffer")
#: Depth of an empty coat relative to a worn one.
_FLAT = 0.6


def posed_figure(figure: Figure) -> Posed:
    """Build a figure and place it in its world."""
    if figure.kind == "coat":
        return _hung_up(figure)
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


def _hung_up(figure: Figure) -> Posed:
    """Build somebody's coat without anybody in it, hanging as high as they would wear it."""
    identity = sample_identity(figure.seed)
    rng = np.random.default_rng([figure.seed, 77])
    top = replace(identity.top, cut=str(rng.choice(_HUNG_UP)), sleeve=1.95, tucked=False, print_size=0.0)
    top = replace(top, length=float(rng.uniform(0.5, 1.1)))
    build = replace(identity.build, age=0.6, weight=0.45)
    bottom, bag = replace(identity.bottom, cut="bare"), replace(identity.bag, kind="")
    character = build_character(replace(identity, build=build, top=top, bottom=bottom, bag=bag, scarf=None))
    # The shirt underneath, whose sleeves end at the shoulders, stays with its owner.
    cloth = tuple(part for part in character.slices if part.material == "cloth" and part.uniforms["cut"][0] > 1)
    limp = Gait(stride=1.0, arm_swing=0.0, lean=0.0, elbow=0.02)
    posed = placed(character, walking(limp, character.joints, phase=0.0, speed=0.0), (0.0, 0.0), 0.0)
    turn = rotation_y(figure.heading) * (1.0, 1.0, _FLAT)
    moved = posed.positions @ turn.T + figure.position
    normals = posed.normals @ (rotation_y(figure.heading) / (1.0, 1.0, _FLAT)).T
    return replace(
        posed,
        character=replace(character, slices=cloth),
        positions=moved.astype(np.float32),
        normals=normals.astype(np.float32),
    )


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

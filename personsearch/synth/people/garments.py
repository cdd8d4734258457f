"""Clothes, cut out of the body's helper meshes.

Sleeves, hems and necklines are not edges of the mesh. The material ``cloth`` cuts them pixel by pixel at the arm, leg
and height values in ``cut``, so that lengths vary continuously and edges are clean.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from personsearch.synth.geometry import Array, linear
from personsearch.synth.people import palette
from personsearch.synth.people.body import regions
from personsearch.synth.people.identity import Bag, Bottom, Fabric, Identity, Pattern, Shoes, Top
from personsearch.synth.people.wearer import (
    Part,
    Uniforms,
    Wearer,
    draped,
    inflated,
    rumpled,
    vertices_of,
    with_loose_arms,
    with_loose_legs,
)

PATTERN_NUMBERS: dict[str, int] = {name: number for number, name in enumerate(get_args(Pattern))}
STRAPS = {"": 0, "backpack": 1, "crossbody": 2}
#: A bound that cuts nothing away.
EVERYWHERE = 9.0
#: Metres of padding and air between body and cloth.
PADDING = {"puffer": 0.05, "coat": 0.03, "jacket": 0.026, "dress": 0.008, "tank": 0.006, "blouse": 0.014}
#: Height of the neckline above the neck joint, metres.
NECKLINE = {"tank": -0.03, "tshirt": 0.005, "dress": -0.03, "puffer": 0.06, "coat": 0.05, "jacket": 0.05, "shirt": 0.04}


def padding(top: Top, wearer: Wearer) -> float:
    """Return how far a top stands off the body, metres."""
    return PADDING.get(top.cut, 0.012) * wearer.scale


def neckline(top: Top, wearer: Wearer) -> float:
    """Return the height of a top's upper edge, metres."""
    return wearer.neck + NECKLINE.get(top.cut, 0.015)


def top_parts(identity: Identity, wearer: Wearer) -> list[Part | None]:
    """Return what is worn above the waist, including the lower parts of coats, dresses and loose shirts."""
    top, where = identity.top, regions()
    tights, off = vertices_of("tights"), padding(identity.top, wearer)
    positions = inflated(wearer, tights, np.where(where.leg[tights] > 0.3, 0.3, 1.0) * (0.004 + 0.4 * off))
    trunk = tights[(where.arm[tights] < 0.15) & (wearer.vertices[tights, 1] > wearer.crotch - 0.02)]

    def air(height: Array) -> NDArray[np.floating]:
        share = np.clip((wearer.neck - 0.05 - height) / 0.1, 0, 1)
        return np.asarray(share * off * (0.5 + 0.6 * top.looseness))

    taper = 0.25 + 0.5 * (1 - top.looseness)
    positions[trunk] = draped(positions[trunk], wearer.spine_z, wearer.chest, taper, air)
    least = 0.03 if top.cut == "dress" else (0.040 + 0.018 * top.looseness + 0.6 * off) * wearer.scale
    positions = with_loose_arms(wearer, positions, off * (0.5 + 0.5 * top.looseness), least)
    rumple = 0.004 * top.looseness + 0.06 * off
    positions = rumpled(wearer, positions, tights, rumple, 30, identity.seed % 17)

    long = top.cut in ("coat", "dress")
    low = wearer.crotch + 0.03 if long else _hem(top, wearer) + 0.03 * (not top.tucked)
    high = neckline(top, wearer)
    uniforms = {**_cloth_uniforms(top.fabric, identity.seed), **_trim(top, wearer), **_strap(identity.bag, wearer)}
    uniforms |= {"cut": (top.sleeve, EVERYWHERE, low, high), "wrinkles": 0.5 + 0.6 * top.looseness}
    uniforms["gloss"] = 0.25 if top.cut == "puffer" else 0.02
    defines = _defines(top.fabric, STRAPS.get(identity.bag.kind, 0))
    height = wearer.vertices[:, 1]
    keep = (where.arm < top.sleeve + 0.2) & (height > low - 0.1) & (height < high + 0.1)
    picture = chest_print(top.print_seed) if top.print_size else None
    parts = [wearer.part("tights", positions, keep, "cloth", defines=defines, uniforms=uniforms, picture=picture)]
    if top.front == "open" or top.cut in ("jacket", "coat", "shirt"):
        parts.append(_inner_shirt(top, wearer, low))
    plain = {**uniforms, "print_box": (0.0, 0.0, 0.0)}
    if long:
        down = (_leg_height(wearer, top.length), wearer.waist + 0.02)
        ease = 0.02 + off if top.cut == "coat" else 0.012
        parts.append(_skirt(identity, wearer, down, top.flare, ease, defines, plain))
    elif not top.tucked:  # over the hips the cloth is one piece; cut from the tights it would follow each leg
        down = (_hem(top, wearer), wearer.waist + 0.02)
        parts.append(_skirt(identity, wearer, down, 1.0, 0.012 + 0.8 * off, defines, plain))
    return parts


def bottom_parts(identity: Identity, wearer: Wearer) -> list[Part | None]:
    """Return trousers or a skirt; nothing where a dress leaves the legs bare."""
    bottom, where = identity.bottom, regions()
    defines, uniforms = _defines(bottom.fabric, 0), _cloth_uniforms(bottom.fabric, identity.seed + 5)
    if bottom.cut == "skirt":
        uniforms["wrinkles"] = 0.5
        down = (_leg_height(wearer, bottom.length), wearer.waist + 0.01)
        return [_skirt(identity, wearer, down, bottom.flare, 0.01, defines, uniforms)]
    if bottom.cut == "bare":
        return []
    tights = vertices_of("tights")
    positions = inflated(wearer, tights, 0.004)
    loose = _leg_looseness(bottom)
    if loose > 0:
        flare = 0.55 if bottom.cut == "wide" else 0.12 * loose
        least = (0.052 + 0.022 * loose) * wearer.scale
        positions = with_loose_legs(wearer, positions, 0.004 + 0.012 * loose, least, flare)
        positions = rumpled(wearer, positions, tights, 0.005 * loose, 26, identity.seed % 13)
    high = wearer.waist + 0.02
    if (
        identity.top.cut == "coat"
    ):  # the coat hides everything above its hem; leaving it out keeps it from poking through
        high = _leg_height(wearer, identity.top.length) + 0.12
    uniforms |= {"cut": (EVERYWHERE, bottom.length, -EVERYWHERE, high), "wrinkles": 0.25 + 0.5 * loose}
    keep = (where.leg < bottom.length + 0.3) & (where.arm <= 0) & (wearer.vertices[:, 1] < high + 0.1)
    return [wearer.part("tights", positions, keep, "cloth", defines=defines, uniforms=uniforms)]


def shoe_parts(shoes: Shoes, wearer: Wearer) -> list[Part | None]:
    """Return both shoes as one part."""
    where, tights = regions(), vertices_of("tights")
    positions = inflated(wearer, tights, np.where(where.leg[tights] > 1.9, 0.011, 0.013))
    foot = tights[where.leg[tights] > 1.7]
    positions[foot, 1] = np.maximum(positions[foot, 1], -0.016)  # a flat sole
    uniforms = {
        "base": linear(shoes.colour),
        "trim": linear(shoes.sole),
        "trim_below": 0.018,
        "cut": (EVERYWHERE, EVERYWHERE, -EVERYWHERE, EVERYWHERE),
        "leg_from": shoes.height,
        "gloss": 0.3,
    }
    return [wearer.part("tights", positions, where.leg > shoes.height - 0.15, "shoe", uniforms=uniforms)]


def leg_shown_from(bottom: Bottom) -> float:
    """Return the point along the leg below which skin shows: 0 hip, 1 knee, 2 ankle."""
    return max(bottom.length - 0.06, 0.0) if bottom.cut not in ("skirt", "bare") else 0.0


def chest_print(seed: int, size: int = 128) -> NDArray[np.uint8]:
    """Draw a print: shapes, letters, a blurred picture or bars. Returns (size, size, 4) uint8 RGBA."""
    rng = np.random.default_rng([seed, 75])
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    colours = [tuple(int(255 * part) for part in palette.dyed(rng, palette.TOPS)) + (255,) for _ in range(3)]
    kind = rng.integers(4)
    if kind == 0:
        for _ in range(rng.integers(1, 5)):
            x, y = rng.integers(10, size - 30, 2)
            box = [int(x), int(y), int(x + rng.integers(15, 70)), int(y + rng.integers(15, 70))]
            (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=colours[rng.integers(3)])
    elif kind == 1:
        text = "".join(rng.choice(list("ABCDEFGHKLMNOPRSTUXYZ0123456789"), rng.integers(1, 6)))
        font = ImageFont.load_default(size=int(size * 1.3 / max(2, len(text))))
        draw.text((size / 2, size / 2), text, font=font, fill=colours[0], anchor="mm")
    elif kind == 2:
        cells = np.array([[palette.dyed(rng, palette.TOPS) for _ in range(4)] for _ in range(4)])
        blurred = Image.fromarray(np.uint8(cells * 255)).resize((size, size), Image.Resampling.BICUBIC)
        image.paste(blurred)
    else:
        y, thick = int(rng.integers(20, 80)), int(rng.integers(8, 40))
        draw.rectangle([0, y, size, y + thick], fill=colours[0])
        draw.rectangle([0, y + thick + 6, size, y + thick + 12], fill=colours[1])
    return np.asarray(image)


def _defines(fabric: Fabric, strap: int) -> tuple[tuple[str, int], ...]:
    return (("PATTERN", PATTERN_NUMBERS[fabric.pattern]), ("STRAP", strap))


def _cloth_uniforms(fabric: Fabric, seed: int) -> Uniforms:
    first, second, third = (linear(colour) for colour in fabric.colours)
    return {
        "base": first,
        "second": second,
        "third": third,
        "pattern_scale": fabric.scale,
        "seed": seed % 97 / 97,
        "gloss": 0.02,
        "band_height": -EVERYWHERE,
        "front_opening": 0.0,
        "zip_width": 0.0,
        "print_box": (0.0, 0.0, 0.0),
    }


def _trim(top: Top, wearer: Wearer) -> Uniforms:
    """Return what runs down or across the front: a zip, an opening, a print, the border between two colours."""
    return {
        "zip_width": 0.007 if top.front == "zip" else 0.0,
        "front_opening": 0.05 if top.front == "open" else 0.0,
        "print_box": (0.0, wearer.chest - 0.08, top.print_size),
        "band_height": wearer.chest - 0.1 - 0.1 * top.looseness,
    }


def _strap(bag: Bag, wearer: Wearer) -> Uniforms:
    if bag.kind == "backpack":
        line = (0.095 * wearer.scale, 0.0, 0.024, wearer.chest - 0.22)
    else:
        sign = 1.0 if bag.side == "l" else -1.0
        line = (-0.10 * sign, 0.55 * sign, 0.019, wearer.neck)
    return {"strap": line, "strap_colour": linear(bag.colour) * 0.8}


def _hem(top: Top, wearer: Wearer) -> float:
    if top.tucked:
        return wearer.waist
    return wearer.crotch + (1.3 * top.hem if top.cut in ("jacket", "puffer") else top.hem + 0.01)


def _leg_looseness(bottom: Bottom) -> float:
    if bottom.cut == "leggings":
        return 0.0
    if bottom.cut == "wide":
        return 1.0
    return 0.4 + 0.6 * bottom.looseness if bottom.cut == "shorts" else 0.5 * bottom.looseness


def _leg_height(wearer: Wearer, along: float) -> float:
    heights = [wearer.joint(f"{bone}_l")[1] for bone in ("thigh", "calf", "foot")]
    return float(np.interp(along, [0, 1, 2], heights))


def _inner_shirt(top: Top, wearer: Wearer, low: float) -> Part | None:
    tights, where, high = vertices_of("tights"), regions(), wearer.neck + 0.03
    bottom = low - 0.02 if top.front == "open" else wearer.chest - 0.05
    fabric = Fabric(pattern="plain", colours=(top.inner, top.inner, top.inner), scale=10.0)
    uniforms = {**_cloth_uniforms(fabric, 3), "cut": (0.15, EVERYWHERE, bottom, high), "wrinkles": 0.3}
    keep = (where.arm < 0.2) & (wearer.vertices[:, 1] > bottom - 0.1)
    positions = inflated(wearer, tights, 0.007)
    return wearer.part("tights", positions, keep, "cloth", defines=_defines(fabric, 0), uniforms=uniforms)


def _skirt(
    identity: Identity,
    wearer: Wearer,
    down: tuple[float, float],
    flare: float,
    ease: float,
    defines: tuple[tuple[str, int], ...],
    uniforms: Uniforms,
) -> Part | None:
    """Return cloth around both legs, a skirt or the lower part of a top; ``down`` is its lower and upper edge."""
    ring = vertices_of("skirt")
    low, high = down
    positions = inflated(wearer, ring, ease)
    lowered = np.clip((wearer.waist - positions[ring, 1]) / (wearer.waist - low + 1e-3), 0, 1.2)
    wider = 1 + (flare - 1) * lowered
    positions[ring, 0] *= 1 + (wider - 1) * 0.6
    positions[ring, 2] = wearer.spine_z + (positions[ring, 2] - wearer.spine_z) * wider
    around = np.arctan2(positions[ring, 0], positions[ring, 2] - wearer.spine_z)
    folds = 0.012 * lowered * np.sin(around * (6 + identity.seed % 6))
    positions[ring] += wearer.normals[ring] * folds[:, None]
    height = wearer.vertices[:, 1]
    keep = (height > low - 0.12) & (height < high + 0.1)
    uniforms = {**uniforms, "cut": (EVERYWHERE, EVERYWHERE, low, high)}
    return wearer.part("skirt", positions, keep, "cloth", defines=defines, uniforms=uniforms)

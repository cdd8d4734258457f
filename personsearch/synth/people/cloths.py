"""Photographed cloth on garments: its weave modulates the garment's colours and pattern."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np
from PIL import Image

from personsearch.synth.people.wearer import Part
from personsearch.synth.textures import Pixels, Texture, Textures

SHARE = 0.5
"""Share of the garments without a print whose cloth is photographed."""
_KINDS = ("fabric", "carpet")
#: Longer side to which pictures are reduced for garments, pixels.
_SIZE = 128


def clothed(parts: list[Part], textures: Textures | None) -> list[Part]:
    """Return a person's parts, some with photographed cloth.

    Which cloth follows from the garment's colours, so that all parts of a garment, and look-alikes, have the same.

    Args:
        parts: what the person consists of.
        textures: pictures of materials; None = the parts stay as they are.
    """
    cloths = () if textures is None else textures.of(_KINDS) or textures.of(("",))
    return [_with_cloth(part, cloths) if cloths else part for part in parts]


def _with_cloth(part: Part, cloths: tuple[Texture, ...]) -> Part:
    if part.material != "cloth" or part.picture is not None:
        return part
    colours = [np.asarray(part.uniforms[name], np.float64) for name in ("base", "second", "third")]
    numbers = np.round(np.append(np.concatenate(colours), part.uniforms["pattern_scale"]), 4)
    rng = np.random.default_rng([crc32(numbers.tobytes()), 90])
    if rng.random() >= SHARE:
        return part
    texture = cloths[rng.integers(len(cloths))]
    uniforms = {
        **part.uniforms,
        "cloth_mean": np.maximum(texture.mean(), 0.02),
        "cloth_repeats": float(1 / rng.uniform(0.2, 0.5)),
        "cloth_strength": float(rng.uniform(0.5, 1.0)),
    }
    return replace(part, picture=_small(texture.pixels()), uniforms=uniforms, defines=(*part.defines, ("CLOTH", 1)))


def _small(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    image.thumbnail((_SIZE, _SIZE), Image.Resampling.BOX)
    return np.asarray(image, np.uint8)

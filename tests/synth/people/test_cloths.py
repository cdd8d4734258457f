"""Photographed cloth on garments."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from personsearch.synth.geometry import linear
from personsearch.synth.people.character import Character, build_character
from personsearch.synth.people.identity import sample_identity
from personsearch.synth.textures import Textures, load_textures


def cloths(folder: Path) -> Textures:
    rng = np.random.default_rng(1)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(folder / f"fabric{number}.png")
    return load_textures(folder)


def woven(character: Character) -> list[bool]:
    return [("CLOTH", 1) in part.defines for part in character.slices if part.material == "cloth"]


def test_some_garments_have_photographed_cloth_and_nothing_else_changes(tmp_path: Path) -> None:
    textures = cloths(tmp_path)
    garments = []
    for seed in range(12):
        plain, dressed = (build_character(sample_identity(seed), textures=given) for given in (None, textures))
        assert not any(woven(plain))
        assert (plain.positions == dressed.positions).all()
        assert (plain.triangles == dressed.triangles).all()
        garments += woven(dressed)
        for before, part in zip(plain.slices, dressed.slices, strict=True):
            if ("CLOTH", 1) in part.defines:
                assert part.picture is not None
                assert max(part.picture.shape) <= 128
                assert before.picture is None, "a print stays"
                assert (part.uniforms["cloth_mean"] > 0).all()
            else:
                assert part.defines == before.defines
                assert part.picture is before.picture or np.array_equal(part.picture, before.picture)
    assert 0.2 < np.mean(garments) < 0.8


def test_the_same_garment_is_of_the_same_cloth_on_everybody(tmp_path: Path) -> None:
    textures = cloths(tmp_path)
    model, compared = sample_identity(3), 0
    for seed in range(10):
        other = sample_identity(seed)
        top = replace(other.top, print_size=0.0)
        here, there = (build_character(replace(identity, top=top), textures=textures) for identity in (model, other))
        seen = [
            {
                float(part.uniforms.get("cloth_repeats", 0))
                for part in character.slices
                if part.material == "cloth" and tuple(part.uniforms["base"]) == tuple(linear(top.fabric.colours[0]))
            }
            for character in (here, there)
        ]
        compared += bool(seen[0])
        assert seen[0] <= seen[1] or seen[1] <= seen[0]
    assert compared == 10

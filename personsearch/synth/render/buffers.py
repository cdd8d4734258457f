"""Meshes of the world and of characters in graphics memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from personsearch.synth.geometry import Mesh
from personsearch.synth.people.character import Character, Posed, Slice
from personsearch.synth.render.context import Programs, texture


class WorldMesh:
    """One mesh of the world, uploaded once."""

    def __init__(self, context: Any, programs: Programs, mesh: Mesh, *, lamps: bool) -> None:
        data = np.concatenate([mesh.positions, mesh.normals, mesh.surface, mesh.colours], axis=1)
        self._buffers = [
            context.buffer(data.astype("f4").tobytes()),
            context.buffer(mesh.triangles.astype("i4").tobytes()),
        ]
        # A picture on any other material is a photographed surface, which repeats.
        photo = mesh.picture is not None and mesh.material != "picture"
        defines = (("PHOTO", 1),) if photo else ()
        self.program = programs.colour(mesh.material, people=False, defines=defines, lamps=lamps)
        names = ("in_position", "in_normal", "in_surface", "in_colour")
        layout = [(self._buffers[0], "3f 3f 3f 3f", *names)]
        self.colour = context.vertex_array(self.program, layout, self._buffers[1], skip_errors=True)
        self.mask_program = programs.mask(mesh.material, people=False)
        self.mask = context.vertex_array(self.mask_program, layout, self._buffers[1], skip_errors=True)
        self.picture = None if mesh.picture is None else texture(context, mesh.picture, repeat=photo)
        self.casts_shadow = mesh.casts_shadow

    def release(self) -> None:
        """Free the graphics memory."""
        for owned in (self.colour, self.mask, self.picture, *self._buffers):
            if owned is not None:
                owned.release()


class CharacterMesh:
    """A character in graphics memory: fixed data, uploaded once, and its pose, uploaded for every frame."""

    def __init__(self, context: Any, programs: Programs, character: Character, *, lamps: bool) -> None:
        still = np.concatenate([character.rest, character.region], axis=1).astype("f4")
        self._still = context.buffer(still.tobytes())
        self._moving = context.buffer(reserve=len(character.positions) * 24, dynamic=True)
        self._indices = context.buffer(character.triangles.tobytes())
        layout = [(self._moving, "3f 3f", "in_position", "in_normal"), (self._still, "3f 4f", "in_rest", "in_region")]
        self.parts: list[tuple[Slice, Any, Any, Any, Any, Any]] = []
        for part in character.slices:
            program = programs.colour(part.material, people=True, defines=part.defines, lamps=lamps)
            mask_program = programs.mask(part.material, people=True, defines=part.defines)
            colour = context.vertex_array(program, layout, self._indices, skip_errors=True)
            mask = context.vertex_array(mask_program, layout, self._indices, skip_errors=True)
            repeat = ("CLOTH", 1) in part.defines
            picture = None if part.picture is None else texture(context, part.picture, repeat=repeat)
            self.parts.append((part, program, colour, mask_program, mask, picture))

    def pose(self, posed: Posed) -> None:
        """Upload a pose."""
        data = np.concatenate([posed.positions, posed.normals], axis=1)
        self._moving.write(np.ascontiguousarray(data, np.float32).tobytes())

    def release(self) -> None:
        """Free the graphics memory."""
        for _, _, colour, _, mask, picture in self.parts:
            for owned in (colour, mask, picture):
                if owned is not None:
                    owned.release()
        for buffer in (self._still, self._moving, self._indices):
            buffer.release()

"""Draw people in a world: the picture, the owner of every pixel, and each person alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.geometry import Mesh
from personsearch.synth.people.character import Character, Posed
from personsearch.synth.render.buffers import CharacterMesh, WorldMesh
from personsearch.synth.render.context import assign, noise_pixels, open_context, programs, texture
from personsearch.synth.world.types import MAX_LAMPS, Light

Pixels = NDArray[np.uint8]
SHADOW_SIZE = 1024
#: Metres around the middle of the view in which there are shadows.
SHADOW_REACH = 16.0
#: Characters that stay in graphics memory.
CHARACTERS_KEPT = 48
#: How far beyond each edge a person is drawn when alone, in sizes of the picture.
MARGIN = 1
#: Owners in a cut-out: of the world (the ground that catches shadows), and of everything else that is nobody.
GROUND, THING = 254, 255


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """A drawn frame: ``image`` is (H, W, 3) uint8 RGB, ``owner`` (H, W) uint8 with 0 = nobody, i + 1 = person i.

    In a cut-out, 0 = nothing is drawn there, ``GROUND`` = the world, ``THING`` = props and figures.
    """

    image: Pixels
    owner: Pixels


class Renderer:
    """Draws pictures of one size. It must not be shared between processes or threads."""

    def __init__(self, width: int, height: int) -> None:
        import moderngl

        self._context = context = open_context()
        self._programs = programs()
        self._size = (width, height)
        depth = context.depth_renderbuffer((width, height))
        self._frame = context.framebuffer([context.texture((width, height), 4)], depth)
        self._alone_size = (width, 2 * height)
        self._alone = context.framebuffer([context.texture(self._alone_size, 1)])
        self._shadows, self._world_shadows = (self._shadow_map() for _ in range(2))
        self._shadow_of: object = None
        self._noise = texture(context, noise_pixels(), repeat=True)
        self._blank = texture(context, np.zeros((4, 4, 4), np.uint8))
        self._sky = context.vertex_array(self._programs.sky(), [])
        self._world: list[WorldMesh] = []
        self._lamps = False
        self._sky_seed = 0.0
        self._characters: OrderedDict[Character, CharacterMesh] = OrderedDict()
        self._depth_test, self._depth_equal = moderngl.DEPTH_TEST, "<="

    @property
    def device(self) -> str:
        """The rendering device, as named by OpenGL."""
        return str(self._context.info["GL_RENDERER"])

    def set_world(self, meshes: Sequence[Mesh], *, lamps: bool, seed: int) -> None:
        """Upload a world in place of the current one.

        Args:
            meshes: the triangles of the world.
            lamps: whether any of its lights has lamps.
            seed: seed of the world; the clouds follow from it.
        """
        for mesh in self._world:
            mesh.release()
        for character in self._characters.values():
            character.release()
        self._characters.clear()
        self._lamps, self._sky_seed, self._shadow_of = lamps, seed * 0.173 % 1, None
        self._world = [WorldMesh(self._context, self._programs, mesh, lamps=lamps) for mesh in meshes]

    def draw(
        self,
        camera: Camera,
        light: Light,
        people: Sequence[Posed],
        *,
        figures: Sequence[Posed] = (),
        props: Sequence[Mesh] = (),
        gain: float = 1.0,
        cut_out: bool = False,
    ) -> Picture:
        """Draw a frame.

        Args:
            camera: must have the renderer's picture size.
            light: the light of the session.
            people: at most 253 people.
            figures: statues and mannequins; their pixels belong to nobody.
            props: things that stand in this frame alone; their pixels belong to nobody.
            gain: factor on all light, as exposure.
            cut_out: leave out the sky and mark in ``owner`` what covers each pixel, so that the drawing can be laid
                over a photograph.
        """
        bodies = [self._uploaded(person) for person in (*people, *figures)]
        things = [WorldMesh(self._context, self._programs, mesh, lamps=self._lamps) for mesh in props]
        sunlight = self._sunlight(camera, light)
        self._draw_shadows(sunlight, light, bodies, things)
        shared = self._shared_uniforms(camera, light, sunlight, gain)
        self._frame.use()
        self._frame.clear()
        self._context.enable_only(self._depth_test)
        self._context.depth_func = self._depth_equal
        self._shadows.depth_attachment.use(0)
        self._noise.use(1)
        ready: set[int] = set()
        ground, thing = (GROUND / 255, THING / 255) if cut_out else (0.0, 0.0)

        def prepare(program: Any) -> None:
            if id(program) not in ready:
                ready.add(id(program))
                assign(program, shared)

        # The nearest things come first, so that what they hide is never shaded: people, the world, the sky.
        for index, body in enumerate(bodies):
            for part, program, array, _, _, picture in body.parts:
                prepare(program)
                own = part.worn and index < len(people)
                assign(program, {**part.uniforms, "owner": (index + 1) / 255 if own else thing})
                (picture or self._blank).use(2)
                array.render(vertices=part.count, first=part.first)
        for mesh, owner in (*((mesh, thing) for mesh in things), *((mesh, ground) for mesh in self._world)):
            prepare(mesh.program)
            assign(mesh.program, {"owner": owner})
            (mesh.picture or self._blank).use(2)
            mesh.colour.render()
        if not cut_out:
            sky = self._programs.sky()
            assign(sky, {**shared, "from_clip": np.linalg.inv(camera.matrix()), "seed": self._sky_seed})
            self._sky.render(vertices=3)
        for mesh in things:
            mesh.release()

        width, height = self._size
        pixels = np.frombuffer(self._frame.read(components=4), np.uint8).reshape(height, width, 4)[::-1]
        return Picture(image=np.ascontiguousarray(pixels[..., :3]), owner=np.ascontiguousarray(pixels[..., 3]))

    def alone(self, camera: Camera, person: Posed) -> tuple[float, float, tuple[float, float, float, float] | None]:
        """Draw a person of the last frame without anything else.

        Returns:
            The number of pixels that the person covers, including those up to one picture size outside the picture; the
            number of those in the picture; and the box x1, y1, x2, y2 around all of them in pixels of the picture, None
            where there are none.
        """
        width, height = self._size
        pixels, depth = camera.project(person.positions[: person.character.worn_vertices])
        pixels = pixels[depth > 0.2]
        if not len(pixels):
            return 0.0, 0.0, None
        low = np.floor(pixels.min(0)).clip((-width, -height), (2 * width, 2 * height)).astype(int) - 1
        high = np.ceil(pixels.max(0)).clip((-width, -height), (2 * width, 2 * height)).astype(int) + 1
        # Somebody too close for this canvas is drawn at half the size, or at a quarter ...
        shrink = 1
        while ((high - low) / shrink > self._alone_size).any():
            shrink *= 2
        size = -(-(high - low) // shrink)
        frames = 2 * MARGIN + 1
        widened = np.diag([1 / frames, 1 / frames, 1, 1]) @ camera.matrix()
        bottom = height - high[1]  # OpenGL counts rows from the bottom
        corner = (-(low[0] + MARGIN * width) // shrink, -(bottom + MARGIN * height) // shrink)
        self._alone.viewport = (*corner, frames * width // shrink, frames * height // shrink)
        self._alone.use()
        self._alone.clear(viewport=(0, 0, int(size[0]), int(size[1])))
        self._context.enable_only(0)
        for part, _, _, program, array, _ in self._characters[person.character].parts:
            if part.worn:
                assign(program, {**part.uniforms, "to_clip": widened})
                self._noise.use(1)
                array.render(vertices=part.count, first=part.first)
        data = self._alone.read(viewport=(0, 0, int(size[0]), int(size[1])), components=1, alignment=1)
        there = np.frombuffer(data, np.uint8).reshape(size[1], size[0])[::-1] > 0
        count = float(there.sum()) * shrink**2
        if not count:
            return 0.0, 0.0, None
        left, top = (max(0, -int(corner) // shrink) for corner in low)
        right, bottom_row = ((side - int(corner)) // shrink for side, corner in zip(self._size, low, strict=True))
        inside = float(there[top : max(top, bottom_row), left : max(left, right)].sum()) * shrink**2
        columns, rows = np.flatnonzero(there.any(0)), np.flatnonzero(there.any(1))
        x1, y1 = low[0] + columns[0] * shrink, low[1] + rows[0] * shrink
        x2, y2 = low[0] + (columns[-1] + 1) * shrink, low[1] + (rows[-1] + 1) * shrink
        return count, inside, (float(x1), float(y1), float(x2), float(y2))

    def release(self) -> None:
        """Free all resources; the renderer cannot be used afterwards."""
        self.set_world([], lamps=False, seed=0)
        for framebuffer in (self._frame, self._alone, self._shadows, self._world_shadows):
            for attached in (*framebuffer.color_attachments, framebuffer.depth_attachment):
                if attached is not None:
                    attached.release()
            framebuffer.release()
        for owned in (self._noise, self._blank, self._sky):
            owned.release()

    def _shadow_map(self) -> Any:
        import moderngl

        depth = self._context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        depth.compare_func = ""
        depth.filter = (moderngl.NEAREST, moderngl.NEAREST)
        # The colours are never read, but copy_framebuffer() copies the depth only together with a colour.
        unused = self._context.texture((SHADOW_SIZE, SHADOW_SIZE), 1)
        return self._context.framebuffer([unused], depth)

    def _uploaded(self, person: Posed) -> CharacterMesh:
        character = person.character
        if character not in self._characters:
            mesh = CharacterMesh(self._context, self._programs, character, lamps=self._lamps)
            self._characters[character] = mesh
        self._characters.move_to_end(character)
        while len(self._characters) > CHARACTERS_KEPT:
            self._characters.popitem(last=False)[1].release()
        mesh = self._characters[character]
        mesh.pose(person)
        return mesh

    def _sunlight(self, camera: Camera, light: Light) -> NDArray[np.float64]:
        """Return the (4, 4) matrix from the world to the shadow map, the view from the sun."""
        eye, target = np.array(camera.eye), np.array(camera.target)
        ahead = (target - eye) * (1, 0, 1)
        middle = eye * (1, 0, 1) + ahead / max(np.linalg.norm(ahead), 1e-6) * 11
        forward = -np.array(light.sun_direction)
        side = np.cross(forward, (0.02, 1.0, 0.01))
        side /= np.linalg.norm(side)
        view = np.eye(4)
        view[:3, :3] = side, np.cross(side, forward), -forward
        view[:3, 3] = -view[:3, :3] @ (middle - forward * 60)
        near, far = 1.0, 140.0
        ortho = np.diag([1 / SHADOW_REACH, 1 / SHADOW_REACH, -2 / (far - near), 1.0])
        ortho[2, 3] = -(far + near) / (far - near)
        return np.asarray(ortho @ view)

    def _draw_shadows(
        self,
        sunlight: NDArray[np.float64],
        light: Light,
        bodies: Sequence[CharacterMesh],
        things: Sequence[WorldMesh],
    ) -> None:
        self._context.enable_only(self._depth_test)
        self._context.depth_func = self._depth_equal
        key = sunlight.tobytes()
        if key != self._shadow_of:  # the world's shadows are drawn once for a fixed camera and light
            self._shadow_of = key
            self._world_shadows.use()
            self._world_shadows.clear(depth=1.0)
            for mesh in self._world:
                if mesh.casts_shadow:
                    assign(mesh.mask_program, {"to_clip": sunlight})
                    mesh.mask.render()
        self._context.copy_framebuffer(self._shadows, self._world_shadows)
        if not any(light.sun):
            return
        self._shadows.use()
        self._noise.use(1)
        for body in bodies:
            for part, _, _, program, array, _ in body.parts:
                assign(program, {**part.uniforms, "to_clip": sunlight, "noise": 1})
                array.render(vertices=part.count, first=part.first)
        for mesh in things:
            if mesh.casts_shadow:
                assign(mesh.mask_program, {"to_clip": sunlight})
                mesh.mask.render()

    def _shared_uniforms(
        self, camera: Camera, light: Light, sunlight: NDArray[np.float64], gain: float
    ) -> dict[str, Any]:
        lamps = {}
        if self._lamps:
            unlit = [(0.0, 50.0, 0.0, 0.0, 0.0, 0.0)] * (MAX_LAMPS - len(light.lamps))
            table = np.array([(*lamp.position, *lamp.colour) for lamp in light.lamps] + unlit)
            lamps = {"lamp_position": table[:, :3], "lamp_colour": table[:, 3:] * gain}
        colours = {name: np.array(getattr(light, name)) * gain for name in ("sun", "sky", "ground", "fog")}
        return {
            "to_clip": camera.matrix(),
            "shadow_matrix": sunlight,
            "eye": camera.eye,
            "sun_direction": light.sun_direction,
            **colours,
            **lamps,
            "fog_density": light.fog_density,
            "wetness": light.wetness,
            "owner": 0.0,
            "shadow_map": 0,
            "noise": 1,
            "picture": 2,
        }

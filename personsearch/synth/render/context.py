"""The OpenGL context of a process, its programs and textures."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import MissingExtraError, RenderError
from personsearch.synth.world.types import MAX_LAMPS

Defines = tuple[tuple[str, int], ...]
SYSTEM_PACKAGES = "libegl1 libgl1-mesa-dri libgl1 libegl-mesa0"


@cache
def open_context() -> Any:
    """Open the OpenGL context of this process, without a window.

    A process has only one: otherwise objects that the garbage collector frees late could be freed in the wrong context.

    Raises:
        MissingExtraError: moderngl is not installed.
        RenderError: there is no OpenGL through EGL; the message names the system packages.
    """
    # One thread per process: the work is shared among processes, and llvmpipe gains nothing from more threads.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        import moderngl
    except ImportError:
        raise MissingExtraError("drawing synthetic scenes needs moderngl: pip install 'personsearch[synth]'") from None
    try:
        context = moderngl.create_context(standalone=True, require=330, backend="egl")  # type: ignore[arg-type]
    except Exception as error:
        raise RenderError(
            f"no OpenGL through EGL ({error}). On Debian or Ubuntu: apt-get install -y --no-install-recommends "
            f"{SYSTEM_PACKAGES} (software rendering); with an NVIDIA GPU, its driver and libegl1"
        ) from None
    context.gc_mode = "auto"
    return context


@cache
def source(name: str) -> str:
    """Read a file from ``shaders``."""
    return (resources.files("personsearch") / f"synth/shaders/{name}").read_text(encoding="utf-8")


class Programs:
    """Compiles one program for each material and set of constants.

    Software rendering executes every branch of a shader, so a program must not contain what its material does not do.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self._programs: dict[tuple[object, ...], Any] = {}

    def colour(self, material: str, *, people: bool, defines: Defines = (), lamps: bool = False) -> Any:
        """Return the program that draws the appearance of a material."""
        if lamps:
            defines = (*defines, ("LAMPS", MAX_LAMPS))
        return self._program(material, "main.glsl", people, defines)

    def mask(self, material: str, *, people: bool, defines: Defines = ()) -> Any:
        """Return the program that draws only where a material is."""
        return self._program(material, "mask.glsl", people, defines)

    def sky(self) -> Any:
        """Return the program that draws the sky."""
        return self._compiled(("sky",), "sky.vert", ["sky.glsl"], ())

    def _program(self, material: str, main: str, people: bool, defines: Defines) -> Any:
        if people:
            defines = (*defines, ("PEOPLE", 1))
        elif main == "mask.glsl":
            material = "plaster"  # the world has no cut-outs: one mask program is enough
        vertex = "person.vert" if people else "world.vert"
        return self._compiled(
            (material, main, people, defines), vertex, ["common.glsl", f"materials/{material}.glsl", main], defines
        )

    def _compiled(self, key: tuple[object, ...], vertex: str, fragments: list[str], defines: Defines) -> Any:
        if key not in self._programs:
            head = "#version 330\n" + "".join(f"#define {name} {value}\n" for name, value in defines)
            fragment = "\n".join(source(name) for name in fragments)
            self._programs[key] = self._context.program(head + source(vertex), head + fragment)
        return self._programs[key]


@cache
def programs() -> Programs:
    """Return the programs of this process; they are shared, as compiling takes longer than drawing a frame."""
    return Programs(open_context())


def assign(program: Any, values: dict[str, Any]) -> None:
    """Set those uniforms that the program uses; the compiler has dropped the others."""
    for name, value in values.items():
        uniform = program.get(name, None)  # `in` would search them one by one
        if uniform is not None:
            if isinstance(value, np.ndarray) and value.ndim == 2:
                data = value.T if value.shape == (4, 4) else value  # OpenGL stores matrices by column
                uniform.write(np.ascontiguousarray(data, np.float32).tobytes())
            elif isinstance(value, (int, float)):
                uniform.value = value
            else:
                uniform.value = tuple(float(part) for part in value)


def texture(context: Any, pixels: NDArray[np.uint8], *, repeat: bool = False) -> Any:
    """Upload a (H, W, C) uint8 picture as a texture; its first row is at v = 0."""
    import moderngl

    height, width, channels = pixels.shape
    uploaded = context.texture((width, height), channels, np.ascontiguousarray(pixels).tobytes(), alignment=1)
    uploaded.build_mipmaps()
    uploaded.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    uploaded.repeat_x = uploaded.repeat_y = repeat
    return uploaded


def noise_pixels(size: int = 256, seed: int = 1) -> NDArray[np.uint8]:
    """Return (size, size, 4) uint8 tileable noise: coarse, fine, and the x and y slopes of a bumpy surface."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = 1

    def field(steepness: float) -> NDArray[np.float64]:
        white = np.fft.fft2(rng.normal(size=(size, size)))
        return np.asarray(np.fft.ifft2(white / frequency**steepness).real)

    coarse, fine, bumps = field(1.6), field(0.5), field(2.0)
    slopes = [np.roll(bumps, -2, axis) - np.roll(bumps, 2, axis) for axis in (1, 0)]
    channels = [np.clip(0.5 + (part - part.mean()) / part.std() * 0.16, 0, 1) for part in (coarse, fine, *slopes)]
    return np.asarray(np.stack(channels, axis=-1) * 255, np.uint8)

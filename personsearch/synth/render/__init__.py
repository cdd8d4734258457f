"""Drawing with OpenGL through EGL, on a GPU or in software (Mesa llvmpipe), without a display."""

from personsearch.synth.render.renderer import Picture, Renderer

__all__ = ["Picture", "Renderer"]

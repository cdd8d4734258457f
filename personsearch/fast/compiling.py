"""The dense parts compiled by torch.compile: announced, and for a shape that was compiled never again."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from personsearch.errors import ConfigError
from personsearch.fast.parts import Parts

logger = logging.getLogger(__name__)

#: Shapes that a part is compiled for; further ones run as they are. A canvas has one for single images and one for
#: batches.
MOST_SHAPES = 24
_COMPILERS = ("c++", "g++", "clang++", "gcc", "clang")


def compile_parts(parts: Parts) -> None:
    """Have the base network and the identification network compiled at their first use, in place.

    Those two are long chains of small operations, which compiling joins; the other parts are a few large products each.

    Raises:
        ConfigError: there is no C++ compiler, which torch.compile calls on every device.
    """
    wanted = os.environ.get("CXX")
    if not any(shutil.which(name) for name in ((wanted,) if wanted else _COMPILERS)):
        raise ConfigError(
            f"compile=True needs a C++ compiler, and {wanted or ' or '.join(_COMPILERS[1:3])} is not installed here: "
            "apt install g++, or leave compile=True out"
        )
    parts.add_module("base", CompiledPart(parts.base, "the base network", of_canvas=True))
    identification = CompiledPart(parts.identification, "the identification network", of_canvas=False)
    parts.add_module("identification", identification)


class CompiledPart(nn.Module):
    """A part that is compiled once for every shape, the number of its rows left open.

    Rows are images of a batch, or people. One row is a shape of its own, because torch.compile makes other code for it.
    """

    def __init__(self, part: nn.Module, name: str, *, of_canvas: bool) -> None:
        """Wrap a part.

        Args:
            part: of tensors with the same number of rows each.
            name: in messages.
            of_canvas: whether shapes follow from the canvas, so that there may be many.
        """
        super().__init__()
        self.part = part
        self.name, self.of_canvas = name, of_canvas
        self._compiled: dict[tuple[Any, ...], list[Callable[..., Any]]] = {}
        self._said_to_be_full = False

    def forward(self, *inputs: Tensor) -> Any:
        """Return what the part does."""
        key = (len(inputs[0]) == 1, *(tuple(x.shape[1:]) for x in inputs))
        known = self._compiled.setdefault(key, [])
        for compiled in known:
            try:
                with torch._dynamo.config.patch(error_on_recompile=True):
                    return compiled(*inputs)
            except torch._dynamo.exc.RecompileError:  # torch's kernels have bounds of their own, such as 16 rows
                continue
        if sum(map(len, self._compiled.values())) >= MOST_SHAPES:
            self._say_full()
            return self.part(*inputs)
        return self._first(known, inputs)

    def _first(self, known: list[Callable[..., Any]], inputs: tuple[Tensor, ...]) -> Any:
        alone = len(inputs[0]) == 1
        size = f" on {inputs[0].shape[3]}x{inputs[0].shape[2]}" if self.of_canvas else ""
        rows = ("image" if alone else "images") if self.of_canvas else ("person" if alone else "people")
        number = "one" if alone else "another number of" if known else "several"
        what = f"{self.name}{size} for {number} {rows}"
        logger.warning("compiling %s: about a minute, once", what)
        begin = time.monotonic()
        run = _with_code_of_its_own(self.part)
        if not alone:
            for x in inputs:
                torch._dynamo.mark_dynamic(x, 0)
        compiled = torch.compile(run, fullgraph=True, dynamic=False if alone else None)
        try:
            result = compiled(*inputs)
        except Exception as error:  # torch raises many types
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(f"torch.compile failed on {what} ({reason}); leave compile=True out") from error
        known.append(compiled)
        logger.warning("compiled in %.0f s", time.monotonic() - begin)
        return result

    def _say_full(self) -> None:
        if not self._said_to_be_full:
            self._said_to_be_full = True
            logger.warning(
                "%s is compiled for %d shapes, and further ones run as they are: give pictures of fewer sizes, or "
                "leave compile=True out",
                self.name,
                MOST_SHAPES,
            )


def _with_code_of_its_own(part: nn.Module) -> Callable[..., Any]:
    def run(*inputs: Tensor) -> Any:
        return part(*inputs)

    # torch.compile keeps what it compiled by code object, and gives up in silence after eight of one.
    run.__code__ = run.__code__.replace()
    return run

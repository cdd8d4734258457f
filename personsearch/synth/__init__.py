"""A synthetic person-search world: as many people, cameras and scenes as you ask for, and none of the people is real.

Public names load on first use (PEP 562): importing the package loads neither OpenGL, OpenCV nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personsearch.synth.crops import make_crops
    from personsearch.synth.making import make
    from personsearch.synth.recipe import Recipe, describe_recipes, load_recipe
    from personsearch.synth.show import contact_sheets

_HOMES = {
    "Recipe": "recipe",
    "contact_sheets": "show",
    "describe_recipes": "recipe",
    "load_recipe": "recipe",
    "make": "making",
    "make_crops": "crops",
}

__all__ = ["Recipe", "contact_sheets", "describe_recipes", "load_recipe", "make", "make_crops"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

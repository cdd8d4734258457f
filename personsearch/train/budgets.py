"""Budgets: how large the chain from nothing to weights is. They are data, in ``budgets.toml`` or a file like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from personsearch.config import StrictModel, load_toml, parse
from personsearch.errors import ConfigError

BUDGETS = Path(__file__).parent / "budgets.toml"


class StepChanges(StrictModel):
    """Changes to the recipes of the two steps of STL, as nested tables."""

    pretrain: dict[str, Any] = Field(default_factory=dict)
    finetune: dict[str, Any] = Field(default_factory=dict)


class Budget(StepChanges):
    """What a budget changes in the recipes of the set and of the two steps.

    Attributes:
        about: in words, for people.
        set: changes to the recipe of the set.
        teacher: preset that is trained too, and from which other presets are distilled.
        distill: weight and temperature of the distillation.
        presets: changes for one preset only, after those for all.
        num_workers: most processes that load and augment; None = as the recipes say.
    """

    about: str
    set: dict[str, Any] = Field(default_factory=dict)
    teacher: str | None = None
    distill: dict[str, Any] = Field(default_factory=dict)
    presets: dict[str, StepChanges] = Field(default_factory=dict)
    num_workers: int | None = Field(None, ge=0)


def budget_names() -> list[str]:
    """Return the names of the budgets of the package, in the order of the file."""
    return list(load_toml(BUDGETS))


def load_budget(name: str) -> Budget:
    """Read a budget.

    Args:
        name: of a budget of the package, or ``FILE.toml:NAME`` for a file like ``budgets.toml``.

    Raises:
        ConfigError: there is no such budget, or the file cannot be used.
    """
    file, colon, inner = name.rpartition(":")
    path = Path(file) if colon else BUDGETS
    tables = load_toml(path)
    if inner not in tables:
        raise ConfigError(
            f"budget {name!r}: there is no such budget; choose from {', '.join(tables)}"
            + ("" if colon else ", or write FILE.toml:NAME for one of your own")
        )
    return parse(Budget, tables[inner], f"{path}, budget {inner}")


def overrides_of(changes: dict[str, Any], parent: str = "") -> list[str]:
    """Return nested tables as overrides of a recipe: ``{"schedule": {"epochs": 4}}`` becomes ``schedule.epochs=4``."""
    found: list[str] = []
    for key, value in changes.items():
        if isinstance(value, dict):
            found += overrides_of(value, f"{parent}{key}.")
        else:
            found.append(f"{parent}{key}={json.dumps(value, ensure_ascii=False)}")
    return found

"""Imports run downward, and what need not be loaded is not."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import personsearch

PACKAGE = Path(personsearch.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

#: Rooms that every room may import from.
OPEN = {
    "errors",
    "object_storage",
    "config",
    "durable",
    "process",
    "progress",
    "results",
    "people",
    "calibration",
    "camera_bias",
    "plain",
    "version",
}
#: Room -> other rooms it may import from. Docs: docs/architecture.md.
ALLOWED = {
    "boxes": set(),
    "pictures": set(),
    "gallery": {"batching"},
    "models": set(),
    "canvas": set(),
    "device": set(),
    "batching": set(),
    "sidecar": set(),
    "given": {"boxes"},
    "listing": {"gallery", "pictures"},
    "sources": {"listing", "pictures"},
    "weights": {"models"},
    "fast": {"models"},
    "runner": {"batching", "boxes", "canvas", "device", "fast", "models", "pictures"},
    "other_detectors": {"given", "runner"},
    "queries": {"boxes", "pictures", "runner"},
    "tracking": {"boxes"},
    "indexing": {"batching", "gallery", "given", "listing", "pictures", "runner", "sources", "tracking"},
    "searcher": {
        "other_detectors",
        "boxes",
        "device",
        "fast",
        "gallery",
        "given",
        "indexing",
        "listing",
        "models",
        "pictures",
        "queries",
        "runner",
        "sources",
        "weights",
    },
    "datasets": {"boxes", "pictures"},
    "evaluation": {"boxes", "datasets"},
    "measure": {
        "boxes",
        "canvas",
        "datasets",
        "device",
        "evaluation",
        "fast",
        "given",
        "models",
        "pictures",
        "searcher",
        "weights",
    },
    "train": {
        "boxes",
        "canvas",
        "datasets",
        "device",
        "evaluation",
        "measure",
        "models",
        "pictures",
        "searcher",
        "synth",
        "weights",
    },
    "synth": {"datasets", "pictures"},
    "demo": {"boxes", "datasets", "gallery", "pictures", "searcher"},
    "live": {"batching", "boxes", "gallery", "indexing", "pictures", "runner", "searcher", "tracking", "weights"},
    "scale": {"batching", "gallery", "indexing", "listing", "models", "pictures", "runner", "sources", "weights"},
    "serve": {"boxes", "demo", "gallery", "pictures", "searcher", "weights"},
    "exchange": {"boxes", "datasets", "gallery", "pictures"},
    "cli": {
        "boxes",
        "datasets",
        "demo",
        "device",
        "evaluation",
        "exchange",
        "gallery",
        "given",
        "listing",
        "live",
        "measure",
        "models",
        "pictures",
        "scale",
        "searcher",
        "serve",
        "sidecar",
        "synth",
        "tracking",
        "train",
        "weights",
    },
    "__main__": {"cli"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imported_by(source: str, module: str, *, is_package: bool) -> set[str]:
    """Return the modules of the package that a source imports, by any form of import and under any condition."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        for name in _names(node, module, is_package):
            while name and name not in MODULES:  # a name in a module, not a module
                name = name.rpartition(".")[0]
            if name:
                found.add(name)
    return found - {module}


def _names(node: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = module.split(".")
            parts = parts[: len(parts) - node.level + is_package]
            base = ".".join([*parts, *([base] if base else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if called in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


@cache
def graph() -> dict[str, set[str]]:
    return {
        module: imported_by(path.read_text(), module, is_package=path.name == "__init__.py")
        for module, path in MODULES.items()
        if module != "personsearch"  # the lazy public names
    }


@pytest.mark.parametrize("module", [module for module in MODULES if module != "personsearch"])
def test_imports_run_downward(module: str) -> None:
    here = room(module)
    assert here in ALLOWED or here in OPEN, "a new room: say in ALLOWED what it may import"
    imported = {room(other) for other in graph()[module]} - {"__init__", here}
    assert imported - OPEN <= ALLOWED.get(here, set())


def test_no_module_is_in_a_circle() -> None:
    list(TopologicalSorter(graph()).static_order())


def test_no_room_is_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, imported in graph().items():
        rooms.setdefault(room(module), set()).update({room(other) for other in imported} - {room(module), "__init__"})
    list(TopologicalSorter(rooms).static_order())


@pytest.mark.parametrize(
    "line",
    [
        "import personsearch.gallery.view",
        "import personsearch.gallery.view as view",
        "from personsearch.gallery.view import View",
        "from personsearch.gallery import view",
        "from . import view",
        "from .view import View",
        "from ..gallery.view import View",
        "import importlib\nimportlib.import_module('personsearch.gallery.view')",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from personsearch.gallery.view import View",
        "def later():\n    from personsearch.gallery.view import View",
    ],
)
def test_every_form_of_import_is_seen_so_a_circle_fails(line: str) -> None:
    here = "personsearch.gallery.index"  # which view imports
    found = imported_by(line, here, is_package=False)
    assert "personsearch.gallery.view" in found
    with pytest.raises(CycleError):
        list(TopologicalSorter({**graph(), here: found}).static_order())


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "torchvision", "faiss", "av", "matplotlib", "personsearch.train", "personsearch.datasets", "PIL"}


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("import personsearch", set()),
        ("import personsearch.gallery", set()),
        ("import personsearch.boxes", set()),
        ("from personsearch import list_weights", set()),
        ("from personsearch import Gallery, Detections, Match", set()),
        ("from personsearch import draw, draw_matches, draw_people", {"PIL"}),
        ("import personsearch.pictures.drawing", {"PIL"}),
        ("import personsearch.pictures.matches", {"PIL"}),
        ("import personsearch.pictures.people", {"PIL"}),
        ("import personsearch.pictures.times", set()),
        ("import personsearch.cli.people", {"PIL"}),
        ("import personsearch.weights.remembered", set()),
        ("import personsearch.pictures.video", {"PIL"}),
        ("import personsearch.sources", {"PIL"}),
        ("import personsearch.datasets", {"personsearch.datasets"}),
        ("import personsearch.evaluation", {"personsearch.datasets"}),
    ],
)
def test_light_imports_stay_light(code: str, needs: set[str]) -> None:
    assert not loaded_by(code) & (HEAVY - needs)


def test_no_file_of_the_protocols_loads_torch_or_a_picture() -> None:
    modules = [module for module in MODULES if room(module) == "evaluation"]
    assert len(modules) > 10
    assert not loaded_by(f"import {', '.join(modules)}") & {"torch", "PIL", "matplotlib", "personsearch.searcher"}


def test_the_searcher_loads_no_training() -> None:
    loaded = loaded_by("from personsearch import PersonSearcher")
    unwanted = {"train", "datasets", "evaluation", "measure", "synth"}
    assert not {"faiss", "av", "matplotlib", *(f"personsearch.{name}" for name in unwanted)} & loaded


def test_every_public_name_can_be_had() -> None:
    for name in personsearch.__all__:
        assert getattr(personsearch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        personsearch.nope  # noqa: B018

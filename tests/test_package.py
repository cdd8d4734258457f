"""Imports run downward, and what need not be loaded is not."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import personsearch

PACKAGE = Path(personsearch.__file__).parent

#: Room -> rooms it may import from; those of OPEN are open to all.
OPEN = {"errors", "config", "durable", "progress", "results", "calibration"}
ALLOWED = {
    "models": set(),
    "images": set(),
    "gallery": set(),
    "batching": set(),
    "drawing": {"images"},
    "sources": {"images"},
    "datasets": set(),
    "weights": {"models"},
    "indexing": {"batching", "gallery", "images", "sources", "searcher"},
    "runner": {"batching", "images", "models"},
    "searcher": {"gallery", "images", "indexing", "models", "runner", "sources", "weights"},
    "matches": {"drawing", "images", "sources", "searcher"},
    "evaluation": {"datasets", "drawing", "images", "models", "searcher"},
    "train": {"datasets", "drawing", "evaluation", "images", "models", "searcher", "weights"},
    "synth": {"datasets"},
    "demo": {"datasets", "drawing", "evaluation", "gallery", "searcher"},
    "cli": {
        "datasets",
        "demo",
        "drawing",
        "evaluation",
        "gallery",
        "matches",
        "models",
        "searcher",
        "sources",
        "synth",
        "train",
        "weights",
    },
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("personsearch."):
            imported.add(node.module.split(".")[1])
    assert here in ALLOWED or here in OPEN
    assert imported - OPEN - {here} <= ALLOWED.get(here, set())


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "torchvision", "faiss", "av", "personsearch.train", "personsearch.datasets", "PIL"}


@pytest.mark.parametrize(
    "code",
    [
        "import personsearch",
        "import personsearch.gallery",
        "from personsearch import Gallery, Detections, Match",
        "import personsearch.evaluation",
    ],
)
def test_light_imports_stay_light(code: str) -> None:
    allowed = {"personsearch.datasets"} if "evaluation" in code else set()
    assert not loaded_by(code) & (HEAVY - allowed)


def test_the_searcher_loads_no_training() -> None:
    loaded = loaded_by("from personsearch import PersonSearcher")
    assert not {"personsearch.train", "personsearch.datasets", "personsearch.evaluation", "faiss", "av"} & loaded


def test_every_public_name_can_be_had() -> None:
    for name in personsearch.__all__:
        assert getattr(personsearch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        personsearch.nope  # noqa: B018

"""The stores that the conformance suite holds to the protocol."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from personsearch import Gallery
from personsearch.gallery.stores.shared import SharedStore
from personsearch.results import Spec
from tests.gallery import toy
from tests.gallery.stores.memory import MemoryEngine
from tests.gallery.stores.milvus_server import milvus_server  # noqa: F401 - a fixture

KINDS = ("folder", "memory", "lance", "milvus")
_number = itertools.count()


@dataclass
class Place:
    """Somewhere to put one gallery.

    Attributes:
        kind: of KINDS.
        address: what ``Gallery.open`` takes; empty for the memory of this process.
        files: the folder in which its rows end up, where that can be said.
    """

    kind: str
    address: str
    files: Path | None = None
    engine: MemoryEngine = field(default_factory=MemoryEngine)

    def open(self, mode: str = "a", spec: Spec | None = None) -> Gallery:
        """Open the gallery; a writer makes it."""
        spec = spec or toy.spec()
        if self.kind != "memory":
            return Gallery.open(self.address, spec if mode == "a" else None, mode=mode)  # type: ignore[arg-type]
        opened = Gallery(SharedStore(self.engine, write=mode == "a", create=spec if mode == "a" else None))
        opened.require(spec)
        return opened


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Yield a place for a new gallery, in each kind of store."""
    kind = request.param
    if kind == "milvus":
        server = request.getfixturevalue("milvus_server")
        yield Place(kind, f"milvus://{server}/g{next(_number)}")
        return
    if kind == "lance":
        pytest.importorskip("lance")
    folder = tmp_path / "gallery"
    yield Place(kind, {"folder": str(folder), "lance": f"lance://{folder}", "memory": ""}[kind], folder)

"""What ``Gallery`` needs of what keeps its rows.

``tests/gallery/stores/test_conformance.py`` holds every implementation to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from personsearch.gallery.index import IndexKind
from personsearch.gallery.rows import ImageRow
from personsearch.gallery.searching import Candidates, Wanted
from personsearch.results import Detections, Floats, Sighting, Spec

#: What became of a scene: stored now; there already with the same content; left as it is, as it has other content.
Outcome: TypeAlias = Literal["stored", "there", "differs"]


@dataclass(frozen=True, eq=False)
class Incoming:
    """A scene with its people, checked and ready to be stored.

    Attributes:
        row: the scene; its row number is ignored.
        detections: its people.
    """

    row: ImageRow
    detections: Detections


class SceneStore(Protocol):
    """Scenes with their people, durable, and the search among them. Used by one thread at a time.

    What a method has written is durable when it returns, and everybody's next read sees it. A scene is seen with all of
    its people or not at all, whoever is killed when. Errors are those of ``personsearch.errors``.

    Attributes:
        name: where it is, for messages.
        embedding_size: length of an embedding.
        scenes_at_once: how many scenes are worth one :meth:`put`.
    """

    name: str
    embedding_size: int
    scenes_at_once: int

    @property
    def spec(self) -> Spec:
        """Return the weights whose embeddings are stored."""

    @property
    def writable(self) -> bool:
        """Whether it was opened to be written to."""

    def put(self, scenes: Sequence[Incoming], *, replace: bool) -> list[Outcome]:
        """Store scenes, and say of each what became of it.

        Args:
            scenes: each with an image_id of its own.
            replace: let them replace scenes with other content.
        """

    def stored(self, image_ids: Collection[str]) -> dict[str, ImageRow]:
        """Return the scenes among these ids."""

    def scenes(self, image_ids: Collection[str]) -> dict[str, Incoming]:
        """Return the scenes among these ids with their people as they are stored."""

    def relabel(self, image_id: str, camera: str | None, time: float | None) -> bool | None:
        """Give a scene another camera or time, None leaves it; return whether that changed it, None = no such scene."""

    def remove(self, image_ids: Collection[str], before: float | None) -> int:
        """Erase scenes of these ids, and those with a time below ``before``; return how many there were."""

    def everything(self) -> Iterator[Incoming]:
        """Yield all scenes with their people as they are stored, in any order."""

    def image_ids(self, prefix: str) -> list[str]:
        """Return the ids of all scenes that begin so, in the order they were added."""

    def counts(self) -> tuple[int, int]:
        """Return how many scenes and people are stored."""

    def labels(self) -> tuple[dict[str, int], int]:
        """Return how many scenes each known camera took, and how many scenes have a time."""

    def note(self, prefix: str, content: bytes) -> None:
        """Keep something about the scenes whose ids begin so, until one of them is erased; a store may forget it."""

    def noted(self, prefix: str) -> bytes | None:
        """Return what was noted; None = nothing."""

    def candidates(self, wanted: Wanted) -> AbstractContextManager[Candidates]:
        """Return those among whom a search ranks, all of one moment, for as long as the search takes."""

    def sightings(self, detection_ids: Collection[int]) -> dict[int, Sighting]:
        """Return what is known of stored people; those who are gone are absent."""

    def embeddings(self, detection_ids: Collection[int]) -> dict[int, Floats]:
        """Return the embeddings (D,) float32 of stored people, unit length; those who are gone are absent."""

    def describe(self) -> str:
        """Return how it is searched, in a few words."""

    def rebuild(self, index: IndexKind | None) -> str:
        """Make the index of this kind anew, None = of the same kind, and return it in words."""

    def check(self) -> list[str]:
        """Examine every row; return the problems."""

    def close(self, *, save: bool) -> None:
        """Close it, after what makes the next opening quick if ``save``."""

"""Scenes into the gallery, many at a time, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from personsearch.gallery import Gallery
from personsearch.indexing.scenes import stored_or_refused
from personsearch.people import NewScene
from personsearch.results import Spec
from personsearch.scale.answers import Answer, answers_in, table_of


class Storing:
    """Stores what is new among answers, and passes on the rest.

    Args:
        gallery: open for writing.
        replace: let scenes of other content be replaced.
    """

    def __init__(self, gallery: Gallery, *, replace: bool) -> None:
        self._gallery, self._replace = gallery, replace
        self._pending: dict[str, NewScene] = {}

    def take(self, answer: Answer) -> Iterator[Answer]:
        """Take one in, and yield what is known now; scenes are acknowledged once they are stored."""
        if answer.scene is None:
            if answer.kind == "erase":
                yield from self.finish()
                self._gallery.remove(answer.names)
                return
            yield answer
            return
        if answer.image_id in self._pending:
            yield from self.finish()  # the same name once more: the two are compared
        self._pending[answer.image_id] = answer.scene
        if len(self._pending) >= self._gallery.scenes_at_once:
            yield from self.finish()

    def finish(self) -> Iterator[Answer]:
        """Store what is pending."""
        scenes, self._pending = list(self._pending.values()), {}
        if scenes:
            yield from store(self._gallery, scenes, replace=self._replace)


def store(gallery: Gallery, scenes: Sequence[NewScene], *, replace: bool) -> list[Answer]:
    """Store scenes, each with a name of its own; return of each that it is stored, or why it was refused.

    A scene that was computed again after a failure is the same picture, and yet its numbers may differ in the last bit
    where another machine computed them. If the picture is stored already, by its sha256, that is enough.
    """
    outcomes = stored_or_refused(gallery, scenes, replace=replace)
    refused = [scene.image_id for scene, error in outcomes if error is not None]
    held = gallery.stored(refused) if refused else {}
    answers: list[Answer] = []
    for scene, error in outcomes:
        if error is not None:
            earlier = held.get(scene.image_id)
            if earlier is None or earlier.extra.get("sha256") != scene.extra.get("sha256"):
                answers.append(Answer("refused", scene.image_id, str(error)))
                continue
        answers.append(Answer("stored", scene.image_id, people=len(scene.detections)))
    return answers


class Writer:
    """Stores the scenes of tables of answers in an engine that many write to; an actor.

    Args:
        gallery: the engine's address.
        spec: of the weights.
    """

    def __init__(self, gallery: str, spec: Spec) -> None:
        self._gallery = Gallery.open(gallery, spec)

    def __call__(self, table: Any) -> Any:
        """Return the table's answers, with "stored" or "refused" in place of "new"."""
        storing = Storing(self._gallery, replace=False)
        answers = [known for answer in answers_in(table) for known in storing.take(answer)]
        return table_of([*answers, *storing.finish()])

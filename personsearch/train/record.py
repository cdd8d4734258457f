"""What a run was trained on, as its checkpoint remembers it: so that it never continues with other labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personsearch.datasets import Scene
from personsearch.train.reading import listed

#: Hexadecimal digits that are kept of a digest: enough to tell two versions of a scene apart.
_DIGITS = 16


@dataclass(frozen=True)
class DataRecord:
    """The annotations of a run. Pixels are not part of it.

    Attributes:
        scenes: image_id -> digest of everything that training uses of its annotations, in order.
        people: name of an identity of the training part, in the order of their classes -> digest of where it is seen.
    """

    scenes: Mapping[str, str]
    people: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Sha256 over all of it, and over the order of scenes and classes."""
        return hashlib.sha256(repr((list(self.scenes.items()), list(self.people.items()))).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a checkpoint."""
        return {"digest": self.digest, "scenes": dict(self.scenes), "people": dict(self.people)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DataRecord:
        """Return what :meth:`to_dict` was called on."""
        return cls(data["scenes"], data["people"])

    def changes_to(self, now: DataRecord) -> str:
        """Return in words what is different now; empty if nothing is."""
        if self.digest == now.digest:
            return ""
        parts = [*_changes("identity", "identities", self.people, now.people)]
        parts += _changes("scene", "scenes", self.scenes, now.scenes)
        return "; ".join(parts) or "the scenes are the same in another order"


def record_of(
    training: Sequence[Scene], held_out: Sequence[Scene], classes: Mapping[int, int], names: Mapping[int, str]
) -> DataRecord:
    """Record the annotations of a run.

    Args:
        training: the scenes to train on.
        held_out: those to validate on.
        classes: label -> class.
        names: label -> how the annotations call that person, where they call it otherwise.
    """

    def annotations(scene: Scene) -> tuple[object, ...]:
        people = [names.get(label, str(label)) for label in scene.identities.tolist()]
        return scene.width, scene.height, scene.boxes.tobytes(), scene.ignore.tobytes(), people

    scenes = {scene.image_id: _digest(("training", annotations(scene))) for scene in training}
    scenes |= {scene.image_id: _digest(("held out", scene.camera, annotations(scene))) for scene in held_out}
    seen: dict[int, list[tuple[str, bytes]]] = {label: [] for label in classes}
    for scene in training:
        for row in np.flatnonzero(scene.identities >= 0).tolist():
            seen[int(scene.identities[row])].append((scene.image_id, scene.boxes[row].tobytes()))
    people = {names.get(label, str(label)): _digest(sorted(rows)) for label, rows in seen.items()}
    return DataRecord(scenes, people)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:_DIGITS]


def _changes(one: str, several: str, then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = {
        "gone": [name for name in then if name not in now],
        "new": [name for name in now if name not in then],
        "different": [name for name in then if name in now and then[name] != now[name]],
    }
    lines = []
    for what, found in names.items():
        if found:
            which = f"{one} is" if len(found) == 1 else f"{several} are"
            lines.append(f"{len(found)} {which} {what} ({listed(found)})")
    return lines

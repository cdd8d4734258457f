"""What became of everything that was watched, as records and in words."""

from __future__ import annotations

from dataclasses import dataclass

from personsearch.live.cameras import Camera, Feed
from personsearch.live.reading import Counts
from personsearch.plain import counted


@dataclass(frozen=True, kw_only=True)
class CameraReport:
    """What became of a camera's frames.

    Attributes:
        name: of the camera.
        taken: frames that were looked at.
        dropped: frames that were due, but newer ones came before the network had time for them.
        passed_over: frames that could not be decoded, or were not because decoding fell behind.
        connections: how often a live camera answered.
        lost: why it cannot be seen at present; None = it can.
        refused: why it is not watched; None = it is.
        damage: what of a file could not be read; None = nothing.
    """

    name: str
    taken: int = 0
    dropped: int = 0
    passed_over: int = 0
    connections: int = 0
    lost: str | None = None
    refused: str | None = None
    damage: str | None = None

    @classmethod
    def of(cls, camera: Camera | Feed, counts: Counts) -> CameraReport:
        """Return the counts of a camera as they are now."""
        return cls(name=camera.name, **vars(counts))

    def __str__(self) -> str:
        """Say it in a line."""
        said = [f"{self.name}: {counted(self.taken, 'frame')} looked at", f"{self.dropped} dropped"]
        if self.passed_over:
            said.append(f"{self.passed_over} not decoded")
        if self.connections > 1:
            said.append(f"connected {self.connections} times")
        troubles = (self.refused, self.lost and f"lost now: {self.lost}", self.damage)
        return ", ".join([*said, *filter(None, troubles)])


@dataclass(frozen=True, kw_only=True)
class WatchReport:
    """What watching did, and what it could not do.

    Attributes:
        cameras: of each what became of its frames.
        tracks: people who were followed and stored.
        scenes: that were stored with them.
        people: rows that were stored with them.
        known: tracks that were not stored because a scene of theirs was there already.
        lost: tracks that were thrown away because the gallery could not be written to.
        erased: scenes that were erased because of their age.
        alerts: that were given.
        undelivered: alerts that a webhook or broker did not take.
        trouble: why the gallery cannot be written to at present; None = it can.
    """

    cameras: tuple[CameraReport, ...]
    tracks: int = 0
    scenes: int = 0
    people: int = 0
    known: int = 0
    lost: int = 0
    erased: int = 0
    alerts: int = 0
    undelivered: int = 0
    trouble: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all was done: every camera could be seen, and nothing was thrown away."""
        unseen = any(one.refused or one.damage or (one.lost and not one.connections) for one in self.cameras)
        return not (unseen or self.lost or self.undelivered)


def status_of(report: WatchReport) -> str:
    """Write a report: a line for each camera, and one for the gallery."""
    stored = f"{counted(report.tracks, 'track')} stored in {counted(report.scenes, 'scene')}"
    said = [stored, counted(report.alerts, "alert")]
    for count, what, fate in (
        (report.known, "track", "there already"),
        (report.erased, "scene", "erased because of age"),
        (report.lost, "track", "thrown away"),
        (report.undelivered, "alert", "not delivered"),
    ):
        if count:
            said.append(f"{counted(count, what)} {fate}")
    if report.trouble:
        said.append(f"nothing can be stored now: {report.trouble}")
    return "\n".join([*map(str, report.cameras), ", ".join(said)])

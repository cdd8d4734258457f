"""What the routes of one service share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from personsearch.results import Sighting
from personsearch.serve.access import Access
from personsearch.serve.crops import Crops
from personsearch.serve.desk import Desk
from personsearch.serve.faults import Refused
from personsearch.serve.metrics import Metrics
from personsearch.serve.network import Network
from personsearch.serve.roster import Roster
from personsearch.serve.storing import PictureFolder
from personsearch.serve.telling import known_sightings


@dataclass(frozen=True, eq=False, kw_only=True)
class Service:
    """The parts of a service.

    Attributes:
        desk: lends the gallery.
        roster: remembers the people of the gallery.
        network: lets requests use the searcher.
        crops: cuts people out of scenes.
        access: who may ask.
        metrics: what was done.
        pictures: where pictures of new scenes are kept; None = nowhere.
        example: a JPEG to try; None = there is none.
        max_upload: bytes of the pictures of one request.
    """

    desk: Desk
    roster: Roster
    network: Network
    crops: Crops
    access: Access
    metrics: Metrics
    pictures: PictureFolder | None
    example: bytes | None
    max_upload: int

    def sighting(self, detection_id: int) -> Sighting:
        """Return what the gallery has of a detection now.

        Raises:
            Refused: 404, nobody has this id; a picture that is remembered of it is forgotten.
        """
        with self.desk.reading() as gallery:
            found = known_sightings(gallery, [detection_id])
        if not found:
            self.crops.forget([detection_id])
            raise Refused(404, f"there is no detection {detection_id} here; it may have been erased")
        return found[0]

    def forget_erased(self) -> None:
        """Forget all that is remembered of who is stored, after somebody was erased."""
        self.crops.forget()
        self.roster.clear()

    def sightings(self, detection_ids: Sequence[int]) -> list[Sighting]:
        """Return what the gallery has of some detections now; those that are gone are absent."""
        with self.desk.reading() as gallery:
            return known_sightings(gallery, detection_ids)


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


#: The parameter of a route that is the service.
Ours = Annotated[Service, Depends(_service)]

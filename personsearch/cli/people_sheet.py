"""The pictures that ``personsearch people`` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import out
from personsearch.cli.people_text import person_text
from personsearch.errors import ConfigError
from personsearch.gallery import Gallery
from personsearch.people import Person
from personsearch.pictures.video import video_of
from personsearch.plain import counted

#: People on one of the pictures in a folder.
PER_PAGE = 20
#: People on a single picture.
MOST_PEOPLE = 160
#: Pictures of one person that 'show' draws.
MOST_IN_FULL = 80

Save = Annotated[
    str | None,
    typer.Option(metavar="PICTURE|FOLDER", help="Draw the people and where they were seen: a picture, or a folder."),
]


class Target:
    """Where people are drawn: checked before the work, written after it."""

    def __init__(self, save: str, gallery: Path) -> None:
        from personsearch.pictures.saving import require_folder, require_savable

        self.path = Path(save)
        self.is_folder = save.endswith("/") or self.path.is_dir() or not self.path.suffix
        if self.is_folder:
            if self.path.resolve() == gallery.resolve():
                raise ConfigError(f"--save {save}: is the gallery itself; name another folder")
            require_folder(self.path)
        else:
            require_savable(self.path)

    def draw(
        self, gallery: Gallery, people: Sequence[Person], *, pictures: bool, quiet: bool, in_full: bool = False
    ) -> None:
        """Draw people, several pages of them into a folder; in full, with all they have and its numbers."""
        from personsearch.pictures.people import MOST_VIEWS, best_views, draw_people
        from personsearch.pictures.saving import require_savable

        if not people:
            if not quiet:
                out.print("there is nobody to draw")
            return
        if not self.is_folder and len(people) > MOST_PEOPLE:
            raise ConfigError(
                f"--save {self.path}: {len(people)} people are too many for one picture ({MOST_PEOPLE} at most); "
                f"name a folder for several, such as --save {self.path.with_suffix('')}-pages/"
            )
        most = MOST_IN_FULL if in_full else MOST_VIEWS
        per_page = PER_PAGE if self.is_folder else MOST_PEOPLE
        starts = range(0, len(people), per_page)
        for number, start in enumerate(starts, start=1):
            page = people[start : start + per_page]
            rows = [view.detection_id for person in page for view in best_views(person, most)]
            sightings = {one.detection_id: one for one in gallery.sightings(rows)}
            of = f", page {number} of {len(starts)}" if len(starts) > 1 else ""
            what = person_text(people[0]) if in_full else counted(len(people), "person", "people")
            heading = f"{gallery.path.name}: {what}{of}"
            sheet = draw_people(page, sightings, heading=heading, most_views=most, pictures=pictures, numbered=in_full)
            name = f"person-{people[0].person_id:03d}.png" if in_full else f"people-{number:03d}.png"
            target = self.path / name if self.is_folder else self.path
            require_savable(target, inputs=[str(one.extra.get("path", "")) for one in sightings.values()])
            sheet.save(target)
        if not quiet:
            where = f"{counted(len(starts), 'picture')} in {self.path}" if self.is_folder else str(self.path)
            out.print(f"drawn into [bold]{escape(where)}[/]", soft_wrap=True)


def placed(gallery: Gallery, people: Sequence[Person]) -> list[Person]:
    """Return the same people, with a video's name where it is not known which camera filmed it."""
    unknown = [one.detection_ids[0] for person in people for one in person.appearances if one.camera is None]
    if not unknown:
        return list(people)
    videos = {one.detection_id: video_of(one.image_id) for one in gallery.sightings(unknown)}
    return [
        replace(
            person,
            appearances=tuple(
                one if one.camera is not None else replace(one, camera=videos.get(one.detection_ids[0]))
                for one in person.appearances
            ),
        )
        for person in people
    ]

"""The people of a gallery as a contact sheet: one person per row, with pictures of when and where they were seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from PIL import Image, ImageDraw

from personsearch.errors import ImageError
from personsearch.people import Appearance, Person
from personsearch.pictures.drawing import FAINT, INK, NOTHING, PAPER, Colour, fitted, load_font, shortened
from personsearch.pictures.fonts import writable
from personsearch.pictures.matches import scene_loaders
from personsearch.pictures.times import is_date, span_text
from personsearch.pictures.video import frame_time, video_of
from personsearch.results import Sighting

#: Pictures of one person that a sheet shows, and how many stand side by side.
MOST_VIEWS = 8
#: People below each other; more of them stand side by side.
MOST_ROWS = 40

CELL = (92, 164)
CAPTION = 34
GAP = 12
HEADING = 40
#: Width of the text at the left of a row.
LABEL = 276
#: Height of a row without pictures.
LOW = 118
#: Share of a person's height that is shown around the box.
MARGIN = 0.04
#: Scenes that are in memory at once.
_AT_ONCE = 48


@dataclass(frozen=True)
class View:
    """A picture of a person that a sheet shows: one stored detection, and the appearance that it is of."""

    appearance: Appearance
    detection_id: int


@dataclass(frozen=True)
class _Tile:
    """What stands in one place of a row: lines of text, below a picture if there is one."""

    caption: tuple[str, ...]
    picture: Image.Image | None = None


def best_views(person: Person, most: int = MOST_VIEWS) -> list[View]:
    """Choose what shows a person best: the best view of each appearance, of every camera, of the longest ones first.

    Args:
        person: of a gallery.
        most: how many views at most. If there is room, a second view of each appearance follows.

    Returns:
        The views in the order of the person's appearances.
    """
    in_turn = _spread_over_cameras(person)
    wanted = [(place, rank) for rank in (0, 1) for place in in_turn]
    there = [(place, rank) for place, rank in wanted if rank < len(person.appearances[place].detection_ids)]
    return [
        View(person.appearances[place], person.appearances[place].detection_ids[rank])
        for place, rank in sorted(there[:most])
    ]


def _spread_over_cameras(person: Person) -> list[int]:
    """Return the places of all appearances: of each camera the longest one, then of each the next one, and so on."""
    alike: dict[tuple[str | None, int], list[int]] = defaultdict(list)
    for place, one in enumerate(person.appearances):
        alike[one.camera, -one.frames].append(place)
    by_camera: dict[str | None, list[int]] = defaultdict(list)
    for (camera, _), places in sorted(alike.items(), key=lambda item: item[0][1]):
        by_camera[camera] += [places[number] for number in _far_apart(len(places))]
    return [place for turn in zip_longest(*by_camera.values()) for place in turn if place is not None]


def _far_apart(count: int) -> list[int]:
    """Return the numbers below ``count``, each far from those before it: 0, then the middle, then the quarters."""
    bits = max(1, (count - 1).bit_length())
    return sorted(range(count), key=lambda number: f"{number:0{bits}b}"[::-1])


def draw_people(
    people: Sequence[Person],
    sightings: Mapping[int, Sighting],
    *,
    heading: str = "",
    most_views: int = MOST_VIEWS,
    pictures: bool = True,
    numbered: bool = False,
) -> Image.Image:
    """Draw people as a contact sheet: a row for each, with their best views, each with camera and time. Loads no torch.

    Args:
        people: of a gallery, one row each, from top to bottom; many of them in several columns.
        sightings: detection_id -> where it was found; those of :func:`best_views` are needed, and their scenes are read
            from where they were indexed.
        heading: a line above.
        most_views: pictures per person at most.
        pictures: whether to show any; without them a sheet says who was where, and shows nobody.
        numbered: whether to write the number of the track or detection below each picture, as ``split`` takes it.

    Returns:
        A picture. A scene that is gone, or whose file has changed since it was indexed, becomes an empty tile.

    Example:
        >>> found = gallery.people.group()
        >>> people = gallery.people.all()
        >>> rows = [row for person in people for row in person.detection_ids]
        >>> sightings = {one.detection_id: one for one in gallery.sightings(rows)}
        >>> personsearch.draw_people(people, sightings, heading=f"{len(people)} people").save("people.png")
    """
    if pictures:
        tiles = _pictures(people, sightings, most_views, numbered=numbered)
    else:
        tiles = [_words(person, most_views, numbered=numbered) for person in people]
    step = (CELL[0] + GAP, (CELL[1] + CAPTION if pictures else LOW) + GAP + 15 * numbered)
    columns = min(MOST_VIEWS, max((len(row) for row in tiles), default=0))
    width = GAP + LABEL + max(columns, 1) * step[0]
    places, size = _places([max(1, -(-len(row) // MOST_VIEWS)) * step[1] for row in tiles], width)
    top = HEADING if heading else GAP
    sheet = Image.new("RGB", (size[0], top + size[1]), PAPER)
    pen = ImageDraw.Draw(sheet)
    if heading:
        _write(pen, (GAP, 11), heading, 18, INK, width - 2 * GAP)
    for person, row, (left, above) in zip(people, tiles, places, strict=True):
        if above:
            line = top + above - GAP // 2
            pen.line((left + GAP, line, left + width - GAP, line), fill=NOTHING)
        _describe(pen, person, (left + GAP, top + above))
        for number, tile in enumerate(row):
            x = left + GAP + LABEL + number % MOST_VIEWS * step[0]
            y = top + above + number // MOST_VIEWS * step[1]
            if tile.picture is not None:
                sheet.paste(tile.picture, (x, y))
            _lines(pen, (x, y + CELL[1] + 2 if pictures else y), tile.caption)
    return sheet


def _places(heights: Sequence[int], width: int) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Return where each row begins, from top to bottom and then from left to right, and the size of all together."""
    blocks = max(1, -(-len(heights) // MOST_ROWS))
    per_block = max(1, -(-len(heights) // blocks))
    places, tallest = [], 0
    for start in range(0, len(heights), per_block):
        y = 0
        for height in heights[start : start + per_block]:
            places.append((start // per_block * width, y))
            y += height
        tallest = max(tallest, y)
    return places, (blocks * width, tallest)


def _pictures(
    people: Sequence[Person], sightings: Mapping[int, Sighting], most: int, *, numbered: bool
) -> list[list[_Tile]]:
    """Return the tiles of each person, by time within an appearance."""

    def time_of(view: View) -> float | None:
        one = sightings.get(view.detection_id)
        return view.appearance.first if one is None or one.time is None else one.time

    def in_time(views: Iterable[View]) -> list[View]:
        return sorted(views, key=lambda view: time_of(view) or 0.0)

    rows = [
        [view for _, some in groupby(best_views(person, most), lambda view: view.appearance) for view in in_time(some)]
        for person in people
    ]
    crops = dict(_crops(sightings[one.detection_id] for row in rows for one in row if one.detection_id in sightings))
    return [
        [
            _Tile(
                (view.appearance.camera or "", _short(span_text(time_of(view), None)), _number(view, numbered)),
                crops.get(view.detection_id) or _empty(),
            )
            for view in row
        ]
        for row in rows
    ]


def _words(person: Person, most: int, *, numbered: bool) -> list[_Tile]:
    """Return where and when a person was, without pictures."""
    tiles = []
    for place in sorted(_spread_over_cameras(person)[:most]):
        one = person.appearances[place]
        begin, _, end = span_text(one.first, one.last).partition(" to ")
        until = f"to {_short(end)}" if end else ""
        tiles.append(
            _Tile((one.camera or "", _short(begin), until, _number(View(one, one.detection_ids[0]), numbered)))
        )
    return tiles


def _number(view: View, wanted: bool) -> str:
    if not wanted:
        return ""
    track = view.appearance.track_id
    return f"detection {view.detection_id}" if track is None else f"track {track}"


def _short(time: str) -> str:
    """Leave the year out of a date, which stands at the left."""
    day, _, clock = time.rpartition(" ")
    return f"{day[5:]} {clock}" if day else clock


def _empty() -> Image.Image:
    picture = Image.new("RGB", CELL, NOTHING)
    _lines(ImageDraw.Draw(picture), (6, 6), ("gone or", "changed"))
    return picture


def _describe(pen: ImageDraw.ImageDraw, person: Person, at: tuple[int, int]) -> None:
    """Write who it is, where, when and how often, at the left of a row."""
    width = LABEL - GAP
    number = str(person.person_id)
    _write(pen, at, number, 22, INK, width)
    if person.name is not None:
        indent = round(pen.textlength(number, font=load_font(22))) + 10
        _write(pen, (at[0] + indent, at[1] + 4), person.name, 17, INK, width - indent)
    seen = len(person.appearances)
    lines = [
        ", ".join(person.cameras),
        *_span(pen, person, width),
        f"{seen} appearance{'s' * (seen != 1)}, {person.frames} frame{'s' * (person.frames != 1)}",
        "decided by hand" if person.by_hand else "",
    ]
    for place, line in enumerate(line for line in lines if line):
        _write(pen, (at[0], at[1] + 30 + 17 * place), line, 13, FAINT, width)


def _span(pen: ImageDraw.ImageDraw, person: Person, width: int) -> list[str]:
    """Write from when to when a person was seen: in one line if it fits, else in two."""
    text = span_text(person.first, person.last)
    if person.first is not None and is_date(person.first):
        text += " UTC"
    if pen.textlength(text, font=load_font(13)) <= width:
        return [text]
    begin, _, end = text.partition(" to ")
    return [begin, f"to {end}"]


def _lines(pen: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str]) -> None:
    for number, line in enumerate(line for line in lines if line):
        _write(pen, (at[0], at[1] + 15 * number), line, 12, FAINT, CELL[0])


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, colour: Colour, width: int) -> None:
    text, font = writable(" ".join(text.split()), size)
    pen.text(at, shortened(pen, text, font, width), fill=colour, font=font)


def _crops(sightings: Iterable[Sighting]) -> Iterator[tuple[int, Image.Image]]:
    """Yield detection_id and picture of each whose scene is there; no more than a few scenes are in memory at once."""
    by_scene: dict[str, list[Sighting]] = defaultdict(list)
    for one in sightings:
        by_scene[one.image_id].append(one)
    names = sorted(by_scene, key=_in_its_video)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        for image_id, load in zip(some, scene_loaders([by_scene[name][0] for name in some]), strict=True):
            try:
                scene = load()
            except ImageError:  # gone, or not what it was
                continue
            for one in by_scene[image_id]:
                yield one.detection_id, _cut_out(scene, one.box)


def _in_its_video(image_id: str) -> tuple[str, float]:
    """Order frames by video and time, so that few parts of a video are read twice."""
    return video_of(image_id) or image_id, frame_time(image_id) or 0.0


def _cut_out(scene: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """Cut a person out with a little around them, as large as fits into a cell."""
    margin = MARGIN * (box[3] - box[1])
    left, top = max(0, round(box[0] - margin)), max(0, round(box[1] - margin))
    right, bottom = min(scene.width, round(box[2] + margin)), min(scene.height, round(box[3] + margin))
    crop = scene.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    scale = min(CELL[0] / crop.width, CELL[1] / crop.height)
    size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    return fitted(crop, size, CELL)[0]

"""Contact sheets: the people and frames that the generator makes, for people to look at."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from personsearch.durable import write_durably
from personsearch.pictures.drawing import MATCH, QUERY, RIGHT, draw_tag, load_font
from personsearch.synth.cameras import Camera
from personsearch.synth.frame import Stage, draw_frame
from personsearch.synth.geometry import Mesh, linear
from personsearch.synth.labels import GOOD_VISIBILITY, MIN_VISIBILITY, annotation_rows, counts_as_target
from personsearch.synth.people.identity import GROUP, Identity, sample_identity
from personsearch.synth.people.things import THINGS
from personsearch.synth.photography import TARGET_SCALES, Photograph, Photographer, open_stage_painter
from personsearch.synth.plan import PHOTO, Appearance, Frame, Job, plan
from personsearch.synth.recipe import Recipe, load_recipe
from personsearch.synth.world import build_world
from personsearch.synth.world.lights import NEUTRAL as DAYLIGHT
from personsearch.synth.world.types import World

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
PER_ROW = 9
#: Width and height of one person's cell, pixels.
CELL = (128, 256)
#: Width to which frames are scaled, pixels.
FRAME_WIDTH = 480
#: White pixels between cells.
GUTTER = 4

LABELLED, UNLABELLED, HIDDEN = RIGHT, QUERY, MATCH


def contact_sheets(recipe: Recipe | None, folder: str | Path) -> list[Path]:
    """Draw the contact sheets of a recipe and write them to a folder as JPEG files.

    Frames look exactly as :func:`personsearch.synth.make` stores them, except for JPEG; the crops of cameras.jpg are
    from the same frames, without random backgrounds.

    Args:
        recipe: supplies the frames and identities; None = the packaged recipe ``street-small``.
        folder: where to write; created if missing.

    Returns:
        Paths of people.jpg (from the front and from behind), look-alikes.jpg (groups of four in one outfit, or with
        one thing changed), things.jpg, frames.jpg (with boxes) and cameras.jpg (one identity per row, as its cameras
        see it).

    Raises:
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
    """
    recipe = load_recipe("street-small") if recipe is None else recipe
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = plan(recipe)
    people = [sample_identity(recipe.seed * 1000 + k) for k in range(2 * PER_ROW)]
    alike = [sample_identity(seed, look_alikes=1.0) for seed in range(3 * GROUP)]
    busy = [sample_identity(recipe.seed * 1000 + 40 + k) for k in range(2 * len(THINGS))]
    sheets = {
        "people": _people(people),
        "look-alikes": _people(alike, per_row=3 * GROUP),
        "things": _people(busy, things=THINGS * 2, per_row=2 * len(THINGS)),
        "frames": _grid(_frames(recipe, jobs), 3),
        "cameras": _grid(_across_cameras(recipe, jobs), 8),
    }
    return [_write(folder / f"{name}.jpg", sheet) for name, sheet in sheets.items()]


def _write(path: Path, sheet: Pixels) -> Path:
    data = io.BytesIO()
    Image.fromarray(sheet).save(data, "JPEG", quality=80, optimize=True)
    write_durably(path, data.getvalue())
    return path


def _grid(cells: list[Pixels], columns: int) -> Pixels:
    """Lay out cells of one size in rows, on white."""
    height, width = cells[0].shape[:2]
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * (height + GUTTER) - GUTTER, columns * (width + GUTTER) - GUTTER, 3), 255, np.uint8)
    for index, cell in enumerate(cells):
        y, x = index // columns * (height + GUTTER), index % columns * (width + GUTTER)
        sheet[y : y + height, x : x + width] = cell
    return sheet


def _people(identities: list[Identity], things: tuple[str, ...] = (), per_row: int = PER_ROW) -> Pixels:
    """Draw people side by side in a grey studio, each row from the front and from behind."""
    by_seed = {identity.seed: identity for identity in identities}
    stage = Stage(_studio(), 160 * per_row, 420, by_seed.__getitem__)
    rows: list[Pixels] = []
    try:
        for first in range(0, len(identities), per_row):
            group = identities[first : first + per_row]
            carried = things[first : first + per_row]
            rows.extend(_line_up(stage, group, carried, turn) for turn in (0.0, np.pi))
    finally:
        stage.close()
    return np.concatenate(rows)


def _line_up(stage: Stage, group: list[Identity], things: tuple[str, ...], turn: float) -> Pixels:
    """Draw one row of people, all turned by ``turn`` radians."""
    width, height = stage.size
    spacing = 1.7 if things else 1.0
    breadth = spacing * len(group)
    distance = 11.0 * breadth / 9
    camera = Camera(
        name="studio",
        eye=(0, 1.3, distance),
        target=(0, 0.98, 0),
        field_of_view=float(np.degrees(2 * np.arctan(breadth / 2 / distance))),
        width=width,
        height=height,
        aspect=width / height,
    )
    appearances = []
    for place, identity in enumerate(group):
        rng = np.random.default_rng([identity.seed, 95])
        appearances.append(
            Appearance(
                seed=identity.seed,
                label=-1,
                position=((place - (len(group) - 1) / 2) * spacing, 0.0),
                heading=turn + 0.3,
                speed=0.0 if place % 4 == 0 else 1.3,
                phase=float(rng.random()),
                act=int(rng.integers(2**31)),
                companion_thing=things[place] if things else "",
            )
        )
    frame = Frame(name="", camera=camera, time=0, light=0, seed=0, appearances=tuple(appearances))
    return draw_frame(stage, frame).image


def _studio() -> World:
    corners = np.array([[-60, 0, -60], [60, 0, -60], [60, 0, 60], [-60, 0, 60]], np.float32)
    floor = Mesh(
        material="plaster",
        positions=corners,
        normals=np.tile(np.array([0, 1, 0], np.float32), (4, 1)),
        surface=np.column_stack([corners[:, [0, 2]], np.zeros(4)]).astype(np.float32),
        colours=np.tile(linear((0.55, 0.55, 0.56)), (4, 1)),
        triangles=np.array([[0, 3, 2], [0, 2, 1]], np.int32),
    )
    room = (-50.0, -50.0, 50.0, 50.0)
    return World(kind="plaza", seed=0, meshes=(floor,), walkable=room, bounds=room, lights=(DAYLIGHT,))


def _frames(recipe: Recipe, jobs: tuple[Job, ...]) -> list[Pixels]:
    """Return one frame with boxes of each of up to nine cameras; nine frames where every place is a photograph."""
    chosen = [jobs[k] for k in np.unique(np.linspace(0, len(jobs) - 1, 9).round().astype(int))]
    if all(job.kind == PHOTO for job in jobs):  # few jobs, but a place in every frame
        chosen = [jobs[k] for k in np.linspace(0, len(jobs) - 1, 9).round().astype(int)]
    pictures = []
    for k, job in enumerate(chosen):
        frame = job.frames[(k * 7) % len(job.frames)]
        painter = open_stage_painter(job, recipe)
        try:
            photograph = Photographer(painter, job, recipe).take(frame)
        finally:
            painter.close()
        pictures.append(_with_boxes(photograph, frame))
    return pictures


def _across_cameras(recipe: Recipe, jobs: tuple[Job, ...], num_people: int = 6, num_crops: int = 8) -> list[Pixels]:
    """Return crops of the identities that one scene's cameras see most often, one person after another."""
    scene_jobs = _brightest(jobs)
    sightings = _sightings(scene_jobs)
    candidates = sorted(sightings, key=lambda label: (-len(sightings[label]), label))[: 2 * num_people]
    if candidates:
        num_crops = min(num_crops, len(sightings[candidates[min(num_people, len(candidates)) - 1]]))
    cells: list[Pixels] = []
    painter = open_stage_painter(scene_jobs[0], recipe)
    try:
        photographers = {job.camera: Photographer(painter, job, recipe) for job in scene_jobs}
        for label in candidates:
            crops = []
            for job, frame in sightings[label][:: max(1, len(sightings[label]) // (3 * num_crops))]:
                photograph = photographers[job.camera].take(replace(frame, random_background=False))
                box = _clear_box(photograph, frame, label)
                if box is not None:
                    crops.append(_cell(photograph.image, box))
                if len(crops) == num_crops:
                    cells.extend(crops)
                    break
            if len(cells) == num_people * num_crops:
                break
    finally:
        painter.close()
    return cells or [np.zeros((CELL[1], CELL[0], 3), np.uint8)]


def _sightings(jobs: list[Job]) -> dict[int, list[tuple[Job, Frame]]]:
    """Return, for each label, the frames it is planned for; the cameras take turns."""
    sightings: dict[int, list[tuple[Job, Frame]]] = defaultdict(list)
    for position in range(max(len(job.frames) for job in jobs)):
        for job in jobs:
            for one in job.frames[position].appearances if position < len(job.frames) else ():
                if one.label >= 0:
                    sightings[one.label].append((job, job.frames[position]))
    return sightings


def _clear_box(photograph: Photograph, frame: Frame, label: int) -> Box | None:
    """Return the box of a person, or None where they are mostly hidden or very small."""
    for person in photograph.drawn.people:
        if frame.appearances[person.appearance].label == label and person.visibility > 0.5:
            return person.box if person.box[3] - person.box[1] > 0.1 * frame.camera.height else None
    return None


def _cell(image: Pixels, box: Box) -> Pixels:
    """Return the part of a box that lies inside the picture, scaled to a cell."""
    height, width = image.shape[:2]
    inside = (max(0.0, box[0]), max(0.0, box[1]), min(width, box[2]), min(height, box[3]))
    return np.asarray(Image.fromarray(image).crop(inside).resize(CELL), np.uint8)


def _brightest(jobs: tuple[Job, ...]) -> list[Job]:
    """Return the jobs of the first drawn scene that has neither night nor dusk; of the first scene if there is none."""
    by_scene: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_scene[job.scene].append(job)
    for scene_jobs in by_scene.values():
        if scene_jobs[0].kind == PHOTO:
            continue
        lights = build_world(scene_jobs[0].kind, scene_jobs[0].world_seed).lights
        if not any(light.name in TARGET_SCALES for light in lights[:2]):
            return scene_jobs
    return by_scene[jobs[0].scene]


def _with_boxes(photograph: Photograph, frame: Frame) -> Pixels:
    """Scale a frame and draw boxes: green = labelled, blue = without a label, orange = too hidden to count."""
    share = FRAME_WIDTH / photograph.image.shape[1]
    height = round(photograph.image.shape[0] * share)
    small = Image.fromarray(photograph.image).resize((FRAME_WIDTH, height))
    pen = ImageDraw.Draw(small)
    tags: list[tuple[float, float, str]] = []
    rows = {row["mask_value"]: row for row in annotation_rows(frame, photograph.drawn)}
    for person in photograph.drawn.people:
        label = frame.appearances[person.appearance].label
        if frame.backdrop is not None:
            if person.appearance + 1 not in rows:
                continue
            counts = counts_as_target(rows[person.appearance + 1])
        elif person.visibility < MIN_VISIBILITY:
            continue
        else:
            counts = person.visibility >= GOOD_VISIBILITY
        colour = HIDDEN if not counts else UNLABELLED if label < 0 else LABELLED
        x1, y1, x2, y2 = (corner * share for corner in person.box)
        pen.rectangle((x1, y1, x2, y2), outline=colour, width=2)
        if label >= 0 and counts:
            tags.append((x1, y1, str(label)))
    for x, y, text in tags:  # last, so that no box crosses them
        draw_tag(pen, (x, y), text, load_font(10), small.size, LABELLED)
    return np.asarray(small, np.uint8)
